package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// RFC 6455 §4.2.2.
const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
const websocketKey = "dGhlIHNhbXBsZSBub25jZQ=="

const (
	binaryFrame = 0x82
	maskBit     = 0x80
	sixteenBits = 126
)

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + websocketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// readHead reads up to the empty line, and gives what came behind it too.
func readHead(conn net.Conn) (head, rest []byte, err error) {
	buffer := make([]byte, 0, 8192)
	for {
		if end := bytes.Index(buffer, []byte("\r\n\r\n")); end >= 0 {
			return buffer[:end+4], buffer[end+4:], nil
		}
		if len(buffer) == cap(buffer) {
			return nil, nil, errors.New("the head is too long")
		}
		n, err := conn.Read(buffer[len(buffer):cap(buffer)])
		if err != nil {
			return nil, nil, err
		}
		buffer = buffer[:len(buffer)+n]
	}
}

func headerOf(head []byte, name string) string {
	for _, line := range bytes.Split(head, []byte("\r\n")) {
		if at := bytes.IndexByte(line, ':'); at > 0 && bytes.EqualFold(line[:at], []byte(name)) {
			return string(bytes.TrimSpace(line[at+1:]))
		}
	}
	return ""
}

// frameOf gives the extent of the frame at the start of `data`: its payload, mask, and where it ends; 0 when
// it is not whole. Messages of this program are shorter than 64 KiB and never fragmented.
func frameOf(data []byte) (payload, mask []byte, end int) {
	if len(data) < 2 {
		return nil, nil, 0
	}
	length, at := int(data[1]&^maskBit), 2
	if length == sixteenBits {
		if len(data) < 4 {
			return nil, nil, 0
		}
		length, at = int(binary.BigEndian.Uint16(data[2:])), 4
	}
	if data[1]&maskBit != 0 {
		if len(data) < at+4 {
			return nil, nil, 0
		}
		mask, at = data[at:at+4], at+4
	}
	if len(data) < at+length {
		return nil, nil, 0
	}
	return data[at : at+length], mask, at + length
}

func appendFrameHead(to []byte, length int, maskFlag byte) []byte {
	if length < sixteenBits {
		return append(to, binaryFrame, maskFlag|byte(length))
	}
	return append(to, binaryFrame, maskFlag|sixteenBits, byte(length>>8), byte(length))
}

// serveWebSocket sends every message back.
func serveWebSocket(options) error {
	return serve(func(conn *net.TCPConn) {
		head, rest, err := readHead(conn)
		if err != nil {
			return
		}
		answer := "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " +
			acceptOf(headerOf(head, "sec-websocket-key")) + "\r\n\r\n"
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
		in := append(make([]byte, 0, 1<<16), rest...)
		var out []byte
		for {
			out = out[:0]
			used := 0
			for {
				payload, mask, end := frameOf(in[used:])
				if end == 0 {
					break
				}
				out = appendFrameHead(out, len(payload), 0)
				for at, one := range payload {
					out = append(out, one^mask[at&3])
				}
				used += end
			}
			in = in[:copy(in, in[used:])]
			if len(out) > 0 {
				if _, err := conn.Write(out); err != nil {
					return
				}
			}
			n, err := conn.Read(in[len(in):cap(in)])
			if err != nil {
				return
			}
			in = in[:len(in)+n]
		}
	})
}

// runWebSocket has one message on its way on each connection; each counts when it is back, unchanged.
func runWebSocket(o options) error {
	return closedLoop(o.connections, o.seconds, func(_ int, stop *atomic.Bool, times *samples) int64 {
		if err := echoMessages(o, stop, times); err != nil {
			return 1
		}
		return 0
	})
}

func echoMessages(o options, stop *atomic.Bool, times *samples) error {
	conn, err := net.Dial("tcp", o.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench.local\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", o.path, websocketKey)
	head, rest, err := readHead(conn)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || headerOf(head, "sec-websocket-accept") != acceptOf(websocketKey) {
		return fmt.Errorf("no WebSocket: %q", head)
	}
	payload := bytes.Repeat([]byte{'m'}, o.bytes)
	mask := []byte{1, 2, 3, 4}
	message := append(appendFrameHead(nil, o.bytes, maskBit), mask...)
	for at, one := range payload {
		message = append(message, one^mask[at&3])
	}
	in := append(make([]byte, 0, 1<<16), rest...)
	for !stop.Load() {
		start := time.Now()
		if _, err := conn.Write(message); err != nil {
			return err
		}
		for {
			back, _, end := frameOf(in)
			if end > 0 {
				if !bytes.Equal(back, payload) {
					return errors.New("another message came back")
				}
				in = in[:copy(in, in[end:])]
				break
			}
			n, err := conn.Read(in[len(in):cap(in)])
			if err != nil {
				return err
			}
			in = in[:len(in)+n]
		}
		times.since(start)
	}
	return nil
}
