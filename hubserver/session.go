package hubserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	// maxHandshake is the size in bytes of the largest hub handshake.
	maxHandshake = 4 << 10
	// disconnectedTime is how long OnDisconnected may take.
	disconnectedTime = 10 * time.Second
)

// session is one client of the hub, from OpenConnection to its end.
type session struct {
	pool   *pool
	link   *link
	id     string
	opened opened
	ctx    context.Context // ends with the client, the cause says why

	partial []byte // owned by the link's reader: a record that is not complete
	clock   sessionClock
	calls   calls

	values   sync.Map       // of the application, by its keys
	awaiting awaitedResults // guarded by results.mu
	state    sessionState
}

// sessionState is what changes twice: at the handshake and at the end.
type sessionState struct {
	mu       sync.Mutex
	protocol string // empty before the handshake
	ended    bool
	cancel   context.CancelCauseFunc // of the session's context
}

// sessionClock is what the sweeper looks at, in nanoseconds of the pool's time.
type sessionClock struct {
	opened         int64
	sent, received atomic.Int64
	pinged         atomic.Bool // the client has pinged, and so will go on doing so
}

// ending is how a client ends.
type ending struct {
	// cause is nil if the client has left.
	cause error
	// silent: the client is not told, it is gone or goes on elsewhere.
	silent bool
	// text is what the client is told, reconnect whether it may come back by itself.
	text      string
	reconnect bool
}

func newSession(p *pool, l *link, m *serviceprotocol.OpenConnection) *session {
	s := &session{pool: p, link: l, id: m.ConnectionID, opened: readOpened(m)}
	s.ctx, s.state.cancel = context.WithCancelCause(context.Background())
	s.calls.session = s
	s.clock.opened = p.now()
	return s
}

func (s *session) speaks() string {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	return s.state.protocol
}

// data takes bytes from the client. It is called by the link's reader only.
func (s *session) data(payload []byte) {
	s.clock.received.Store(s.pool.now())
	b := payload
	if len(s.partial) > 0 {
		b = append(s.partial, payload...)
	}
	rest, err := s.records(b)
	if err != nil {
		text := "Connection closed with an error."
		if errors.Is(err, hubprotocol.ErrMalformed) {
			text += " " + err.Error()
		}
		s.end(ending{cause: fmt.Errorf("client broke the protocol: %w", err), text: text})
		return
	}
	if len(rest) == 0 {
		s.partial = nil
		return
	}
	s.partial = append(s.partial[:0:0], rest...)
}

// records handles all whole records and returns what follows.
func (s *session) records(b []byte) (rest []byte, err error) {
	protocol := s.speaks()
	if protocol == "" {
		record, rest, err := hubprotocol.CutHandshake(b, maxHandshake)
		if record == nil || err != nil {
			return rest, err
		}
		if protocol = s.handshake(record); protocol == "" {
			return nil, nil
		}
		b = rest
	}
	for s.ctx.Err() == nil {
		_, body, rest, err := hubprotocol.Cut(protocol, b, s.pool.hub.maxMessage())
		if body == nil || err != nil {
			return rest, err
		}
		b = rest
		m, err := hubprotocol.Parse(protocol, body)
		if err != nil {
			return nil, err
		}
		s.record(protocol, body, &m)
	}
	return nil, nil
}

// handshake answers the client's first record and returns the protocol, nothing for a
// client that was refused.
func (s *session) handshake(record []byte) string {
	request, err := hubprotocol.ParseHandshake(record)
	if err == nil {
		err = request.Check(supports)
	}
	if err != nil {
		s.deliver(hubprotocol.AppendHandshakeResponse(nil, err.Error()), serviceprotocol.DataHandshake)
		s.end(ending{cause: fmt.Errorf("client broke the protocol: %w", err), silent: true})
		s.link.out.put(&serviceprotocol.CloseConnection{ConnectionID: s.id})
		return ""
	}
	// The gateway has long answered a client that comes from elsewhere (H75).
	if s.opened.migratedFrom == "" {
		s.deliver(hubprotocol.AppendHandshakeResponse(nil, ""), serviceprotocol.DataHandshake)
	}
	s.state.mu.Lock()
	s.state.protocol = request.Protocol
	s.state.mu.Unlock()
	s.calls.begin()
	return request.Protocol
}

// record handles one record, which is only valid until it returns.
func (s *session) record(protocol string, body []byte, m *hubprotocol.Message) {
	switch m.Type {
	case hubprotocol.Invocation, hubprotocol.StreamInvocation:
		s.calls.invoked(protocol, m)
	case hubprotocol.StreamItem:
		s.calls.item(m)
	case hubprotocol.Completion:
		if !s.calls.uploaded(m) {
			s.pool.results.completed(s, protocol, body, m)
		}
	case hubprotocol.CancelInvocation:
		s.calls.cancelled(m.InvocationID)
	case hubprotocol.Ping:
		s.clock.pinged.Store(true)
	case hubprotocol.Close:
		s.end(ending{})
	}
}

// send gives one record to the client, when the link has room. The error is the context's
// or says that the client has gone.
func (s *session) send(ctx context.Context, record []byte) error {
	if err := s.link.out.room(ctx); err != nil {
		return err
	}
	if !s.deliver(record, serviceprotocol.DataInvocation) {
		return ErrNoClient
	}
	return nil
}

// deliver is send without waiting. It reports whether the client was still there.
func (s *session) deliver(record []byte, kind serviceprotocol.DataKind) bool {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if s.state.ended {
		return false
	}
	s.deliverLocked(record, kind)
	return true
}

func (s *session) deliverLocked(record []byte, kind serviceprotocol.DataKind) {
	s.clock.sent.Store(s.pool.now())
	s.link.out.put(&serviceprotocol.ConnectionData{ConnectionID: s.id, Payload: record, Kind: kind})
}

// end ends the client. The first ending counts. It does not wait.
func (s *session) end(e ending) {
	s.state.mu.Lock()
	if s.state.ended {
		s.state.mu.Unlock()
		return
	}
	if !e.silent {
		if s.state.protocol != "" {
			s.deliverLocked(hubprotocol.AppendClose(nil, s.state.protocol, e.text, e.reconnect), serviceprotocol.DataClose)
		}
		s.link.out.put(&serviceprotocol.CloseConnection{ConnectionID: s.id, Error: e.text})
	}
	s.state.ended = true
	s.state.mu.Unlock()

	cause := e.cause
	if cause == nil {
		cause = errClientLeft
	}
	s.state.cancel(cause)
	// It stays in the books until its handlers have ended: Shutdown waits for those.
	s.pool.left(s, e.cause)
	s.pool.handlers.Go(func() {
		s.calls.finish(e.cause)
		s.pool.gone(s)
	})
}

// sweep pings or ends the client, as its clock says.
func (s *session) sweep(now int64) {
	hub, protocol := s.pool.hub, s.speaks()
	age := func(since int64) time.Duration { return time.Duration(now - since) }
	if protocol == "" {
		if age(s.clock.opened) >= hub.handshakeTimeout() {
			s.end(ending{cause: ErrClientTimeout, text: "Handshake was canceled.", reconnect: true})
		}
		return
	}
	if s.clock.pinged.Load() && age(s.clock.received.Load()) >= hub.clientTimeout() {
		s.end(ending{cause: ErrClientTimeout, reconnect: true, text: "Connection closed with an error. Nothing was heard of the client for too long."})
		return
	}
	if age(s.clock.sent.Load()) >= hub.keepAlive() {
		s.deliver(hubprotocol.AppendPing(nil, protocol), serviceprotocol.DataOther)
	}
}
