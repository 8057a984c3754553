package servermode

import (
	"log/slog"
	"runtime/debug"

	"github.com/hubgate/hubgate/gateway"
)

var failed = gateway.Cause{
	Reason: gateway.CloseServiceTransientError, AllowReconnect: true, Text: "The gateway failed to handle the connection.",
}

// locked runs do with the session's lock held. A panic in it ends this client and nothing else.
func (s *session) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.b.panicked(s.b.opts.Logger.With("hub", s.hub(), "connection", s.id()), p)
			s.finish(failed, true)
		}
	}()
	do()
}

// surviving runs a part of the sweeper's work: a panic in it costs one round.
func (b *Backend) surviving(do func()) {
	defer func() {
		if p := recover(); p != nil {
			b.panicked(b.opts.Logger, p)
		}
	}()
	do()
}

// survive is deferred by the goroutines of the connection: a panic ends this connection only.
func (sc *serverConn) survive() {
	if p := recover(); p != nil {
		sc.b.panicked(sc.log, p)
		sc.end(EndPanic, nil)
	}
}

// surviveHandshake is survive for a connection that is not established yet.
func (sc *serverConn) surviveHandshake() {
	if p := recover(); p != nil {
		sc.b.panicked(sc.log, p)
		sc.refuse(RefusedPanic, nil)
	}
}

func (b *Backend) panicked(log *slog.Logger, p any) {
	b.counts.panics.Add(1)
	log.Error("panic", "panic", p, "stack", string(debug.Stack()))
}
