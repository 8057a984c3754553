package upstream

import (
	"bytes"
	"io"
	"math"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/trace"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/webhook"
)

// Watcher is told of the events of clients, for those who watch. Its methods may be called
// concurrently, must be cheap and must not block.
type Watcher interface {
	// Watches says whether Happened is to be told of an event of the client.
	Watches(client *gateway.Identity, trace string) bool
	Happened(h *Happening)
}

// Happening is an event of a client and what came of it. It holds no secret that the gateway knows of.
type Happening struct {
	Client                 *gateway.Identity
	Category, Event, Trace string
	// URL is that of the template, its placeholders replaced; what may be secret in it is masked. It
	// is empty if no template takes the event.
	URL string
	// Result is how the webhook ended, or, if Skip is not empty, "": then none was called.
	Result Result
	Skip   SkipReason
	// Status is 0 when there was no answer, Detail what went wrong.
	Status int
	Detail string
	Took   time.Duration
	// Request and Answer are bodies as JSON text, of Answer at most the first MaxSeen bytes.
	Request, Answer []byte
}

// MaxSeen is how much of an answer those who watch can see, in bytes.
const MaxSeen = 8 << 10

// seen is the beginning of an answer's body, kept while it is read. A nil seen keeps nothing.
type seen struct {
	io.ReadCloser
	start []byte
}

func (s *seen) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.start = append(s.start, p[:min(n, MaxSeen+1-len(s.start))]...)
	return n, err
}

// over returns the body to read in the place of the given one.
func (s *seen) over(body io.ReadCloser) io.ReadCloser {
	if s == nil {
		return body
	}
	s.ReadCloser = body
	return s
}

// text is the answer as those who watch see it.
func (s *seen) text(e *event) []byte {
	body := bytes.TrimRight(s.start, "\x1e")
	if e.protocol == hubprotocol.MessagePack && len(body) > 0 {
		if _, record, _, err := hubprotocol.Cut(e.protocol, body, math.MaxInt32); err == nil && record != nil {
			body = record
		}
		return Readable(e.protocol, body)
	}
	return body
}

// watches returns where the answer of a webhook that somebody watches is kept, else nil.
func (s *session) watches(trace string) *seen {
	if w := s.backend.opts.Watcher; w == nil || !w.Watches(s.conn.Identity(), trace) {
		return nil
	}
	return new(seen)
}

// happened tells those who watch of a webhook that was called.
func (s *session) happened(e *event, at *endpoint, trace string, a *answer, took time.Duration, kept *seen) {
	if kept == nil {
		return
	}
	if e.template.echo { // there was no body to read
		kept.start = a.frame
	}
	answer := kept.text(e)
	for _, one := range at.secrets {
		if one != "" {
			answer = bytes.ReplaceAll(answer, []byte(one), []byte(secret.Redacted))
		}
	}
	s.backend.opts.Watcher.Happened(&Happening{
		Client: s.conn.Identity(), Category: e.kind.category(), Event: e.name(), Trace: trace,
		URL: e.template.shown(s.names(e.kind, e.target)), Result: a.result, Status: a.status, Detail: a.detail, Took: took,
		Request: Readable(e.protocol, e.body), Answer: answer,
	})
}

// record tells the Recorder of a webhook that was called.
func (s *session) record(e *event, trace string, a *answer, took time.Duration) {
	if tell := s.backend.opts.Recorder; tell != nil {
		h := &Happening{
			Client: s.conn.Identity(), Category: e.kind.category(), Event: e.name(), Trace: trace,
			Result: a.result, Status: a.status, Detail: a.detail, Took: took,
		}
		if a.result != ResultOK {
			h.URL = e.template.shown(s.names(e.kind, e.target))
		}
		tell(h)
	}
}

// skip counts an event for which no webhook is called, and tells those who watch.
func (s *session) skip(e *event, reason SkipReason) {
	if e.kind == kindBorn {
		return // It is no event.
	}
	s.backend.metrics.Skipped(e.kind.category(), reason)
	if reason != SkipURL { // which may be tried again
		e.traced.end(string(reason), true)
	}
	w, tell := s.backend.opts.Watcher, s.backend.opts.Recorder
	if w == nil && tell == nil {
		return
	}
	id, _ := trace.New()
	if tell != nil {
		tell(&Happening{Client: s.conn.Identity(), Category: e.kind.category(), Event: e.name(), Trace: id, Skip: reason})
	}
	if w == nil || !w.Watches(s.conn.Identity(), id) {
		return
	}
	h := &Happening{
		Client: s.conn.Identity(), Category: e.kind.category(), Event: e.name(), Trace: id, Skip: reason,
		Request: bytes.Clone(Readable(e.protocol, e.body)),
	}
	if e.template != nil {
		h.URL = e.template.shown(s.names(e.kind, e.target))
	}
	w.Happened(h)
}

// shown is the template's URL as it may be shown, its placeholders replaced.
func (t *template) shown(n names) string {
	text := webhook.RedactURL(t.source.URL)
	parts, err := webhook.ParseURL(text)
	if err != nil {
		return text
	}
	var out []byte
	for _, p := range parts {
		switch p.Kind {
		case webhook.Hub:
			out = appendEscaped(out, n.hub)
		case webhook.Category:
			out = appendEscaped(out, n.category)
		case webhook.Event:
			out = appendEscaped(out, clip(n.event))
		default:
			out = append(out, p.String()...)
		}
	}
	return string(out)
}
