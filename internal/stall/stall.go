// Package stall bounds how long a network connection may be silent. A cable that
// is pulled, or a machine that freezes, tells nobody: without a bound a read from
// it waits for a quarter of an hour, whatever the caller's context says.
package stall

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Dialer makes connections that fail when they are silent for too long while
// somebody reads or writes. Its methods are those that net.Dialer has.
type Dialer struct {
	// Connect bounds the making of a connection.
	Connect time.Duration
	// Silence bounds each read and write. A write also gives a read that waits
	// meanwhile its time anew: the answer to a long upload comes after it. 0: no bound.
	Silence time.Duration
}

// Dial connects to an address.
func (d Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout is Dial with a bound of its own, where that is shorter.
func (d Dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// DialContext is Dial within a context.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: d.Connect}).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if d.Silence <= 0 {
		return c, nil
	}
	return &conn{Conn: c, silence: d.Silence}, nil
}

// conn holds each read and write to the earlier of two deadlines: its owner's, and
// the end of the silence.
type conn struct {
	net.Conn
	silence time.Duration

	mu          sync.Mutex
	read, write time.Time // the owner's deadlines; zero = none
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.arm(false); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.arm(true); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *conn) arm(writing bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := time.Now().Add(c.silence)
	if writing {
		if err := c.Conn.SetWriteDeadline(earlier(end, c.write)); err != nil {
			return err
		}
	}
	return c.Conn.SetReadDeadline(earlier(end, c.read))
}

func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.write = t, t
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	return c.Conn.SetWriteDeadline(t)
}
