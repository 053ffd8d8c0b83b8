module heddle.dev/bench/load

go 1.24
