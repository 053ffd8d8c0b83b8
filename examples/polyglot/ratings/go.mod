module ratings

go 1.21
