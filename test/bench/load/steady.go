package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// sample is one request: when it was due, and how long after that its answer was there.
type sample struct {
	AtMs      float64 `json:"atMs"`
	LatencyUs float64 `json:"latencyUs"`
}

// runSteady sends requests when they are due, whatever became of those before (on other connections), so that
// a server which stands still for a time shows it in the latency of all that were due in that time.
func runSteady(o options) error {
	type found struct {
		samples []sample
		errors  int
	}
	perConnection := time.Duration(float64(o.connections) / o.rate * float64(time.Second))
	results := make([]found, o.connections)
	var group sync.WaitGroup
	var stop atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	begin := time.Now()
	for at := range o.connections {
		group.Add(1)
		go func() {
			defer group.Done()
			mine := &results[at]
			conn, err := net.Dial("tcp", o.address)
			if err != nil {
				mine.errors++
				return
			}
			defer conn.Close()
			request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench.local\r\n\r\n", o.path)
			buffer := make([]byte, 4096)
			due := begin.Add(perConnection * time.Duration(at) / time.Duration(o.connections))
			for !stop.Load() {
				time.Sleep(time.Until(due))
				if _, err := conn.Write(request); err != nil {
					mine.errors++
					return
				}
				// The answer is short: it comes in one piece.
				n, err := conn.Read(buffer)
				if err != nil || n < 12 || string(buffer[:12]) != "HTTP/1.1 200" {
					mine.errors++
					return
				}
				mine.samples = append(mine.samples, sample{
					float64(due.UnixMicro()) / 1000,
					float64(time.Since(due).Nanoseconds()) / 1000,
				})
				due = due.Add(perConnection)
			}
		}()
	}
	group.Wait()
	all := struct {
		Samples []sample `json:"samples"`
		Errors  int      `json:"errors"`
	}{}
	for _, one := range results {
		all.Samples = append(all.Samples, one.samples...)
		all.Errors += one.errors
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}
