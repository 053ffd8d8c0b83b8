// Command load is what the benchmark needs and no program at hand does cheaply: clients that count their
// own failures, and the servers they talk to. One thread, the standard library only. A client prints its
// findings as one line of JSON; a server prints its port and runs until its standard input ends.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	address     string
	connections int
	streams     int
	bytes       int
	seconds     float64
	rate        float64
	file        string
	ca          string
	certificate string
	key         string
	serverName  string
	path        string
	resume      bool
}

// Findings of a client. Times are those of one unit: a message there and back, a handshake.
type findings struct {
	Units   float64 `json:"units"`
	Seconds float64 `json:"seconds"`
	Errors  int64   `json:"errors"`
	P50Us   float64 `json:"p50Us"`
	P99Us   float64 `json:"p99Us"`
	P999Us  float64 `json:"p999Us"`
}

func main() {
	runtime.GOMAXPROCS(1)
	commands := map[string]func(options) error{
		"serve-tcp":       serveTCP,
		"serve-websocket": serveWebSocket,
		"serve-stream":    serveStream,
		"tcp":             runTCP,
		"websocket":       runWebSocket,
		"stream":          runStream,
		"handshakes":      runHandshakes,
		"idle":            runIdle,
		"steady":          runSteady,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "no such command")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.address, "address", "", "host:port of the server")
	flags.IntVar(&o.connections, "connections", 1, "connections at a time")
	flags.IntVar(&o.streams, "streams", 1, "streams on each connection")
	flags.IntVar(&o.bytes, "bytes", 128, "bytes of a message")
	flags.Float64Var(&o.seconds, "seconds", 1, "how long")
	flags.Float64Var(&o.rate, "rate", 1000, "requests a second")
	flags.StringVar(&o.file, "file", "", "what serve-tcp sends, over and over")
	flags.StringVar(&o.ca, "ca", "", "PEM file of the root of the server's certificate; absent: no TLS")
	flags.StringVar(&o.certificate, "certificate", "", "PEM file of the client's certificate")
	flags.StringVar(&o.key, "key", "", "PEM file of its key")
	flags.StringVar(&o.serverName, "server-name", "", "SNI, and the name that is verified")
	flags.StringVar(&o.path, "path", "/", "path of the request")
	flags.BoolVar(&o.resume, "resume", false, "resume one session")
	_ = flags.Parse(os.Args[2:])
	if err := commands[os.Args[1]](o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve prints the port and hands every connection to its own goroutine until standard input ends.
func serve(handle func(*net.TCPConn)) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// samples of one goroutine, in microseconds.
type samples []float64

func (s *samples) since(start time.Time) {
	*s = append(*s, float64(time.Since(start).Nanoseconds())/1000)
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// closedLoop runs `worker` `count` times side by side until `stop` is set, and prints what they found.
func closedLoop(count int, seconds float64, worker func(at int, stop *atomic.Bool, times *samples) (errors int64)) error {
	var stop atomic.Bool
	var group sync.WaitGroup
	var errors atomic.Int64
	times := make([]samples, count)
	start := time.Now()
	for at := range count {
		group.Add(1)
		go func() {
			defer group.Done()
			errors.Add(worker(at, &stop, &times[at]))
		}()
	}
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	stop.Store(true)
	took := time.Since(start).Seconds()
	group.Wait()
	var all []float64
	for _, one := range times {
		all = append(all, one...)
	}
	return report(all, float64(len(all)), took, errors.Load())
}

func report(times []float64, units, seconds float64, errors int64) error {
	sort.Float64s(times)
	return json.NewEncoder(os.Stdout).Encode(findings{
		units, seconds, errors, quantile(times, 0.5), quantile(times, 0.99), quantile(times, 0.999),
	})
}
