// Command ask sends what it reads to a URL with Go's net/http, and prints the answer.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	response, err := http.Post(os.Args[1], "text/plain", os.Stdin)
	if err == nil {
		defer response.Body.Close()
		_, err = io.Copy(os.Stdout, response.Body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
