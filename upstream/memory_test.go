package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
)

// memoryNet is a network of one server, for tests with a clock of their own.
type memoryNet struct {
	conns chan net.Conn
	done  chan struct{}

	mu    sync.Mutex
	fails []error // what the next attempts to connect end with
	dials int
}

// newMemoryHook is newHook on a memoryNet; it is reached under any address.
func newMemoryHook(t *testing.T, answer func(http.ResponseWriter, post)) (*hook, *memoryNet) {
	n := &memoryNet{conns: make(chan net.Conn), done: make(chan struct{})}
	h := &hook{posts: make(chan post, 1024), answer: answer}
	server := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(n)
	}()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return h, n
}

func (n *memoryNet) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	if len(n.fails) > 0 {
		err := n.fails[0]
		n.fails = n.fails[1:]
		n.mu.Unlock()
		return nil, err
	}
	n.mu.Unlock()
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.done:
		return nil, errors.New("closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *memoryNet) attempts() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// Accept, Close and Addr make the network a net.Listener.
func (n *memoryNet) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *memoryNet) Close() error {
	close(n.done)
	return nil
}

func (n *memoryNet) Addr() net.Addr { return &net.TCPAddr{} }

// on makes a Backend use the network.
func (n *memoryNet) on(o *Options) { o.connect = n.connect }
