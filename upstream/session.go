package upstream

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// conn is what a session needs of gateway.Conn.
type conn interface {
	Identity() *gateway.Identity
	Protocol() string
	Send(frame []byte)
	Close(cause gateway.Cause)
	// Resume has a reader go on that waits for the session.
	Resume()
}

// session queues the events of one connection. A goroutine of the Backend
// delivers them one at a time, in order, and leaves when there are none; an
// idle session is this struct and nothing else.
type session struct {
	backend *Backend
	conn    conn

	mu       sync.Mutex
	queue    []event
	bytes    int  // sum of the sizes in queue
	opened   bool // the handshake succeeded
	closed   bool // disconnected was queued, or never will be
	working  bool // a goroutine delivers
	rejected bool // the upstream does not want this client: nothing more is delivered
	born     bool // Life has been told of the client, or will be before the next event
	// parked is called when no event waits, if the client is being handed over to another node.
	parked func(err error)
	// exported: so far that the other node may have noted it.
	exported bool
	// moved: it has come from another node. Immutable.
	moved bool
	keeps *sessionKeeps // nil without an outbox
}

// sessionKeeps is what a session with an outbox has besides, guarded by its mutex.
type sessionKeeps struct {
	// storing is closed when the message is stored that the reader holds.
	storing chan struct{}
	// blocked: the reader waits for room in the queue.
	blocked bool
	// retire is called by the goroutine that delivers when no event waits, refused when the application has
	// rejected the client; nil but for a client that is not here. Immutable.
	retire  func()
	refused func(cause gateway.Cause)
}

func newSession(b *Backend, c conn) *session {
	s := &session{backend: b, conn: c}
	if b.keeps != nil {
		s.keeps = new(sessionKeeps)
	}
	return s
}

// Speaker implements gateway.Session: the gateway answers the handshake, pings, and parses.
func (s *session) Speaker() gateway.Speaker { return gateway.GatewaySpeaks }

// Pending reports whether events of the client wait for a webhook or its answer.
func (s *session) Pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.working
}

// Opened queues the connected event (R53).
func (s *session) Opened() {
	s.mu.Lock()
	s.opened = true
	s.mu.Unlock()
	if s.backend.life != nil {
		s.bear()
	}
	if t := s.match(kindConnected, ""); t != nil {
		s.send(event{kind: kindConnected, template: t, body: bodyConnected})
	}
}

// Received queues invocations. Streaming ones are answered with an error
// (C88), unless Config.Streams lets webhooks have them; results, stream items and cancellations have no webhook (R68).
func (s *session) Received(r gateway.Record) (taken bool) {
	switch r.Type {
	case hubprotocol.Invocation:
		return s.message(&r)
	case hubprotocol.StreamInvocation:
		if s.backend.opts.Config().Streams {
			return s.message(&r)
		}
		s.refuse(&r, SkipUnsupported, "Streaming is not supported in Serverless mode.")
	}
	return true
}

// Closed queues the disconnected event behind everything else, unless the
// client was never seen or was rejected (R54, D13): also by way of another node, which has been told of it again.
func (s *session) Closed(cause gateway.Cause) {
	s.mu.Lock()
	unseen := !s.opened || s.closed || s.rejected
	s.closed = true
	elsewhere := !unseen && cause.Reason == gateway.CloseInvokeUpstreamFailed
	s.rejected = s.rejected || elsewhere
	s.mu.Unlock()
	switch {
	case unseen:
		return
	case elsewhere:
		s.purge(SkipRejected, func(*event) bool { return true })
		s.forget()
		return
	}
	if t := s.match(kindDisconnected, ""); t != nil {
		s.send(event{kind: kindDisconnected, template: t, body: disconnectedBody(cause)})
		return
	}
	s.forget()
}

func (s *session) message(r *gateway.Record) (taken bool) {
	target := r.Message.Target
	if !checkTarget(target) {
		s.skip(s.untaken(r), SkipTarget)
		s.conn.Close(gateway.Cause{
			Reason: gateway.CloseBadRequest,
			Text:   "The target of an invocation must not contain control characters, or spaces at its ends.",
		})
		return true
	}
	t := s.match(kindMessage, target)
	switch {
	case t == nil:
		s.unmatched(r)
		return true
	case len(target) > maxTargetBytes:
		s.refuse(r, SkipTarget, fmt.Sprintf("Invocation failed, the target is longer than %d bytes.", maxTargetBytes))
		return true
	}
	if s.backend.keeps != nil && !answered(r.Message) {
		return s.keepMessage(func() event {
			e := newMessage(t, s.conn.Protocol(), r)
			s.trace(&e)
			return e
		})
	}
	e := newMessage(t, s.conn.Protocol(), r)
	s.trace(&e)
	if s.backend.keeps != nil {
		e.came = time.Now()
	}
	return s.put(e)
}

// send queues an event of the connection.
func (s *session) send(e event) {
	s.trace(&e)
	switch {
	case s.backend.keeps == nil:
		s.put(e)
	case e.kind == kindDisconnected:
		s.keepEnd(e)
	default:
		s.keep(e)
	}
}

// match finds the template of an event when it arrives: without one, nothing
// is queued and no goroutine starts.
func (s *session) match(k kind, target string) *template {
	return s.backend.plan().match(s.names(k, target))
}

func (s *session) names(k kind, target string) names {
	return names{hub: hubName(s.conn.Identity()), category: k.category(), event: k.event(target)}
}

// unmatched answers an invocation that no template takes (D3, C89).
func (s *session) unmatched(r *gateway.Record) {
	target := clip(r.Message.Target)
	s.backend.unmatched.Note(message{hubName(s.conn.Identity()), target})
	if !answered(r.Message) || s.backend.opts.Config().SilentUnmatched {
		s.skip(s.untaken(r), SkipUnmatched)
		return
	}
	s.refuse(r, SkipUnmatched, fmt.Sprintf("No upstream endpoint matches hub, category, event: %s, %s, %s.",
		hubName(s.conn.Identity()), categoryMessages, target))
}

// answered says whether a client waits for an answer.
func answered(m *hubprotocol.Message) bool { return m.HasID && m.InvocationID != "" }

// refuse answers an invocation, if it wants an answer, without a webhook.
func (s *session) refuse(r *gateway.Record, reason SkipReason, text string) {
	s.skip(s.untaken(r), reason)
	if m := r.Message; answered(m) {
		s.conn.Send(hubprotocol.AppendCompletionError(nil, s.conn.Protocol(), m.InvocationID, text))
	}
}

// untaken is a message that does not become an event. It is only valid as long as the record is.
func (s *session) untaken(r *gateway.Record) *event {
	return &event{kind: kindMessage, target: r.Message.Target, protocol: s.conn.Protocol(), body: r.Body}
}

// put queues an event and sees to it that a goroutine delivers it. False means
// that the queue is full; only messages meet that.
func (s *session) put(e event) (taken bool) {
	s.mu.Lock()
	if s.rejected {
		s.mu.Unlock()
		s.skip(&e, SkipRejected)
		return e.kept == nil
	}
	if e.kept == nil && s.fullLocked(&e) {
		s.mu.Unlock()
		s.skip(&e, SkipFull)
		return false
	}
	s.queue = append(s.queue, e)
	s.bytes += e.size()
	idle := !s.working
	s.working = true
	s.backend.metrics.Queued(1)
	s.mu.Unlock()
	if idle && !s.backend.workers.start(s.work) {
		for e, ok := s.next(); ok; e, ok = s.next() {
			s.skip(&e, e.atTheEnd())
		}
	}
	return true
}

// fullLocked reports whether the queue has no room for an event. Only messages meet that.
func (s *session) fullLocked(e *event) bool {
	limit := s.backend.opts.Config().Queue
	full := len(s.queue) >= orDefault(limit.Events, DefaultQueueEvents) ||
		s.bytes+e.size() > orDefault(limit.Bytes, DefaultQueueBytes)
	return full && len(s.queue) > 0 && e.kind == kindMessage
}

// atTheEnd is why an event is not delivered when the gateway ends.
func (e *event) atTheEnd() SkipReason {
	if e.kept != nil {
		return SkipLeft
	}
	return SkipShutdown
}

// next takes the oldest event. When there is none, the caller's work is over.
func (s *session) next() (e event, ok bool) {
	var parked func(error)
	var resume bool
	defer func() {
		if parked != nil {
			s.tellParked(parked)
		}
		if resume {
			s.conn.Resume()
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue, s.working = nil, false
		parked, s.parked = s.parked, nil
		return event{}, false
	}
	e = s.queue[0]
	s.queue[0] = event{}
	s.queue = s.queue[1:]
	s.bytes -= e.size()
	s.backend.metrics.Queued(-1)
	resume = s.keeps != nil && s.keeps.blocked
	return e, true
}

// purge gives up the waiting events that drop selects.
func (s *session) purge(reason SkipReason, drop func(*event) bool) {
	for _, e := range s.takeOut(drop) {
		s.backend.metrics.Queued(-1)
		s.skip(&e, reason)
		if e.kept != nil {
			s.backend.keeps.Outbox.Done(e.kept.number)
		}
	}
}

// takeOut takes the events that drop selects out of the queue.
func (s *session) takeOut(drop func(*event) bool) (out []event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []event
	for i := range s.queue {
		e := &s.queue[i]
		if !drop(e) {
			kept = append(kept, *e)
			continue
		}
		s.bytes -= e.size()
		out = append(out, *e)
	}
	s.queue = kept
	return out
}

// work delivers events until none waits.
func (s *session) work() {
	for s.deliver() {
	}
	if s.keeps != nil && s.keeps.retire != nil {
		s.keeps.retire()
	}
}

// deliver delivers events until none waits, or one of them panics: then the
// connection ends, and only disconnected is still to be delivered.
func (s *session) deliver() (again bool) {
	var e event
	defer func() {
		if fault := recover(); fault != nil {
			s.fail(&e, fault)
			again = true
		}
	}()
	for {
		var ok bool
		if e, ok = s.next(); !ok {
			return false
		}
		e.over(s.handle(&e))
	}
}

// fail ends the connection after a fault of the gateway in the handling of e.
func (s *session) fail(e *event, fault any) {
	s.skip(e, SkipPanic)
	if e.kept != nil {
		s.die(e, &answer{detail: fmt.Sprint(fault)}, DeadPanic, nil)
	}
	if e.kind == kindDisconnected {
		s.forget()
	}
	s.backend.log.Error("webhook worker panicked", "connection", s.conn.Identity().ID, "hub", s.conn.Identity().Hub,
		"panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
	s.purge(SkipAbandoned, func(e *event) bool { return e.kind != kindDisconnected && e.kept == nil })
	s.conn.Close(gateway.Cause{
		Reason: gateway.CloseServiceTransientError, Text: "The gateway failed to handle the connection.", AllowReconnect: true,
	})
}

// reject ends a connection whose connected event was answered with a refusal;
// what it sent meanwhile is not delivered, nor is disconnected (D13).
func (s *session) reject(reason string) {
	s.mu.Lock()
	s.rejected = true
	s.mu.Unlock()
	cause := gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: reason}
	if s.keeps != nil && s.keeps.refused != nil {
		s.keeps.refused(cause)
	}
	s.purge(SkipRejected, func(*event) bool { return true })
	s.forget()
	s.conn.Close(cause)
}
