package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// RFC 9113 §4, §6: as much of HTTP/2 as messages to and fro need. Header blocks are written without any table
// and not decoded: what is measured is the other side.
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindowUpdate = 8

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	settingMaxStreams    = 3
	settingInitialWindow = 4

	frameHeadBytes = 9
	defaultWindow  = 65535
	// What we let the other side send, and how much of it is used up before we say so.
	ourWindow    = 1 << 24
	windowUpdate = ourWindow / 4
	maxStreams   = 1 << 16
)

type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// h2conn is one connection, used by one goroutine: what is sent gathers in `out` until `flush`.
type h2conn struct {
	conn net.Conn
	in   []byte
	out  []byte
	// Bytes that we may still send: on the connection, and on each stream.
	window        int
	windows       map[uint32]int
	initialWindow int
	// Received and not yet given back.
	used        int
	usedStreams map[uint32]int
	// Waits for window.
	waiting []frame
}

func newH2(conn net.Conn) *h2conn {
	c := &h2conn{
		conn: conn, in: make([]byte, 0, 1<<18), window: defaultWindow, initialWindow: defaultWindow,
		windows: map[uint32]int{}, usedStreams: map[uint32]int{},
	}
	settings := binary.BigEndian.AppendUint16(nil, settingMaxStreams)
	settings = binary.BigEndian.AppendUint32(settings, maxStreams)
	settings = binary.BigEndian.AppendUint16(settings, settingInitialWindow)
	settings = binary.BigEndian.AppendUint32(settings, ourWindow)
	c.frame(frameSettings, 0, 0, settings)
	c.frame(frameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, ourWindow-defaultWindow))
	return c
}

func (c *h2conn) frame(kind, flags byte, stream uint32, payload []byte) {
	n := len(payload)
	c.out = append(c.out, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	c.out = binary.BigEndian.AppendUint32(c.out, stream)
	c.out = append(c.out, payload...)
}

// data sends now what the windows allow, and else when they do.
func (c *h2conn) data(stream uint32, payload []byte) {
	if len(c.waiting) > 0 || !c.trySend(stream, payload) {
		c.waiting = append(c.waiting, frame{stream: stream, payload: append([]byte(nil), payload...)})
	}
}

func (c *h2conn) trySend(stream uint32, payload []byte) bool {
	own, open := c.windows[stream]
	if !open {
		own = c.initialWindow
	}
	if len(payload) > c.window || len(payload) > own {
		return false
	}
	c.window -= len(payload)
	c.windows[stream] = own - len(payload)
	c.frame(frameData, 0, stream, payload)
	return true
}

func (c *h2conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// read waits for bytes and gives `handle` every whole frame of them that is not about the connection itself.
func (c *h2conn) read(handle func(frame) error) error {
	n, err := c.conn.Read(c.in[len(c.in):cap(c.in)])
	if err != nil {
		return err
	}
	c.in = c.in[:len(c.in)+n]
	at := 0
	for len(c.in)-at >= frameHeadBytes {
		head := c.in[at:]
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if len(head) < frameHeadBytes+length {
			break
		}
		one := frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), head[frameHeadBytes : frameHeadBytes+length]}
		at += frameHeadBytes + length
		if err := c.take(one, handle); err != nil {
			return err
		}
	}
	c.in = c.in[:copy(c.in, c.in[at:])]
	return nil
}

func (c *h2conn) take(one frame, handle func(frame) error) error {
	switch one.kind {
	case frameSettings:
		if one.flags&flagAck == 0 {
			c.settings(one.payload)
			c.frame(frameSettings, flagAck, 0, nil)
		}
	case framePing:
		if one.flags&flagAck == 0 {
			c.frame(framePing, flagAck, 0, one.payload)
		}
	case frameWindowUpdate:
		c.credit(one.stream, int(binary.BigEndian.Uint32(one.payload)))
	case frameGoAway:
		return fmt.Errorf("GOAWAY %x", one.payload)
	case frameData:
		c.consume(one)
		return handle(unpadded(one))
	case frameHeaders, frameReset:
		return handle(unpadded(one))
	}
	return nil
}

func unpadded(one frame) frame {
	if one.kind != frameReset && one.flags&flagPadded != 0 {
		one.payload = one.payload[1 : len(one.payload)-int(one.payload[0])]
	}
	if one.kind == frameHeaders && one.flags&flagPriority != 0 {
		one.payload = one.payload[5:]
	}
	return one
}

func (c *h2conn) settings(payload []byte) {
	for ; len(payload) >= 6; payload = payload[6:] {
		if binary.BigEndian.Uint16(payload) != settingInitialWindow {
			continue
		}
		next := int(binary.BigEndian.Uint32(payload[2:]))
		for stream := range c.windows {
			c.windows[stream] += next - c.initialWindow
		}
		c.initialWindow = next
	}
	c.retry()
}

func (c *h2conn) credit(stream uint32, bytes int) {
	if stream == 0 {
		c.window += bytes
	} else if own, open := c.windows[stream]; open {
		c.windows[stream] = own + bytes
	} else {
		c.windows[stream] = c.initialWindow + bytes
	}
	c.retry()
}

func (c *h2conn) retry() {
	left := c.waiting[:0]
	for _, one := range c.waiting {
		if !c.trySend(one.stream, one.payload) {
			left = append(left, one)
		}
	}
	c.waiting = left
}

func (c *h2conn) consume(one frame) {
	giveBack := func(stream uint32, used int) int {
		if used < windowUpdate {
			return used
		}
		c.frame(frameWindowUpdate, 0, stream, binary.BigEndian.AppendUint32(nil, uint32(used)))
		return 0
	}
	c.used = giveBack(0, c.used+len(one.payload))
	if one.flags&flagEndStream == 0 {
		c.usedStreams[one.stream] = giveBack(one.stream, c.usedStreams[one.stream]+len(one.payload))
	}
}

func (c *h2conn) forget(stream uint32) {
	delete(c.windows, stream)
	delete(c.usedStreams, stream)
}

// literal is a field in the form that needs no table and no coding (RFC 7541 §6.2.2).
func literal(to []byte, name, value string) []byte {
	to = append(to, 0, byte(len(name)))
	to = append(to, name...)
	to = append(to, byte(len(value)))
	return append(to, value...)
}

// RFC 7541 appendix A, entry 8, and the mark of a change of table size, which may come before it.
const (
	status200       = 0x88
	tableSizeMask   = 0xe0
	tableSizeChange = 0x20
)

// isOK tells whether a header block begins with `:status: 200`.
func isOK(block []byte) bool {
	for len(block) > 0 && block[0]&tableSizeMask == tableSizeChange {
		long := block[0]&^tableSizeMask == 0x1f
		block = block[1:]
		for long && len(block) > 0 {
			long = block[0]&0x80 != 0
			block = block[1:]
		}
	}
	return len(block) > 0 && block[0] == status200
}

func readPreface(conn net.Conn) error {
	got := make([]byte, len(preface))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != preface {
		return errors.New("no HTTP/2")
	}
	return nil
}
