package presence

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// eventsPath is no part of the generated router: its answer has no end.
	eventsPath      = "/hubgate/v1/hubs/{hub}/events"
	eventsOperation = "PresenceEvents"
	// quietTime is how often a reader gets a comment, and is asked whether it may still follow.
	quietTime = 15 * time.Second
	// writeTime is how long a reader may take nothing.
	writeTime = 10 * time.Second
)

// events answers with the changes of a hub as Server-Sent Events.
func (e *Endpoint) events(w http.ResponseWriter, r *http.Request) {
	c := w.(*call)
	c.operation, c.request = eventsOperation, r
	if err := e.follow(c, r); err != nil {
		answerError(c, r, err)
	}
}

func (e *Endpoint) follow(c *call, r *http.Request) error {
	if !e.options.Events() {
		return &failure{status: http.StatusNotFound, reason: ReasonOff, message: "This gateway does not tell of changes: presence.events is off."}
	}
	query := r.URL.Query()
	key, err := hubKey(chi.URLParam(r, "hub"), query.Get("application"))
	if err != nil {
		return err
	}
	last := r.Header.Get("Last-Event-ID")
	node, nonce, seq, ok := parseID(last)
	if ok && node != e.feeds.node && e.options.Forward != nil && e.options.Forward(c, c.traced.Onward(r), node) == nil {
		return nil // the node that gave out the id has answered
	}
	f := e.feeds.open(key)
	if f == nil {
		return &failure{status: http.StatusTooManyRequests, reason: ReasonTooMany, retryAfter: 10, message: "Too many follow changes at this node."}
	}
	defer e.feeds.done(f)
	select {
	case <-f.ready:
	case <-time.After(answerBound):
		return fmt.Errorf("%w: not all have said who is there", gateway.ErrIncomplete)
	case <-r.Context().Done():
		return r.Context().Err()
	}
	out := newStream(c, f, e.feeds.node)
	switch _, _, _, gone := f.since(seq); {
	case ok && nonce == f.nonce && !gone:
		out.seq = seq
	case last != "":
		out.seq = f.last()
		out.say("reset", "{}")
	default:
		out.seq = f.last()
		out.say("ready", "{}")
	}
	out.run(r.Context(), func() bool { return e.mayFollow(r) })
	return nil
}

// mayFollow says whether who follows may still do so: tokens end, and settings change.
func (e *Endpoint) mayFollow(r *http.Request) bool {
	_, _, err := e.rights(r)
	return err == nil && e.options.Events()
}

// stream is what one reader gets.
type stream struct {
	call *call
	feed *feed
	node string
	seq  uint64 // of the last event
	to   *http.ResponseController
	err  error
}

func newStream(c *call, f *feed, node string) *stream {
	h := c.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx
	c.WriteHeader(http.StatusOK)
	return &stream{call: c, feed: f, node: node, to: http.NewResponseController(c)}
}

// run writes events until the reader leaves, is too slow, may not follow any more, or the feed ends.
func (s *stream) run(ctx context.Context, allowed func() bool) {
	quiet := time.NewTicker(quietTime)
	defer quiet.Stop()
	for s.err == nil {
		events, changed, over, gone := s.feed.since(s.seq)
		if gone {
			over = "TooSlow"
		}
		for i := range events {
			s.seq = events[i].seq
			s.say(events[i].name, string(events[i].data))
		}
		if over != "" {
			s.end(over)
			return
		}
		s.flush()
		select {
		case <-changed:
		case <-quiet.C:
			if !allowed() {
				s.end("NotAllowed")
				return
			}
			s.write(":\n\n")
		case <-ctx.Done():
			return
		}
	}
}

// end says why the answer ends.
func (s *stream) end(reason string) {
	s.say("end", fmt.Sprintf("{%q:%q}", "reason", reason))
	s.flush()
}

// say writes an event with the number that the stream is at.
func (s *stream) say(name, data string) {
	s.write("event: " + name + "\nid: " + s.feed.id(s.node, s.seq) + "\ndata: " + data + "\n\n")
}

func (s *stream) write(text string) {
	if s.err == nil {
		_ = s.to.SetWriteDeadline(time.Now().Add(writeTime)) // where there is none, the server bounds it
		_, s.err = s.call.Write([]byte(text))
	}
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.to.Flush()
	}
}
