package hubserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubname"
)

const (
	// DefaultConnections is how many connections a hub keeps to the gateway.
	DefaultConnections = 5
	// DefaultMaxFrame is the size in bytes of the largest message that is read from the gateway.
	DefaultMaxFrame = 32 << 20
)

// Server serves hubs to the clients of a gateway. It is made by NewServer. Its fields must be
// set before Serve and not changed afterwards; its methods may be called concurrently.
type Server struct {
	// ApplicationName separates hubs of the same name on one gateway: a letter, then letters,
	// digits and underscores. Empty means none.
	ApplicationName string
	// Connections is how many connections each hub keeps to the gateway. Clients are spread
	// over them. 0 means DefaultConnections.
	Connections int
	// ServerID names this server among all servers of its hubs. Empty means a random name.
	ServerID string
	// MaxFrame is the size in bytes of the largest message that is read from the gateway. A
	// connection with a larger one is closed. 0 means DefaultMaxFrame.
	MaxFrame int
	// Logger receives problems and the connections to the gateway. Nil means slog.Default().
	Logger *slog.Logger
	// TLSClientConfig is used for gateways at https. Nil means the default configuration.
	TLSClientConfig *tls.Config
	// DialContext dials the gateway. Nil means a net.Dialer, through the proxy that the
	// environment names.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	gateway ConnectionString
	hubs    []*Hub
	life    serverLife
}

// NewServer returns a server of hubs for the clients of a gateway. An application that only
// answers negotiate requests needs no hubs here.
func NewServer(gateway ConnectionString, hubs ...*Hub) *Server {
	return &Server{gateway: gateway, hubs: hubs}
}

// Hubs returns the hubs that the server was made with.
func (s *Server) Hubs() []*Hub { return slices.Clone(s.hubs) }

// serverLife is where a server is between its making and its end.
type serverLife struct {
	mu     sync.Mutex
	state  *serving
	closed bool
	ready  chan struct{} // closed when each hub has been connected once
}

// serving is a server between the beginning and the end of Serve.
type serving struct {
	pools []*pool
	// stopDialing lets the connections be, stop ends them too.
	stopDialing, stop context.CancelFunc
	ctx, dialing      context.Context
	done              chan struct{} // closed at the end of Serve
	closing           chan struct{} // closed by Close and by the end of Shutdown
	closeOnce         sync.Once
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

func (s *Server) maxFrame() int { return orDefault(s.MaxFrame, DefaultMaxFrame) }

// Serve connects the hubs to the gateway and serves their clients until ctx ends or the server
// is shut down. It replaces lost connections and never gives up.
//
// When ctx ends, the clients are closed and Serve returns the cause of ctx. After Shutdown or
// Close it returns ErrServerClosed. If a field of the server is wrong, it returns at once. It
// returns only when no handler runs any more, so handlers must heed their contexts. A server
// serves once.
func (s *Server) Serve(ctx context.Context) error {
	state, err := s.begin()
	if err != nil {
		return err
	}
	defer s.finish(state)
	var pools sync.WaitGroup
	for _, p := range state.pools {
		pools.Go(func() { p.run(state.ctx, state.dialing) })
	}
	select {
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-state.closing:
		err = ErrServerClosed
	}
	state.stopDialing()
	state.closeClients()
	state.stop()
	pools.Wait()
	for _, p := range state.pools {
		p.handlers.Wait()
	}
	return err
}

// closeClients closes the clients that are left and gives their handlers a moment.
func (state *serving) closeClients() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	for _, p := range state.pools {
		p.closeClients()
	}
	for _, p := range state.pools {
		if err := p.wait(ctx); err != nil {
			p.log.Warn("handlers take long to end")
		}
	}
}

func (s *Server) begin() (*serving, error) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	switch {
	case s.life.closed:
		return nil, ErrServerClosed
	case s.life.state != nil:
		return nil, errors.New("hub server is serving already")
	}
	state, err := s.newServing()
	if err != nil {
		return nil, err
	}
	for i, p := range state.pools {
		if !p.hub.pool.CompareAndSwap(nil, p) {
			for _, taken := range state.pools[:i] {
				taken.hub.pool.Store(nil)
			}
			return nil, fmt.Errorf("hub %q is being served already", p.hub.name)
		}
	}
	s.life.state = state
	return state, nil
}

func (s *Server) newServing() (*serving, error) {
	gateway, err := s.checkedGateway()
	if err != nil {
		return nil, err
	}
	if len(s.hubs) == 0 {
		return nil, errors.New("hub server without hubs")
	}
	for _, hub := range s.hubs {
		if _, err := hubname.Key(s.ApplicationName, hub.name); err != nil {
			return nil, fmt.Errorf("hub %q of the application %q: %w", hub.name, s.ApplicationName, err)
		}
	}
	state := &serving{done: make(chan struct{}), closing: make(chan struct{})}
	state.ctx, state.stop = context.WithCancel(context.Background())
	state.dialing, state.stopDialing = context.WithCancel(state.ctx)
	serverID := s.ServerID
	if serverID == "" {
		serverID = newServerID()
	}
	ready := s.readyLocked()
	waiting := len(s.hubs)
	for _, hub := range s.hubs {
		p := newPool(s, hub, dialer{server: s, gateway: gateway, hub: s.hubKey(hub), serverID: serverID})
		p.books.joined = sync.OnceFunc(func() {
			s.life.mu.Lock()
			defer s.life.mu.Unlock()
			if waiting--; waiting == 0 {
				close(ready)
			}
		})
		state.pools = append(state.pools, p)
	}
	return state, nil
}

// finish ends the state that begin has made.
func (s *Server) finish(state *serving) {
	state.stop()
	for _, p := range state.pools {
		p.hub.pool.Store(nil)
	}
	s.life.mu.Lock()
	s.life.closed = true
	s.life.mu.Unlock()
	close(state.done)
}

func (s *Server) readyLocked() chan struct{} {
	if s.life.ready == nil {
		s.life.ready = make(chan struct{})
	}
	return s.life.ready
}

// Ready waits until each hub has been connected to the gateway once. Serve may be called
// before or after it. If ctx ends first, it returns the cause of ctx.
func (s *Server) Ready(ctx context.Context) error {
	s.life.mu.Lock()
	ready := s.readyLocked()
	s.life.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// checkedGateway returns the gateway, if the fields that name it are right.
func (s *Server) checkedGateway() (auth.ConnectionString, error) {
	if s.gateway.parsed == nil {
		return auth.ConnectionString{}, errors.New("connection string: none was given")
	}
	if s.ApplicationName != "" {
		if err := hubname.Check(s.ApplicationName); err != nil {
			return auth.ConnectionString{}, fmt.Errorf("application name: %w", err)
		}
	}
	return s.gateway.parsed(), nil
}
