package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/hubgate/hubgate/internal/trace"
)

// textNoURL is what a client is told when the template of its invocation makes no URL.
const textNoURL = "Invocation failed, the upstream's URL is not available."

// handle delivers one event and acts on the answer. It returns what became of it, "" if no webhook was
// called.
func (s *session) handle(e *event) Result {
	b := s.backend
	switch {
	case b.ctx.Err() != nil && e.kept == nil:
		s.skip(e, SkipShutdown)
		s.answer(e, failure(ResultShutdown, ""))
		return ResultShutdown
	case e.kind == kindBorn:
		b.life.Born(b.ctx, s.conn.Identity().Hub, s.conn.Identity().ID, s)
		if s.moved {
			b.life.Doubted(s.conn.Identity().ID) // the former node may die before it has noted that
		}
		return ""
	case e.kind == kindNoted:
		close(e.noted)
		return ""
	case e.kept != nil:
		return s.deliverKept(e)
	case e.kind == kindDisconnected && !s.mayEnd(e):
		s.skip(e, SkipHeld)
		return ""
	}
	at, err := e.template.endpoint(s.names(e.kind, e.target), &b.secrets)
	if err != nil {
		id, _ := trace.New()
		s.skip(e, SkipURL)
		s.log(slog.LevelWarn, "webhook skipped", e, id, slog.String("error", err.Error()))
		s.answer(e, answer{text: textNoURL})
		s.delivered(e, "")
		return ""
	}
	if e.id == "" {
		e.id = eventID(s.conn.Identity().ID, e.kind)
	}
	a, _ := s.attempt(e, at)
	s.delivered(e, a.result)
	return a.result
}

// attempt calls the webhook of an event once and acts on the answer, of which it returns the beginning too if
// the event is kept.
func (s *session) attempt(e *event, at *endpoint) (a answer, look *seen) {
	b, cfg := s.backend, s.backend.opts.Config()
	p := s.calls(e)
	start, watched := time.Now(), s.watches(p.id)
	if look = watched; look == nil && e.kept != nil {
		look = new(seen)
	}
	if e.template.echo {
		b.slow(b.ctx, s.conn.Identity().Hub)
		a = echo(e)
	} else {
		a = b.call(b.callers.get(s.conn.Identity(), cfg), e, at, p.parent, look)
	}
	took := time.Since(start)
	b.metrics.Called(e.template.index, e.kind.category(), a.result, took)
	p.end(s, e, &a)
	s.logCall(e, p.id, &a, took)
	s.record(e, p.id, &a, took)
	s.answer(e, a)
	s.happened(e, at, p.id, &a, took, watched)
	if a.result == ResultRejected && !cfg.KeepRejected {
		s.reject(a.reason)
	}
	return a, look
}

// delivered is called when nothing more is done for an event. A call that was cut off because the node
// ends may not have arrived: another node makes it again.
func (s *session) delivered(e *event, r Result) {
	if e.kind == kindDisconnected && r != ResultShutdown {
		s.forget()
	}
}

// answer sends the client its Completion, if the event wants one.
func (s *session) answer(e *event, a answer) {
	if e.stream && a.text == "" && len(a.frame) == 0 {
		return // the application sends the items and the end with REST
	}
	if e.invocation != "" {
		s.conn.Send(a.completion(e))
	}
}

// call makes the POST of one event and judges the answer, whose beginning is kept. It takes no longer
// than the timeout.
func (b *Backend) call(c *caller, e *event, at *endpoint, parent string, kept *seen) answer {
	cfg := c.cfg
	ctx, cancel := context.WithTimeout(b.ctx, cfg.CallTime())
	defer cancel()
	b.slow(ctx, c.of.Hub)
	leave, err := b.origins.enter(ctx, gateKey{at.origin, orDefault(cfg.MaxPerOrigin, DefaultMaxPerOrigin)}, c.party)
	if err != nil {
		return failure(b.ended(ResultBusy), "no turn at the origin in time")
	}
	defer leave()
	header := c.header(e, at, parent)
	if err := b.bearers.authorize(ctx, header, &cfg.Credentials, e.template.source.Bearer, at.url); err != nil {
		return failure(b.ended(ResultToken), errorText(err, at))
	}
	response, err := b.client.Do(newRequest(ctx, header, e, at))
	if err != nil {
		return failure(b.failed(ctx, err), errorText(err, at))
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusSwitchingProtocols:
		response.Body.Close() // It is the connection, a read of which no context ends.
	case !isCompletion(response, e):
		defer time.AfterFunc(drainTime, cancel).Stop()
	}
	response.Body = kept.over(response.Body)
	a := judge(response, e, orDefault(cfg.MaxResponseBytes, DefaultMaxResponseBytes), at)
	if a.result == ResultBroken && ctx.Err() != nil {
		a = cutOff(b.ended(ResultTimeout))
	}
	a.status, a.after = response.StatusCode, retryAfter(response)
	return a
}

// slow waits for as long as calls for the hub are to be delayed.
func (b *Backend) slow(ctx context.Context, hub string) {
	if b.opts.Slow == nil {
		return
	}
	delay := b.opts.Slow(hub)
	if delay <= 0 {
		return
	}
	over := time.NewTimer(delay)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
}

// newRequest makes the request without parsing its URL again, which is shared.
func newRequest(ctx context.Context, header http.Header, e *event, at *endpoint) *retryablehttp.Request {
	request := retryablehttp.Request{Request: (&http.Request{
		Method: http.MethodPost, URL: at.url, Host: at.url.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)}
	_ = request.SetBody(e.body) // Bytes are a body that cannot fail.
	if e.kept != nil {
		// net/http repeats a request with an Idempotency-Key by itself if it can. The outbox counts attempts.
		request.GetBody = nil
	}
	return &request
}

// failed says why no answer came.
func (b *Backend) failed(ctx context.Context, err error) Result {
	_, unsent := errors.AsType[*connectError](err)
	switch {
	case errors.Is(err, errGuarded):
		return ResultGuarded
	case ctx.Err() != nil:
		return b.ended(ResultTimeout)
	case unsent:
		return ResultConnect
	}
	return ResultBroken
}

// ended returns ResultShutdown when a call ended because the gateway does,
// else the result it has by itself.
func (b *Backend) ended(r Result) Result {
	if b.ctx.Err() != nil {
		return ResultShutdown
	}
	return r
}

// logCall writes the one line about a webhook that was called.
func (s *session) logCall(e *event, trace string, a *answer, took time.Duration) {
	level := slog.LevelWarn
	switch a.result {
	case ResultOK:
		level = slog.LevelDebug
	case ResultRejected:
		level = slog.LevelInfo
	default:
		if e.kept != nil && e.kept.attempt > 1 {
			level = slog.LevelDebug // The first failure was told, and the last one will be.
		}
	}
	if !s.backend.log.Enabled(s.backend.ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("result", string(a.result)), slog.Duration("took", took),
	}
	if a.status != 0 {
		attrs = append(attrs, slog.Int("status", a.status))
	}
	if a.detail != "" {
		attrs = append(attrs, slog.String("error", a.detail))
	}
	s.log(level, "webhook called", e, trace, attrs...)
}

func (s *session) log(level slog.Level, text string, e *event, trace string, attrs ...slog.Attr) {
	id := s.conn.Identity()
	s.backend.log.LogAttrs(s.backend.ctx, level, text, append([]slog.Attr{
		slog.String("connection", id.ID), slog.String("hub", id.Hub),
		slog.String("category", e.kind.category()), slog.String("event", clip(e.name())),
		slog.Int("template", e.template.index), slog.Any("upstream", e.template), slog.String("trace", trace),
	}, attrs...)...)
}

// message names messages that are alike for the log. The zero one is various.
type message struct{ hub, event string }

// logUnmatched writes the line about messages that no template takes. Clients
// get an error at best, which does not help whoever forgot the template.
func (b *Backend) logUnmatched(of message, times uint64) {
	advice := "the patterns of all templates exclude this event; hubgate upstream list shows them"
	if len(b.opts.Config().Templates) == 0 {
		advice = "clients call methods, but there is no webhook; start hubgate with --upstream URL"
	}
	if of == (message{}) {
		of.event = "(various)"
	}
	attrs := []slog.Attr{
		slog.String("reason", string(SkipUnmatched)), slog.String("hub", of.hub),
		slog.String("category", categoryMessages), slog.String("event", of.event),
	}
	if times > 0 {
		attrs = append(attrs, slog.Uint64("times", times))
	}
	b.log.LogAttrs(b.ctx, slog.LevelWarn, "webhook skipped", append(attrs, slog.String("advice", advice))...)
}

// maxShown bounds the names that clients choose in log lines and texts.
const maxShown = 128

func clip(name string) string {
	if len(name) > maxShown {
		return strings.ToValidUTF8(name[:maxShown], "") + "…"
	}
	return name
}
