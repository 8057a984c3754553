package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/internal/watch"
)

const (
	// watchBeat is how often a quiet stream shows that it lives.
	watchBeat = 15 * time.Second
	// watchWrite is how long a watcher may take no byte.
	watchWrite = 10 * time.Second
	// maxPresent bounds the connections that a watcher is told of at the beginning.
	maxPresent = 500
)

// serveEvents is GET /watch: what happens, on all nodes, as Server-Sent Events, from now until the caller leaves
// or the gateway ends. The query is a filter.
func serveEvents(v *View, w http.ResponseWriter, r *http.Request) {
	filter, err := watch.ParseFilter(r.URL.Query())
	if err != nil {
		text(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	if r.Method == http.MethodHead { // which would hold a watcher's place and see nothing
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	watcher, err := v.Stream.Watch(filter)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		text(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	defer watcher.Stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := eventWriter{w: w, control: http.NewResponseController(w)}
	if v.Follow != nil {
		defer v.Follow(watcher)()
	}
	if err := out.write(watcher.Present(v.Present(), maxPresent)); err != nil {
		return
	}
	var events []*watch.Event
	for {
		events, err = watcher.Next(r.Context(), watchBeat, events[:0])
		if errors.Is(err, watch.ErrEnded) {
			_ = out.end()
			return
		}
		if err != nil || out.write(events) != nil {
			return // the watcher left
		}
		clear(events)
	}
}

// eventWriter writes events as Server-Sent Events.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte
}

// write writes the events in one piece. None at all is a sign of life.
func (o *eventWriter) write(events []*watch.Event) error {
	o.buffer = o.buffer[:0]
	if len(events) == 0 {
		o.buffer = append(o.buffer, ":\n\n"...)
	}
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if e.Seq > 0 {
			o.buffer = append(o.buffer, "id: "...)
			o.buffer = strconv.AppendUint(o.buffer, e.Seq, 10)
			o.buffer = append(o.buffer, '\n')
		}
		o.buffer = append(o.buffer, "data: "...)
		o.buffer = append(o.buffer, data...)
		o.buffer = append(o.buffer, "\n\n"...)
	}
	return o.send()
}

// end says that nothing will follow.
func (o *eventWriter) end() error {
	o.buffer = append(o.buffer[:0], "event: end\ndata:\n\n"...)
	return o.send()
}

// send is bounded in time, where the connection can be.
func (o *eventWriter) send() error {
	_ = o.control.SetWriteDeadline(time.Now().Add(watchWrite))
	if _, err := o.w.Write(o.buffer); err != nil {
		return err
	}
	return o.control.Flush()
}
