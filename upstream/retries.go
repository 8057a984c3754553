package upstream

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/hubgate/hubgate/gateway"
)

// waits are the times between attempts.
type waits struct {
	least, most time.Duration // of the back-off
	open        time.Duration // for which nobody calls an origin that fails
	fence       time.Duration // between looks at the fence
}

var defaultWaits = waits{least: 500 * time.Millisecond, most: 2 * time.Minute, open: 10 * time.Second, fence: 250 * time.Millisecond}

// maxRetryAfter bounds what an application may ask for.
const maxRetryAfter = time.Hour

// figures count what happens to events that are kept.
type figures struct {
	retries, repeats atomic.Uint64
	dead             [8]atomic.Uint64 // as DeadReasons
}

// OutboxStats are of the events that are kept, at one moment.
type OutboxStats struct {
	// Retries are attempts after the first one. Repeats are attempts whose receiver may have the event already.
	Retries, Repeats uint64
	// CircuitsOpened counts; CircuitsOpen is how many origins are not called now, because they fail.
	CircuitsOpened uint64
	CircuitsOpen   int
	// Dead are dead letters by reason.
	Dead map[DeadReason]uint64
}

// OutboxStats returns what there is to know. Without an outbox everything is zero.
func (b *Backend) OutboxStats() OutboxStats {
	s := OutboxStats{Dead: make(map[DeadReason]uint64)}
	for i, r := range DeadReasons {
		s.Dead[r] = 0
		if b.keeps != nil {
			s.Dead[r] = b.keeps.figures.dead[i].Load()
		}
	}
	if k := b.keeps; k != nil {
		s.Retries, s.Repeats = k.figures.retries.Load(), k.figures.repeats.Load()
		s.CircuitsOpened, s.CircuitsOpen = k.circuits.opened.Load(), int(k.circuits.isOpen.Load())
	}
	return s
}

// deliverKept delivers an event that is kept: until it is delivered, or cannot be. When the node ends it stays
// in the outbox.
func (s *session) deliverKept(e *event) Result {
	b := s.backend
	select {
	case <-e.kept.stored:
	case <-b.ctx.Done():
		s.skip(e, SkipLeft)
		return ResultShutdown
	}
	if e.kind == kindDisconnected {
		s.forget() // The outbox has it.
	}
	for {
		if reason := s.mayDeliver(e); reason != "" {
			s.skip(e, reason)
			return ResultShutdown
		}
		a, wait := s.tryKept(e)
		if wait == 0 {
			return a.result
		}
		if !s.rest(wait, a.works) {
			s.skip(e, SkipLeft)
			return ResultShutdown
		}
	}
}

// rest waits for the next attempt. Clients that wait for the answer to an invocation behind the event do not
// wait longer than they would for a webhook.
func (s *session) rest(wait time.Duration, early <-chan struct{}) bool {
	k, end := s.backend.keeps, time.Now().Add(wait)
	for {
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		due := s.giveUpInvocations()
		if !due.IsZero() {
			left = min(left, time.Until(due))
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-early:
			t.Stop()
			return true
		case <-k.ending:
			t.Stop()
			return false
		case <-s.backend.ctx.Done():
			t.Stop()
			return false
		}
	}
}

// giveUpInvocations answers those that have waited for too long, and returns when the next one will have.
func (s *session) giveUpInvocations() (due time.Time) {
	longest := s.backend.opts.Config().CallTime()
	now := time.Now()
	old := s.takeOut(func(e *event) bool {
		if e.invocation == "" {
			return false
		}
		at := e.came.Add(longest)
		if at.After(now) && (due.IsZero() || at.Before(due)) {
			due = at
		}
		return !at.After(now)
	})
	for i := range old {
		s.backend.metrics.Queued(-1)
		s.skip(&old[i], SkipWaited)
		s.answer(&old[i], failure(ResultBusy, ""))
	}
	return due
}

// mayDeliver waits until this node may deliver the event. If it may not it says why.
func (s *session) mayDeliver(e *event) SkipReason {
	b, k := s.backend, s.backend.keeps
	for {
		switch {
		case b.ctx.Err() != nil:
			return SkipLeft
		case !k.Outbox.Mine(e.kept.number):
			return SkipElsewhere
		case !k.Outbox.Fenced():
			return ""
		}
		if !k.sleep(b.ctx, k.waits.fence, nil) {
			return SkipLeft
		}
	}
}

// sleep waits, or until the channel is closed, and reports false if the node ends.
func (k *keeping) sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-k.ending:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// tryKept makes one attempt, and returns how long to wait before the next one: 0 if there will be none.
func (s *session) tryKept(e *event) (a answer, wait time.Duration) {
	k := s.backend.keeps
	if e.template = s.match(e.kind, e.target); e.template == nil {
		s.die(e, &a, DeadUnmatched, nil)
		return a, 0
	}
	at, err := e.template.endpoint(s.names(e.kind, e.target), &s.backend.secrets)
	if err != nil {
		e.kept.attempt++
		a = answer{detail: err.Error()}
		if e.kept.attempt == 1 {
			s.skip(e, SkipURL)
			s.log(slog.LevelWarn, "webhook skipped", e, "", slog.String("error", err.Error()))
		}
		return a, s.again(e, &a, nil)
	}
	circuit := k.circuits.of(at.origin)
	report, err := circuit.Allow()
	if err != nil { // nothing is tried, and nothing is counted
		a.works = circuit.works()
		if s.expired(e) {
			s.die(e, &a, DeadExpired, nil)
			return a, 0
		}
		return a, spread(k.waits.open)
	}
	e.kept.attempt++
	if e.kept.attempt > 1 {
		k.figures.retries.Add(1)
	}
	if e.kept.doubt {
		k.figures.repeats.Add(1)
	}
	a, look := s.reported(e, at, report)
	switch {
	case a.result == ResultShutdown:
		return a, time.Nanosecond // the node ends, which the wait finds
	case a.result == ResultOK, a.result == ResultRejected:
		k.Outbox.Done(e.kept.number)
	case a.result == ResultGuarded:
		s.die(e, &a, DeadGuarded, look.text(e))
	case a.result == ResultStatus && final(a.status):
		s.die(e, &a, DeadRefused, look.text(e))
	default:
		if !a.unsent() && a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
			e.kept.doubt = true
		}
		return a, s.again(e, &a, look.text(e))
	}
	return a, 0
}

// reported makes one attempt, and tells the circuit of it.
func (s *session) reported(e *event, at *endpoint, report func(error)) (a answer, look *seen) {
	failed := errNothing
	defer func() { report(failed) }() // also when the attempt panics
	a, look = s.attempt(e, at)
	failed = a.failure()
	return a, look
}

// failure is what a circuit is told of an answer: an application that answers works, whatever it says of the
// event. That nothing was sent says nothing of the application.
func (a *answer) failure() error {
	switch a.result {
	case ResultBusy, ResultToken, ResultShutdown, ResultGuarded:
		return errNothing
	case ResultConnect, ResultBroken, ResultTimeout:
		return errUpstream
	case ResultStatus:
		if a.status >= 500 || a.status == http.StatusTooManyRequests {
			return errUpstream
		}
	}
	return nil
}

// unsent reports whether it is certain that the application got nothing.
func (a *answer) unsent() bool {
	return a.result == ResultConnect || a.result == ResultBusy || a.result == ResultToken
}

// final says whether a status stays if the event is sent again.
func final(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status < 500
}

func (s *session) expired(e *event) bool { return time.Since(e.kept.since) >= s.backend.keeps.Age }

// again returns how long to wait before the next attempt. An event that is too old becomes a dead letter.
func (s *session) again(e *event, a *answer, text []byte) time.Duration {
	if s.expired(e) {
		s.die(e, a, DeadExpired, text)
		return 0
	}
	k := s.backend.keeps
	w := k.waits
	k.Outbox.Tried(e.kept.number, e.kept.attempt)
	wait := spread(retryablehttp.DefaultBackoff(w.least, w.most, min(e.kept.attempt-1, 30), nil))
	return max(wait, min(a.after, maxRetryAfter), time.Nanosecond)
}

// spread spreads what failed together over the second half of a wait.
func spread(wait time.Duration) time.Duration { return wait/2 + rand.N(wait/2+1) }

// retryAfter is what an answer asks for, 0 for nothing.
func retryAfter(r *http.Response) time.Duration {
	if r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		return 0
	}
	return max(retryablehttp.DefaultBackoff(0, 0, 0, r), 0)
}

// die makes a dead letter of an event. If the node ends before it is stored, the event stays in the outbox.
func (s *session) die(e *event, a *answer, reason DeadReason, text []byte) {
	b, k := s.backend, s.backend.keeps
	l := newLetter(s.conn.Identity(), e, e.kept.since)
	l.Died = time.Now()
	l.Last = Last{
		Reason: reason, Attempts: e.kept.attempt, Result: a.result, Status: a.status, Detail: a.detail,
		Answer: string(text[:min(len(text), maxAnswer)]),
	}
	whole, err := k.Outbox.Die(b.ctx, e.kept.number, l.text(), appendDelivery(nil, s.conn.Identity(), e, e.kept.since))
	if err != nil {
		return
	}
	for i, r := range DeadReasons {
		if r == reason {
			k.figures.dead[i].Add(1)
		}
	}
	attrs := []slog.Attr{slog.String("reason", string(reason)), slog.Int("attempts", e.kept.attempt), slog.String("id", e.id)}
	if !whole {
		attrs = append(attrs, slog.Bool("whole", false))
	}
	if a.status != 0 {
		attrs = append(attrs, slog.Int("status", a.status))
	}
	if e.template == nil {
		id := s.conn.Identity()
		b.log.LogAttrs(b.ctx, slog.LevelError, "event became a dead letter", append([]slog.Attr{
			slog.String("connection", id.ID), slog.String("hub", id.Hub), slog.String("event", clip(e.name())),
		}, attrs...)...)
		return
	}
	s.log(slog.LevelError, "event became a dead letter", e, "", attrs...)
}

func newLetter(id *gateway.Identity, e *event, since time.Time) *Letter {
	return &Letter{
		Event: e.id, Connection: id.ID, Hub: hubName(id), User: id.User, Category: e.kind.category(), Name: e.name(), Since: since,
	}
}
