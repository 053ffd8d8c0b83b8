package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// grpcMessage is one length-prefixed message.
func grpcMessage(length int) []byte {
	message := binary.BigEndian.AppendUint32([]byte{0}, uint32(length))
	return append(message, bytes.Repeat([]byte{'m'}, length)...)
}

// serveStream answers every gRPC call by sending its messages back as they come, and status 0 at its end.
func serveStream(options) error {
	return serve(func(raw *net.TCPConn) {
		if readPreface(raw) != nil {
			return
		}
		head := append([]byte{status200}, literal(nil, "content-type", "application/grpc")...)
		trailers := literal(nil, "grpc-status", "0")
		c := newH2(raw)
		err := c.flush()
		for err == nil {
			err = c.read(func(one frame) error {
				switch one.kind {
				case frameHeaders:
					c.frame(frameHeaders, flagEndHeaders, one.stream, head)
				case frameData:
					if len(one.payload) > 0 {
						c.data(one.stream, one.payload)
					}
				case frameReset:
					c.forget(one.stream)
					return nil
				}
				if one.flags&flagEndStream != 0 {
					c.frame(frameHeaders, flagEndHeaders|flagEndStream, one.stream, trailers)
					c.forget(one.stream)
				}
				return nil
			})
			if err == nil {
				err = c.flush()
			}
		}
	})
}

// runStream has calls open on every connection for all the time, each with one message on its way; it counts
// when it is back whole. Messages of one connection that come together are answered together.
func runStream(o options) error {
	return closedLoop(o.connections, o.seconds, func(_ int, stop *atomic.Bool, times *samples) int64 {
		if err := echoStreams(o, stop, times); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	})
}

func echoStreams(o options, stop *atomic.Bool, times *samples) error {
	raw, err := net.Dial("tcp", o.address)
	if err != nil {
		return err
	}
	defer raw.Close()
	message := grpcMessage(o.bytes)
	head := literal(nil, ":method", "POST")
	for _, field := range []string{
		":scheme http", ":authority bench.local", ":path " + o.path, "content-type application/grpc", "te trailers",
	} {
		name, value, _ := strings.Cut(field, " ")
		head = literal(head, name, value)
	}
	sent := make([]time.Time, o.streams)
	missing := make([]int, o.streams)
	if _, err := raw.Write([]byte(preface)); err != nil {
		return err
	}
	c := newH2(raw)
	for at := range o.streams {
		c.frame(frameHeaders, flagEndHeaders, uint32(at)*2+1, head)
		c.data(uint32(at)*2+1, message)
		sent[at], missing[at] = time.Now(), len(message)
	}
	if err := c.flush(); err != nil {
		return err
	}
	for !stop.Load() {
		err := c.read(func(one frame) error {
			if one.kind == frameHeaders && one.flags&flagEndStream == 0 && isOK(one.payload) {
				return nil
			}
			if one.kind != frameData || one.flags&flagEndStream != 0 {
				return fmt.Errorf("stream %d ended: frame %d, flags %x, %q", one.stream, one.kind, one.flags, one.payload)
			}
			at := one.stream / 2
			missing[at] -= len(one.payload)
			if missing[at] < 0 {
				return errors.New("more came back than was sent")
			}
			if missing[at] == 0 {
				times.since(sent[at])
				c.data(one.stream, message)
				sent[at], missing[at] = time.Now(), len(message)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	return nil
}
