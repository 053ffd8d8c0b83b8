module heddle.dev/interop

go 1.24
