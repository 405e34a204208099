package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// S3Fault is what an S3Proxy does to requests.
type S3Fault string

// The faults of an S3 server.
const (
	S3None     S3Fault = ""          // requests pass
	S3Error    S3Fault = "error"     // every second request is answered 500 InternalError
	S3SlowDown S3Fault = "slow down" // every request is answered 503 SlowDown
	S3Stall    S3Fault = "stall"     // requests are heard and not answered
	S3Lost     S3Fault = "lost"      // requests are done, and every second answer is lost
)

// S3Proxy stands in front of an S3 server and makes the faults of one, as HTTP knows
// them.
type S3Proxy struct {
	listener net.Listener
	server   *http.Server
	pass     *httputil.ReverseProxy
	done     chan struct{}

	mu     sync.Mutex
	fault  S3Fault
	change chan struct{} // closed when fault changes
	n      int           // requests during the fault
	hit    int           // requests that a fault has met, in all
}

// NewS3Proxy listens on a port of the loopback and passes on to a server's URL.
func NewS3Proxy(endpoint string) (*S3Proxy, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("start an S3 proxy: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start an S3 proxy: %w", err)
	}
	quiet := log.New(io.Discard, "", 0)
	p := &S3Proxy{listener: l, done: make(chan struct{}), change: make(chan struct{})}
	p.pass = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		// A server that is away is for the client to see as one: a broken connection.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     quiet,
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	go func() {
		defer close(p.done)
		if err := p.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			quiet.Print(err)
		}
	}()
	return p, nil
}

// Addr returns the proxy's host and port.
func (p *S3Proxy) Addr() string { return p.listener.Addr().String() }

// Set makes a fault, or ends it with S3None. It holds for requests that stall, too.
func (p *S3Proxy) Set(f S3Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.n = f, 0
	close(p.change)
	p.change = make(chan struct{})
}

// Hit returns how many requests a fault has met so far.
func (p *S3Proxy) Hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// Close ends the proxy and its connections.
func (p *S3Proxy) Close() error {
	err := p.server.Close()
	<-p.done
	if err != nil {
		return fmt.Errorf("close an S3 proxy: %w", err)
	}
	return nil
}

// next returns the fault that the next request meets, and what is closed when it changes.
func (p *S3Proxy) next() (S3Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	p.n++
	if (f == S3Error || f == S3Lost) && p.n%2 == 0 {
		f = S3None
	}
	if f != S3None {
		p.hit++
	}
	return f, p.change
}

// ServeHTTP implements http.Handler.
func (p *S3Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, change := p.next()
	switch f {
	case S3Error:
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	case S3SlowDown:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case S3Lost:
		p.pass.ServeHTTP(nowhere{http.Header{}}, r)
		panic(http.ErrAbortHandler) // the connection breaks without an answer
	case S3Stall:
		// Its body is read, or the server would not see that the client goes away.
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-change:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case S3None:
	}
	p.pass.ServeHTTP(w, r)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Connection", "close") // what the client still sends is not read
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>chaos</Message></Error>`, code)
}

// nowhere takes an answer and loses it.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
