// Package livetrace is /livetrace, where Azure's live trace tool looks on: a SignalR hub that sends what happens, event
// by event.
package livetrace

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
)

// Path is where the hub is, and the path of the audience of its tokens.
const Path = "/livetrace"

const (
	// MaxWatchers is how many may look on at a time. Further ones get 429.
	MaxWatchers = 100
	// maxWaiting is how many events wait for one watcher. Whoever is slower is dropped.
	maxWaiting = 1024
	// maxRecord bounds what a watcher says at a time.
	maxRecord     = 16 << 10
	handshakeTime = 15 * time.Second
	writeTime     = 10 * time.Second
	pingEvery     = 15 * time.Second
	silence       = 2 * time.Minute
)

// Options are what the hub works with. All functions are called concurrently.
type Options struct {
	// Enabled says whether there is live trace. When it ends, watchers are closed with Recheck or the next ping.
	Enabled func() bool
	// Wants says whether events of the category are shown.
	Wants func(azurelog.Category) bool
	// Verify refuses a token that is not good for Path. The error is a *auth.TokenError. It is asked again while
	// somebody looks on.
	Verify func(token string) error
	// Admits says whether settings let somebody look on who came with the request; nil lets everybody. It is asked
	// while somebody looks on: whoever serves the Hub has asked before.
	Admits func(r *http.Request) bool
	Logger *slog.Logger
}

// Stats count watchers and what they got.
type Stats struct {
	Watching       int
	Opened, Closed uint64
	// Of Closed, Dropped were too slow, and Ended might not look on any more: the token had ended, or settings had
	// changed. Refused are those that did not come in.
	Dropped, Ended, Refused uint64
	// Messages are in units of 2 KiB, Bytes what was sent.
	Messages, Bytes uint64
	// Missed are events that other nodes did not get, since too much waited for them.
	Missed uint64
}

// Hub is live trace. Make one with New; Close ends it. All methods may be called concurrently.
type Hub struct {
	opts    Options
	upgrade websocket.Upgrader
	// listening is how many get events, other nodes among them: while nobody does, an event costs one load.
	listening atomic.Int32
	counts    struct{ opened, closed, dropped, ended, refused, missed, messages, bytes atomic.Uint64 }

	mu       sync.Mutex // guards what follows
	watchers map[*watcher]bool
	looking  int // how many of them get events
	// peers are the other nodes, and whether somebody looks on there.
	peers   map[gateway.Peer]bool
	closed  bool
	running sync.WaitGroup
}

// New returns a Hub.
func New(opts Options) *Hub {
	h := &Hub{opts: opts, watchers: make(map[*watcher]bool), peers: make(map[gateway.Peer]bool)}
	h.upgrade = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // a token is needed in any case
	return h
}

// Stats returns them.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	n := len(h.watchers)
	h.mu.Unlock()
	c := &h.counts
	s := Stats{Watching: n, Dropped: c.dropped.Load(), Ended: c.ended.Load()} // before Closed, which is never less
	s.Opened, s.Closed, s.Refused = c.opened.Load(), c.closed.Load(), c.refused.Load()
	s.Messages, s.Bytes, s.Missed = c.messages.Load(), c.bytes.Load(), c.missed.Load()
	return s
}

// Recheck has it looked at soon whether those who look on still may: settings or keys have changed. It does not wait.
func (h *Hub) Recheck() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		select {
		case w.recheck <- struct{}{}:
		default: // it is to be looked at anyway
		}
	}
}

// Close ends all watchers.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	for w := range h.watchers {
		w.end(nil)
	}
	h.mu.Unlock()
	h.running.Wait()
}

// Listening says whether somebody gets events.
func (h *Hub) Listening() bool { return h.listening.Load() > 0 }

// Wants says whether somebody gets events of a category.
func (h *Hub) Wants(of azurelog.Category) bool {
	return h.Listening() && h.opts.Enabled() && h.opts.Wants(of)
}

// Event shows an event to all watchers, of other nodes too. It does not wait.
func (h *Hub) Event(e *flight.Event) {
	if !h.Wants(azurelog.CategoryOf(e)) {
		return
	}
	h.show(e)
	h.tell(e)
}

// ServeHTTP serves the WebSocket, and negotiate for clients that do not skip it.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why, status := h.refuses(r); status != 0 {
		h.counts.refused.Add(1)
		http.Error(w, why, status)
		return
	}
	if strings.EqualFold(strings.TrimSuffix(r.URL.Path, "/"), Path+"/negotiate") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"negotiateVersion":0,"connectionId":"livetrace","availableTransports":[{"transport":"WebSockets","transferFormats":["Text"]}]}`))
		return
	}
	one := &watcher{hub: h, request: r, queue: make(chan []byte, maxWaiting), recheck: make(chan struct{}, 1), over: make(chan struct{})}
	if !h.add(one) {
		h.counts.refused.Add(1)
		http.Error(w, "As many look on as can.", http.StatusTooManyRequests)
		return
	}
	defer h.remove(one)
	ws, err := h.upgrade.Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	one.serve(ws)
}

// refuses says why a request is refused, and with which status; 0 if it is not.
func (h *Hub) refuses(r *http.Request) (why string, status int) {
	if !h.opts.Enabled() {
		return "Live trace is off.", http.StatusForbidden
	}
	if err := h.opts.Verify(tokenOf(r)); err != nil {
		if refused, ok := err.(*auth.TokenError); ok {
			return refused.Description(), refused.Status()
		}
		return "The token is not accepted.", http.StatusUnauthorized
	}
	return "", 0
}

func tokenOf(r *http.Request) string {
	if token, ok := auth.BearerToken(r.Header); ok {
		return token
	}
	return r.URL.Query().Get("access_token")
}

// stays says whether the one who came with the request may still look on.
func (h *Hub) stays(r *http.Request) bool {
	return h.opts.Enabled() && (h.opts.Admits == nil || h.opts.Admits(r)) && h.opts.Verify(tokenOf(r)) == nil
}

func (h *Hub) add(w *watcher) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.watchers) >= MaxWatchers {
		return false
	}
	h.watchers[w] = true
	h.running.Add(1)
	h.counts.opened.Add(1)
	return true
}

func (h *Hub) remove(w *watcher) {
	h.mu.Lock()
	delete(h.watchers, w)
	h.mu.Unlock()
	if w.listens.Load() {
		h.looks(-1)
	}
	h.counts.closed.Add(1)
	w.end(nil) // whoever else ends it has done so then
	if w.reason != nil {
		w.reason.Add(1)
	}
	h.running.Done()
}

// watcher is somebody who looks on.
type watcher struct {
	hub     *Hub
	request *http.Request // with which it came
	listens atomic.Bool
	queue   chan []byte
	recheck chan struct{} // has room for one
	over    chan struct{} // closed by end
	ending  sync.Once
	reason  *atomic.Uint64 // what end was given; to be read once over is closed
}

// end ends the watcher, for a reason whose counter is added to when it has gone; nil if it leaves by itself.
func (w *watcher) end(reason *atomic.Uint64) (first bool) {
	w.ending.Do(func() {
		w.reason, first = reason, true
		close(w.over)
	})
	return first
}

// put hands over a record. Whoever has no room is dropped.
func (w *watcher) put(record []byte) {
	select {
	case w.queue <- record:
	default:
		if w.end(&w.hub.counts.dropped) {
			w.hub.opts.Logger.Warn("live trace: a watcher was too slow and is closed")
		}
	}
}

// serve reads and writes until the watcher leaves.
func (w *watcher) serve(ws *websocket.Conn) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.write(ws)
	}()
	w.read(ws)
	w.end(nil)
	ws.Close()
	<-written
}

// read handles what the watcher says.
func (w *watcher) read(ws *websocket.Conn) {
	ws.SetReadLimit(maxRecord)
	shook := false
	var rest []byte
	_ = ws.SetReadDeadline(time.Now().Add(handshakeTime))
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if rest = append(rest, data...); len(rest) > maxRecord {
			return
		}
		if !shook {
			record, after, err := hubprotocol.CutHandshake(rest, maxRecord)
			if err != nil {
				return
			}
			if record == nil {
				continue
			}
			if !w.shake(record) {
				return
			}
			shook, rest = true, after
		}
		_ = ws.SetReadDeadline(time.Now().Add(silence))
		for {
			frame, body, after, err := hubprotocol.Cut(hubprotocol.JSON, rest, maxRecord)
			if err != nil {
				return
			}
			if frame == nil {
				break
			}
			if !w.say(body) {
				return
			}
			rest = after
		}
		rest = append([]byte(nil), rest...)
	}
}

// shake answers the handshake.
func (w *watcher) shake(record []byte) bool {
	request, err := hubprotocol.ParseHandshake(record)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case request.Protocol != hubprotocol.JSON:
		why = "The protocol '" + request.Protocol + "' is not supported."
	}
	w.put(hubprotocol.AppendHandshakeResponse(nil, why))
	return why == ""
}

// say handles a record. It reports false if the watcher leaves.
func (w *watcher) say(body []byte) bool {
	m, err := hubprotocol.Parse(hubprotocol.JSON, body)
	if err != nil || m.Type == hubprotocol.Close {
		return false
	}
	if m.Type != hubprotocol.Invocation {
		return true
	}
	failed := ""
	switch {
	case strings.EqualFold(m.Target, "startListeningToLogEvents"):
		if w.listens.CompareAndSwap(false, true) {
			w.hub.looks(1)
		}
	case strings.EqualFold(m.Target, "LogProperty"):
		failed = w.property(m.Arguments)
	default:
		failed = "Unknown hub method '" + m.Target + "'."
	}
	if !m.HasID {
		return true
	}
	if failed != "" {
		w.put(hubprotocol.AppendCompletionError(nil, hubprotocol.JSON, m.InvocationID, failed))
		return true
	}
	answer, _ := json.Marshal(struct {
		Type int    `json:"type"`
		ID   string `json:"invocationId"`
	}{3, m.InvocationID})
	w.put(append(answer, hubprotocol.RecordSeparator))
	return true
}

// property tells the watcher what is the same for all events of an id.
func (w *watcher) property(arguments []byte) (failed string) {
	var ids []int
	if json.Unmarshal(arguments, &ids) != nil || len(ids) != 1 {
		return "LogProperty takes the id of an event."
	}
	p := azurelog.PropertyOf(ids[0])
	if p == nil {
		return "There is no event with this id."
	}
	w.put(invocation("LogProperty", p))
	return ""
}

// invocation is a call of the watcher's.
func invocation(target string, argument any) []byte {
	text, err := json.Marshal(struct {
		Type      int    `json:"type"`
		Target    string `json:"target"`
		Arguments []any  `json:"arguments"`
	}{1, target, []any{argument}})
	if err != nil {
		panic(err) // it has nothing that could not be written
	}
	return append(text, hubprotocol.RecordSeparator)
}

var ping = []byte(`{"type":6}` + "\x1e")

// write writes what waits, and pings.
func (w *watcher) write(ws *websocket.Conn) {
	defer ws.Close() // which ends the reader
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		var record []byte
		select {
		case record = <-w.queue:
		case <-ticker.C:
			record = ping
			w.look()
		case <-w.recheck:
			w.look()
			continue
		case <-w.over:
			w.farewell(ws)
			return
		}
		_ = ws.SetWriteDeadline(time.Now().Add(writeTime))
		if ws.WriteMessage(websocket.TextMessage, record) != nil {
			return
		}
		w.hub.counts.bytes.Add(uint64(len(record)))
		if &record[0] != &ping[0] {
			w.hub.counts.messages.Add(uint64((len(record) + 2047) / 2048))
		}
	}
}

// look ends the watcher if it may not look on any more.
func (w *watcher) look() {
	if !w.hub.stays(w.request) && w.end(&w.hub.counts.ended) {
		w.hub.opts.Logger.Info("live trace: a watcher may not look on any more and is closed")
	}
}

// farewell writes what still waits, and why the watcher is closed.
func (w *watcher) farewell(ws *websocket.Conn) {
	_ = ws.SetWriteDeadline(time.Now().Add(time.Second))
	for len(w.queue) > 0 && len(w.queue) < maxWaiting {
		if ws.WriteMessage(websocket.TextMessage, <-w.queue) != nil {
			return
		}
	}
	_ = ws.WriteMessage(websocket.TextMessage, hubprotocol.AppendClose(nil, hubprotocol.JSON, "", true))
}
