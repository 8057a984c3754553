package clientws

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"sync"
)

// counted is a Metrics that remembers.
type counted struct {
	mu         sync.Mutex
	negotiated int
	opened     map[string]int
	panics     int
}

func (c *counted) Negotiated() { c.change(func() { c.negotiated++ }) }
func (c *counted) Panicked()   { c.change(func() { c.panics++ }) }
func (c *counted) Opened(transport string) {
	c.change(func() {
		if c.opened == nil {
			c.opened = make(map[string]int)
		}
		c.opened[transport]++
	})
}

func (c *counted) panicked() (n int) {
	c.change(func() { n = c.panics })
	return n
}

func (c *counted) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// logBuffer is a log that several goroutines write to.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// pipes is a network in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func escape(s string) string { return url.QueryEscape(s) }
