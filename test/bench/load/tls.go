package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const handshakeDeadline = 10 * time.Second

func tlsConfig(o options) (*tls.Config, error) {
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{
		RootCAs:    roots,
		ServerName: o.serverName,
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		// The one curve that all proxies have: what is compared is the proxies, not key exchanges.
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
	if o.certificate != "" {
		pair, err := tls.LoadX509KeyPair(o.certificate, o.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// oneSession gives every handshake the session it was filled with. Tickets that come later are not kept.
type oneSession struct {
	state  *tls.ClientSessionState
	filled chan struct{}
}

func (s *oneSession) Get(string) (*tls.ClientSessionState, bool) { return s.state, s.state != nil }
func (s *oneSession) Put(_ string, state *tls.ClientSessionState) {
	if s.state == nil && state != nil {
		s.state = state
		close(s.filled)
	}
}

// fill makes a request on a first connection, so that the server's ticket arrives.
func (s *oneSession) fill(o options, config *tls.Config) error {
	conn, err := tls.Dial("tcp", o.address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(handshakeDeadline))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", o.path, o.serverName)
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return err
	}
	select {
	case <-s.filled:
		return nil
	default:
		return errors.New("the server gave no session ticket")
	}
}

// runHandshakes connects, shakes hands, says that it will send nothing, and waits for the server's end: so no
// handshake begins before the one before it was finished on both sides.
func runHandshakes(o options) error {
	config, err := tlsConfig(o)
	if err != nil {
		return err
	}
	if o.resume {
		session := &oneSession{filled: make(chan struct{})}
		config.ClientSessionCache = session
		if err := session.fill(o, config); err != nil {
			return err
		}
	}
	return closedLoop(o.connections, o.seconds, func(_ int, stop *atomic.Bool, times *samples) (failed int64) {
		for !stop.Load() {
			start := time.Now()
			if err := shakeHands(o, config); err != nil {
				failed++
				fmt.Fprintln(os.Stderr, err)
				time.Sleep(10 * time.Millisecond)
				continue
			}
			times.since(start)
		}
		return failed
	})
}

func shakeHands(o options, config *tls.Config) error {
	raw, err := net.Dial("tcp", o.address)
	if err != nil {
		return err
	}
	conn := tls.Client(raw, config)
	defer raw.Close()
	_ = conn.SetDeadline(time.Now().Add(handshakeDeadline))
	if err := conn.Handshake(); err != nil {
		return err
	}
	if conn.ConnectionState().DidResume != o.resume {
		return fmt.Errorf("resumed: %v", !o.resume)
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	if err := raw.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	// What comes until the end are tickets and an alert.
	_, err = io.Copy(io.Discard, raw)
	return err
}

// runIdle makes one request on each of many connections, tells how many were answered, and holds them until
// its standard input ends. A few at a time: what is looked at is connections, not a storm of them.
func runIdle(o options) error {
	const atATime = 16
	var config *tls.Config
	if o.ca != "" {
		made, err := tlsConfig(o)
		if err != nil {
			return err
		}
		config = made
	}
	held := make(chan net.Conn, o.connections)
	failures := make(chan error, o.connections)
	slots := make(chan struct{}, atATime)
	for range o.connections {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			conn, err := askOnce(o, config)
			if err != nil {
				failures <- err
				return
			}
			held <- conn
		}()
	}
	for range atATime {
		slots <- struct{}{}
	}
	found := map[string]any{"connections": len(held), "errors": len(failures)}
	if len(failures) > 0 {
		found["first"] = (<-failures).Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(found)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

func askOnce(o options, config *tls.Config) (net.Conn, error) {
	conn, err := net.Dial("tcp", o.address)
	if err != nil {
		return nil, err
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	_ = conn.SetDeadline(time.Now().Add(handshakeDeadline))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bench.local\r\n\r\n", o.path); err != nil {
		return nil, err
	}
	head, _, err := readHead(conn)
	if err != nil {
		return nil, err
	}
	if string(head[:12]) != "HTTP/1.1 200" {
		return nil, fmt.Errorf("%q", head[:12])
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, nil
}
