package hubserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	// DefaultConnections is how many connections a hub keeps to the gateway.
	DefaultConnections = 5
	// DefaultMaxFrame is the size in bytes of the largest message of the gateway.
	DefaultMaxFrame = 32 << 20
)

// ShutdownMode is what Shutdown wants for the clients.
type ShutdownMode uint8

const (
	// ShutdownPlain closes them. They may reconnect, to another hub server.
	ShutdownPlain ShutdownMode = iota
	// ShutdownWait waits until they leave, and takes no new ones.
	ShutdownWait
	// ShutdownMigrate has the gateway move them to other hub servers, without their
	// noticing. Those for which there is no other stay as with ShutdownWait.
	ShutdownMigrate
)

func (m ShutdownMode) fin() serviceprotocol.Fin {
	switch m {
	case ShutdownWait:
		return serviceprotocol.FinKeep
	case ShutdownMigrate:
		return serviceprotocol.FinMigrate
	}
	return serviceprotocol.FinPlain
}

// Server serves hubs to the clients of a gateway. Its fields must not change after Serve.
type Server struct {
	// ConnectionString says where the gateway is, and has its access key. Required.
	ConnectionString string
	// ApplicationName separates hubs of the same name on one gateway: letters, digits and
	// underscores, of which the first is a letter. Empty for none.
	ApplicationName string
	// Hubs are the hubs to serve. A process that only negotiates for one need not have it here.
	Hubs []*Hub
	// Connections is how many connections each hub keeps to the gateway, over which its
	// clients are spread. 0 means DefaultConnections.
	Connections int
	// ServerID names this server among all servers of its hubs. Empty means a random one.
	ServerID string
	// ShutdownMode is what Shutdown does.
	ShutdownMode ShutdownMode
	// MaxFrame is the size in bytes of the largest message of the gateway's that is read.
	// 0 means DefaultMaxFrame. Over it the connection is closed.
	MaxFrame int
	// Logger gets what goes wrong. Nil means slog.Default().
	Logger *slog.Logger
	// TLSClientConfig is for gateways at https. Nil means the usual.
	TLSClientConfig *tls.Config
	// DialContext dials the gateway. Nil means net.Dialer, by way of the proxy that the
	// environment names.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	life serverLife
}

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

// Serve connects the hubs to the gateway and serves their clients. It connects again
// whenever a connection is lost, for ever. It returns when ctx ends, after the clients
// were closed, with the cause of that; or after Shutdown or Close with ErrServerClosed;
// or at once if a field of the server is wrong. When it returns no handler is running any
// more, so handlers must heed their contexts. A server serves once.
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
	gateway, err := s.gateway()
	if err != nil {
		return nil, err
	}
	if len(s.Hubs) == 0 {
		return nil, errors.New("hub server without hubs")
	}
	for _, hub := range s.Hubs {
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
	waiting := len(s.Hubs)
	for _, hub := range s.Hubs {
		p := newPool(s, hub, dialer{server: s, gateway: gateway, hub: s.hubKey(hub), serverID: serverID}, serverID, s.logger())
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
// before or after.
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

// Shutdown leaves the gateway as ShutdownMode says: it takes no more clients, closes
// those that there are, waits for them or has them moved, and then ends Serve. If ctx
// ends before, the clients that are left are closed and the error is that of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	state := s.close()
	if state == nil {
		return nil
	}
	state.stopDialing()
	failures := make([]error, len(state.pools))
	var pools sync.WaitGroup
	for i, p := range state.pools {
		pools.Go(func() { failures[i] = p.drain(ctx, s.ShutdownMode) })
	}
	pools.Wait()
	state.end()
	select {
	case <-state.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return errors.Join(failures...)
}

// Close ends Serve at once and closes the clients. It does not wait.
func (s *Server) Close() {
	if state := s.close(); state != nil {
		state.end()
	}
}

func (state *serving) end() { state.closeOnce.Do(func() { close(state.closing) }) }

func (s *Server) close() *serving {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.life.closed = true
	return s.life.state
}

// gateway reads the connection string.
func (s *Server) gateway() (auth.ConnectionString, error) {
	gateway, err := auth.ParseConnectionString(s.ConnectionString)
	switch {
	case err != nil:
		return gateway, err
	case gateway.AccessKey == "":
		return gateway, errors.New("connection string: only access keys are supported")
	case s.ApplicationName != "" && !applicationName.MatchString(s.ApplicationName):
		return gateway, errors.New("application name: must be a letter and then letters, digits and underscores")
	}
	return gateway, nil
}
