package main

import (
	"net"
	"sync"
	"time"
)

// route says where a connection goes, and on which way. first is what the client has said.
type route func(first []byte) (address string, way *valve)

// proxy passes TCP connections on. A valve says how badly.
type proxy struct {
	listener net.Listener
	route    route
	// listens makes the proxy wait for the first bytes of a client before it chooses.
	listens bool
	// tries is how many routes are tried until one leads to somebody.
	tries int

	mu    sync.Mutex
	open  map[net.Conn]*pair // nil while there is no other end
	over  bool
	group sync.WaitGroup
}

const (
	dialTime  = 2 * time.Second
	firstSize = 4 << 10
)

// startProxy listens on a free port on loopback.
func startProxy(route route, listens bool, tries int) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, route: route, listens: listens, tries: tries, open: make(map[net.Conn]*pair)}
	p.group.Go(p.accept)
	return p, nil
}

// to is the route of a proxy with one target, "" as long as nobody is there.
func to(address func() string, way *valve) route {
	return func([]byte) (string, *valve) { return address(), way }
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.keep(in) {
			p.group.Go(func() {
				defer p.forget(in)
				p.serve(in)
			})
		}
	}
}

func (p *proxy) keep(in net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		_ = in.Close()
		return false
	}
	p.open[in] = nil
	return true
}

// joined notes the other end. It reports false if the proxy has ended.
func (p *proxy) joined(in net.Conn, one *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[in] = one
	return !p.over
}

func (p *proxy) forget(in net.Conn) {
	p.mu.Lock()
	delete(p.open, in)
	p.mu.Unlock()
	_ = in.Close()
}

// serve finds the other end and copies until one of the two hangs up.
func (p *proxy) serve(in net.Conn) {
	var first []byte
	if p.listens {
		buf := make([]byte, firstSize)
		n, err := in.Read(buf)
		if err != nil {
			return
		}
		first = buf[:n]
	}
	for range p.tries {
		address, way := p.route(first)
		if address == "" || way.isShut() {
			continue
		}
		out, err := net.DialTimeout("tcp", address, dialTime)
		if err != nil {
			continue
		}
		one := &pair{valve: way, in: in, out: out, ended: make(chan struct{})}
		if !way.add(one) {
			_ = out.Close()
			continue
		}
		if _, err := out.Write(first); err != nil || !p.joined(in, one) {
			one.reset()
		}
		one.run()
		return
	}
	if tcp, ok := in.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // nobody is there: the client sees a reset
	}
}

// close ends the proxy and its connections, and waits for them.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.over = true
	for in, one := range p.open {
		_ = in.Close()
		if one != nil {
			one.reset()
		}
	}
	p.mu.Unlock()
	p.group.Wait()
}
