package main

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// serveTCP sends a file over and over to whoever connects: by sendfile, which costs this side no copy.
func serveTCP(o options) error {
	return serve(func(conn *net.TCPConn) {
		file, err := os.Open(o.file)
		if err != nil {
			return
		}
		defer file.Close()
		for {
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return
			}
			if _, err := conn.ReadFrom(file); err != nil {
				return
			}
		}
	})
}

const gibibyte = 1 << 30

// runTCP takes what comes and counts it. MSG_TRUNC has the kernel throw the bytes away uncopied.
func runTCP(o options) error {
	var stop atomic.Bool
	var bytes, errors atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range o.connections {
		conn, err := net.Dial("tcp", o.address)
		if err != nil {
			return err
		}
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			return err
		}
		group.Add(1)
		go func() {
			defer group.Done()
			buffer := make([]byte, 1<<20)
			err := raw.Read(func(fd uintptr) bool {
				// Until the socket is empty, so that no wake-up is spent on a small piece.
				for !stop.Load() {
					n, _, err := syscall.Recvfrom(int(fd), buffer, syscall.MSG_TRUNC|syscall.MSG_DONTWAIT)
					if err == syscall.EAGAIN {
						return false
					}
					if err != nil || n == 0 {
						return true
					}
					bytes.Add(int64(n))
				}
				return true
			})
			if err != nil || !stop.Load() {
				errors.Add(1)
			}
			conn.Close()
		}()
	}
	time.Sleep(time.Duration(o.seconds * float64(time.Second)))
	stop.Store(true)
	took := time.Since(start).Seconds()
	total := bytes.Load()
	group.Wait()
	return report(nil, float64(total)/gibibyte, took, errors.Load())
}
