package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server and makes the faults of a network.
// All its methods may be called while connections are under way, and hold for
// those too.
type Proxy struct {
	network, target string
	listener        net.Listener
	done            sync.WaitGroup

	mu     sync.Mutex
	fault  fault
	change chan struct{} // closed when fault changes
	links  map[*link]bool
	closed bool
	passed int64 // connections that were passed on
}

// fault is what is wrong now.
type fault struct {
	cut   bool          // nobody gets through: connections are refused and reset
	stall bool          // nothing moves, and nobody is told: a half-open connection
	delay time.Duration // each piece comes that much later
	rate  int           // bytes a second in each direction; 0 = no limit
}

// link is one connection with both its ends.
type link struct{ client, server net.Conn }

func (l *link) close() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an orderly end
		}
		_ = c.Close()
	}
}

// StartProxy listens on a port of the loopback and passes on to a server at a TCP
// address ("tcp") or a socket ("unix"). It ends with the test.
func StartProxy(t testing.TB, network, target string) *Proxy {
	t.Helper()
	p, err := NewProxy(network, target)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// NewProxy is StartProxy without a test.
func NewProxy(network, target string) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p := &Proxy{network: network, target: target, listener: l, change: make(chan struct{}), links: map[*link]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Heal lets everything through again, what was stalled included.
func (p *Proxy) Heal() { p.set(fault{}) }

// Cut resets all connections and every new one.
func (p *Proxy) Cut() {
	p.set(fault{cut: true})
	p.Reset()
}

// Reset resets the connections that there are; new ones get through.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Stall lets nothing through and tells nobody, as a cable that is pulled: old
// connections stay open, new ones are made, and no byte moves.
func (p *Proxy) Stall() { p.set(fault{stall: true}) }

// Delay lets each piece through after a time.
func (p *Proxy) Delay(d time.Duration) { p.set(fault{delay: d}) }

// Throttle lets that many bytes a second through in each direction.
func (p *Proxy) Throttle(bytesPerSecond int) { p.set(fault{rate: bytesPerSecond}) }

// Connections returns how many connections have been made so far.
func (p *Proxy) Connections() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	for l := range p.links {
		l.close()
	}
	if !closed {
		close(p.change)
		p.change = nil
	}
	p.mu.Unlock()
	_ = p.listener.Close()
	p.done.Wait()
}

func (p *Proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	if !p.closed {
		close(p.change)
		p.change = make(chan struct{})
	}
}

// now returns the fault, and what is closed when it changes; ok is false after Close.
func (p *Proxy) now() (f fault, change <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.change, !p.closed
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.done.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client, server: client}
	if !p.add(l) {
		l.close()
		return
	}
	// While nothing moves not even the connection behind is made.
	if p.pass(0) {
		server, err := new(net.Dialer).DialContext(context.Background(), p.network, p.target)
		if err == nil && p.join(l, server) {
			var both sync.WaitGroup
			both.Go(func() { p.copy(server, client) })
			both.Go(func() { p.copy(client, server) })
			both.Wait()
		}
	}
	p.remove(l)
}

// add notes a new connection; false where nobody gets through.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.fault.cut {
		return false
	}
	p.links[l] = true
	p.passed++
	return true
}

// join gives a connection its other end; false where it was cut meanwhile.
func (p *Proxy) join(l *link, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.server = server
	if p.closed || p.fault.cut {
		l.close()
		return false
	}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.close()
	delete(p.links, l)
}

// copy passes on what one side says until either side ends.
func (p *Proxy) copy(to, from net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		most := len(buf)
		if f, _, _ := p.now(); f.rate > 0 {
			most = max(1, min(most, f.rate/20)) // a twentieth of a second at a time
		}
		n, err := from.Read(buf[:most])
		if n > 0 {
			if !p.pass(n) {
				return
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				if half, ok := to.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
					return
				}
			}
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

// pass waits until a piece of n bytes may go; ok is false after Close.
func (p *Proxy) pass(n int) (ok bool) {
	began := time.Now()
	for {
		f, change, ok := p.now()
		if !ok {
			return false
		}
		wait := f.delay
		if f.rate > 0 {
			wait += time.Duration(n) * time.Second / time.Duration(f.rate)
		}
		if !f.stall && wait <= time.Since(began) {
			return true
		}
		var timer <-chan time.Time
		if !f.stall {
			timer = time.After(wait - time.Since(began))
		}
		select {
		case <-change:
		case <-timer:
		}
	}
}
