package hubserver

import (
	"context"
	"errors"
	"sync"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// ShutdownOption changes what Server.Shutdown does with the clients.
type ShutdownOption func(*shutdown)

// shutdown says what becomes of the clients of a hub server that leaves.
type shutdown struct{ fin serviceprotocol.Fin }

// AwaitClients makes Shutdown wait until the clients leave by themselves. New clients go to other
// servers.
func AwaitClients() ShutdownOption {
	return func(s *shutdown) { s.fin = serviceprotocol.FinKeep }
}

// MigrateClients makes the gateway move the clients to other servers of the hub. The clients do
// not notice. On this server OnDisconnected gets ErrMigrated. On the other one OnConnected is
// called, and Context.MigratedFrom names this server. Clients for which there is no other server
// stay until they leave.
func MigrateClients() ShutdownOption {
	return func(s *shutdown) { s.fin = serviceprotocol.FinMigrate }
}

// Shutdown ends Serve gracefully. The server gets no new clients. Its clients are closed, and may
// reconnect to another hub server. The contexts of their calls end, and Shutdown waits for the
// handlers. With AwaitClients or MigrateClients it waits for the clients instead. If both are
// given, the last one counts.
//
// If ctx ends first, the remaining clients are closed and Shutdown returns the error of ctx.
// Before Serve, Shutdown only makes Serve return ErrServerClosed. After Serve has returned, it does
// nothing.
func (s *Server) Shutdown(ctx context.Context, options ...ShutdownOption) error {
	state := s.close()
	if state == nil {
		return nil
	}
	how := shutdown{fin: serviceprotocol.FinPlain}
	for _, option := range options {
		option(&how)
	}
	state.stopDialing()
	failures := make([]error, len(state.pools))
	var pools sync.WaitGroup
	for i, p := range state.pools {
		pools.Go(func() { failures[i] = p.drain(ctx, how) })
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

// Close ends Serve at once and closes the clients, which may reconnect to another hub server.
// It does not wait for handlers; Serve does. Its error is always nil.
func (s *Server) Close() error {
	if state := s.close(); state != nil {
		state.end()
	}
	return nil
}

func (state *serving) end() { state.closeOnce.Do(func() { close(state.closing) }) }

func (s *Server) close() *serving {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.life.closed = true
	return s.life.state
}
