package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/freeport"
	"github.com/hubgate/hubgate/webhook"
	"github.com/hubgate/hubgate/webhook/signature"
)

// box is an Outbox in memory. What is put is stored at once, unless hold is set: then release stores it.
type box struct {
	mu      sync.Mutex
	next    uint64
	live    map[uint64][]byte
	letters []*Letter
	hold    bool
	waiting []func()
	fenced  bool
	lost    bool // others have everything
	tries   map[uint64]int
	whole   bool // dead letters have their record
	done    chan uint64
	died    chan *Letter
}

func newBox() *box {
	return &box{whole: true, live: make(map[uint64][]byte), done: make(chan uint64, 1024), died: make(chan *Letter, 1024)}
}

func (b *box) Put(record []byte, stored func()) uint64 {
	b.mu.Lock()
	b.next++
	b.live[b.next] = record
	n, hold := b.next, b.hold
	if hold {
		b.waiting = append(b.waiting, stored)
	}
	b.mu.Unlock()
	if !hold {
		stored()
	}
	return n
}

func (b *box) release() {
	b.mu.Lock()
	all := b.waiting
	b.waiting, b.hold = nil, false
	b.mu.Unlock()
	for _, stored := range all {
		stored()
	}
}

func (b *box) Done(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live[n] != nil {
		delete(b.live, n)
		b.done <- n
	}
}

func (b *box) Tried(n uint64, attempts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tries == nil {
		b.tries = make(map[uint64]int)
	}
	b.tries[n] = attempts
}

func (b *box) Mine(n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live[n] != nil && !b.lost
}

func (b *box) Fenced() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fenced
}

func (b *box) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *box) Die(_ context.Context, n uint64, text, record []byte) (whole bool, err error) {
	l, err := ParseLetter(text, record)
	if err != nil {
		return false, err
	}
	b.died <- l
	b.Done(n)
	return b.whole, nil
}

// left is what is in the outbox, in order.
func (b *box) left() (list []Adopted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, record := range b.live {
		list = append(list, Adopted{Number: n, Record: record})
	}
	slices.SortFunc(list, func(a, b Adopted) int { return int(a.Number) - int(b.Number) })
	return list
}

// keeping starts a Backend with an outbox whose waits are short.
func startKeeping(t testing.TB, cfg *Config, b *box, more ...func(*OutboxOptions)) *Backend {
	cfg.Keys = []auth.Secret{testKey}
	backend := New(Options{Config: func() *Config { return cfg }})
	opts := OutboxOptions{Outbox: b, waits: waits{least: time.Millisecond, most: 20 * time.Millisecond, open: 50 * time.Millisecond, fence: time.Millisecond}}
	for _, change := range more {
		change(&opts)
	}
	backend.UseOutbox(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, backend.Close(ctx))
	})
	return backend
}

// taken hands over a record until it is taken, as the gateway does.
func taken(t testing.TB, s *session, body string) {
	t.Helper()
	for end := time.Now().Add(patience); !receive(t, s, body); {
		require.True(t, s.Storing(), "it is neither taken nor waited for")
		require.True(t, time.Now().Before(end), "it is not taken")
		time.Sleep(time.Millisecond)
	}
}

func delivered(t testing.TB, p post) (id, attempt, repeat string) {
	t.Helper()
	event, err := (&signature.Verifier{Keys: []string{testKey.Reveal()}}).Request(p.Request, []byte(p.body))
	require.NoError(t, err)
	require.Equal(t, event.ID, p.Header.Get("Idempotency-Key"))
	return event.ID, p.Header.Get("X-Hubgate-Attempt"), p.Header.Get("X-Hubgate-Repeat")
}

func TestMessageIsTakenWhenItIsStored(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	client := newConn("abc")
	s := connect(startKeeping(t, toAll(h.URL), store), client)
	id, attempt, repeat := delivered(t, want(t, h.posts))
	require.Equal(t, []string{"abc.connected", "1", ""}, []string{id, attempt, repeat})

	store.set(func() { store.hold = true })
	require.False(t, receive(t, s, send("say")), "it is not stored")
	require.True(t, s.Storing())
	require.False(t, receive(t, s, send("say")), "it is not stored yet")
	require.Empty(t, h.posts, "nor is it delivered")
	require.Zero(t, client.resumed.Load())
	store.release()
	require.NotZero(t, client.resumed.Load())
	require.True(t, receive(t, s, send("say")))
	require.False(t, s.Storing())
	first, attempt, repeat := delivered(t, want(t, h.posts))
	require.Equal(t, []string{"1", ""}, []string{attempt, repeat})
	taken(t, s, send("say"))
	second, _, _ := delivered(t, want(t, h.posts))
	require.NotEqual(t, first, second)

	require.True(t, receive(t, s, invoke("1", "ask")), "who waits for an answer is not kept")
	p := want(t, h.posts)
	require.Empty(t, p.Header.Get("Idempotency-Key"))
	s.Closed(gateway.Cause{})
	id, _, _ = delivered(t, want(t, h.posts))
	require.Equal(t, "abc.disconnected", id)
	for range 4 {
		want(t, store.done)
	}
	require.Empty(t, store.left())
}

// failing answers with these statuses, then with 204.
func failing(statuses ...int) func(http.ResponseWriter, post) {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ post) {
		mu.Lock()
		defer mu.Unlock()
		status := http.StatusNoContent
		if len(statuses) > 0 {
			status, statuses = statuses[0], statuses[1:]
		}
		w.WriteHeader(status)
	}
}

func TestEventIsTriedUntilItIsDelivered(t *testing.T) {
	h, store := newHook(t, failing(204, 500, 503, 429)), newBox()
	s := connect(startKeeping(t, toAll(h.URL), store), newConn("abc"))
	want(t, h.posts)
	taken(t, s, send("first"))
	taken(t, s, send("second"))
	var seen []string
	var ids []string
	for range 5 {
		p := want(t, h.posts)
		id, attempt, repeat := delivered(t, p)
		seen = append(seen, p.event()+attempt+repeat)
		ids = append(ids, id)
	}
	require.Equal(t, []string{"first1", "first2possible", "first3possible", "first4possible", "second1"}, seen)
	require.Len(t, slices.Compact(ids), 2, "an event keeps its id")
}

// An answer that gets lost ends an attempt: net/http sends nothing again by itself, which nobody would count.
func TestEventWhoseAnswerIsLost(t *testing.T) {
	var calls atomic.Int32
	h, store := newHook(t, func(w http.ResponseWriter, _ post) {
		if calls.Add(1) == 2 {
			panic(http.ErrAbortHandler) // on the connection of the first call
		}
		w.WriteHeader(http.StatusNoContent)
	}), newBox()
	s := connect(startKeeping(t, toAll(h.URL), store), newConn("abc"))
	want(t, h.posts)
	want(t, store.done)
	taken(t, s, send("say"))
	for _, tried := range [][]string{{"1", ""}, {"2", "possible"}} {
		_, attempt, repeat := delivered(t, want(t, h.posts))
		require.Equal(t, tried, []string{attempt, repeat})
	}
	want(t, store.done)
	require.Empty(t, h.posts)
}

// That nothing was sent is no repeat.
func TestEventWhoseWebhookIsDown(t *testing.T) {
	address, err := freeport.Take()
	require.NoError(t, err)
	store := newBox()
	b := startKeeping(t, toAll("http://"+address), store)
	connect(b, newConn("abc"))
	for b.OutboxStats().Retries < 2 {
		time.Sleep(time.Millisecond)
	}
	require.Zero(t, b.OutboxStats().Repeats)
	h := &hook{posts: make(chan post, 16)}
	h.Server = httptest.NewUnstartedServer(h)
	require.NoError(t, h.Listener.Close())
	h.Listener, err = net.Listen("tcp", address)
	require.NoError(t, err)
	h.Start()
	t.Cleanup(h.Close)
	_, attempt, repeat := delivered(t, want(t, h.posts))
	require.NotEqual(t, "1", attempt)
	require.Empty(t, repeat)
}

func TestRetryAfterIsObeyed(t *testing.T) {
	answered := 0
	h, store := newHook(t, func(w http.ResponseWriter, _ post) {
		if answered++; answered == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}), newBox()
	connect(startKeeping(t, toAll(h.URL), store), newConn("abc"))
	first := want(t, h.posts)
	second := want(t, h.posts)
	require.GreaterOrEqual(t, second.when.Sub(first.when), time.Second)
	_, attempt, repeat := delivered(t, second)
	require.Equal(t, []string{"2", ""}, []string{attempt, repeat}, "who asks to come again has not taken it")
}

func TestDeadLetter(t *testing.T) {
	h, store := newHook(t, func(w http.ResponseWriter, p post) {
		if p.event() == "bad" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "no such method", strings.Repeat("x", 5000))
		}
	}), newBox()
	client := newConn("abc")
	client.id.User, client.id.Claims = "ann", []gateway.Claim{{Type: "role", Value: "a"}}
	b := startKeeping(t, toAll(h.URL), store)
	s := connect(b, client)
	taken(t, s, send("bad"))
	taken(t, s, send("good"))
	for _, event := range []string{"connected", "bad", "good"} {
		require.Equal(t, event, want(t, h.posts).event())
	}
	l := want(t, store.died)
	require.Equal(t, []any{"abc", "chat", "ann", "messages", "bad", DeadRefused, ResultStatus, 404, 1},
		[]any{l.Connection, l.Hub, l.User, l.Category, l.Name, l.Reason, l.Result, l.Status, l.Attempts})
	require.True(t, strings.HasPrefix(l.Answer, "no such method"))
	require.Len(t, l.Answer, maxAnswer)
	require.JSONEq(t, send("bad"), string(l.Body()))
	require.EqualValues(t, 1, b.OutboxStats().Dead[DeadRefused])

	// It can be delivered again.
	record, err := l.Fresh(time.Now())
	require.NoError(t, err)
	b.Deliver(Adopted{Number: store.Put(record, func() {}), Record: record})
	p := want(t, h.posts)
	id, _, repeat := delivered(t, p)
	require.Equal(t, []string{"bad", l.Event, "possible", "ann"}, []string{p.event(), id, repeat, p.Header.Get("X-ASRS-User-Id")})
	want(t, store.died)
}

func TestEventThatIsTriedForTooLong(t *testing.T) {
	h, store := newHook(t, says(http.StatusBadGateway, "")), newBox()
	connect(startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) { o.Age = 100 * time.Millisecond }), newConn("abc"))
	l := want(t, store.died)
	require.Equal(t, []any{DeadExpired, "connected"}, []any{l.Reason, l.Name})
	want(t, store.done)
	require.Empty(t, store.left())
}

// lines is a log that hands over its lines.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// That the event of a letter is not kept is in the log.
func TestLetterThatIsTooLarge(t *testing.T) {
	h, store, logged := newHook(t, says(http.StatusNotFound, "")), newBox(), make(lines, 10)
	b := startKeeping(t, toAll(h.URL), store)
	b.log = slog.New(slog.NewTextHandler(logged, nil))
	store.whole = false
	connect(b, newConn("abc"))
	want(t, store.died)
	line := want(t, logged)
	for !strings.Contains(line, "event became a dead letter") {
		line = want(t, logged)
	}
	require.Contains(t, line, "whole=false")
}

func TestNoTemplateAnyMore(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	cfg := toAll(h.URL)
	cfg.Templates[0].Event = webhook.PatternOf("other")
	b := startKeeping(t, cfg, store)
	record := appendDelivery(nil, &gateway.Identity{ID: "abc", Hub: "chat"}, &event{kind: kindMessage, target: "say", id: "abc.1", protocol: hubprotocol.JSON, body: []byte("{}")}, time.Now())
	require.NoError(t, b.takeOver(t.Context(), []Adopted{{Number: store.Put(record, func() {}), Record: record}}))
	require.Equal(t, DeadUnmatched, want(t, store.died).Reason)
}

// While a webhook fails, nobody calls it but one at a time, and all go on when it works again.
func TestCircuit(t *testing.T) {
	var mu sync.Mutex
	down, calls := true, 0
	h, store := newHook(t, func(w http.ResponseWriter, _ post) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		if down {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), newBox()
	journal := new(journal)
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) { o.waits.open = 200 * time.Millisecond })
	b.keeps.circuits.log = slog.New(slog.NewTextHandler(journal, nil))
	const clients = 50
	for i := range clients {
		connect(b, newConn(fmt.Sprint("c", i)))
	}
	for b.OutboxStats().CircuitsOpen == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // time in which each would have called dozens of times
	mu.Lock()
	during := calls
	down = false
	mu.Unlock()
	require.Less(t, during, 2*clients+10)
	for range clients {
		want(t, store.done)
	}
	require.Zero(t, b.OutboxStats().CircuitsOpen)
	require.NotZero(t, b.OutboxStats().CircuitsOpened)
	require.Contains(t, journal.String(), "circuit opened")
	require.Contains(t, journal.String(), "circuit closed")
}

func TestRejectedClientLeavesNothing(t *testing.T) {
	release := make(chan struct{})
	h, store := newHook(t, func(w http.ResponseWriter, _ post) {
		<-release
		w.WriteHeader(http.StatusForbidden)
	}), newBox()
	client := newConn("abc")
	s := connect(startKeeping(t, toAll(h.URL), store), client)
	want(t, h.posts)
	taken(t, s, send("say"))
	close(release)
	require.Equal(t, gateway.CloseInvokeUpstreamFailed, want(t, client.closed).Reason)
	for range 2 {
		want(t, store.done)
	}
	require.Empty(t, store.left())
	require.Empty(t, h.posts)
}

// A client whose webhooks fail is not read any further, rather than closed.
func TestFullQueueHoldsTheReader(t *testing.T) {
	release := make(chan struct{})
	h, store := newHook(t, func(http.ResponseWriter, post) { <-release }), newBox()
	cfg := toAll(h.URL)
	cfg.Queue.Events = 2
	client := newConn("abc")
	s := connect(startKeeping(t, cfg, store), client)
	want(t, h.posts) // connected is under way
	taken(t, s, send("m1"))
	taken(t, s, send("m2"))
	require.False(t, receive(t, s, send("m3")))
	require.True(t, s.Storing())
	before := client.resumed.Load()
	require.Len(t, store.left(), 3, "it is not put into the outbox either")
	close(release)
	taken(t, s, send("m3"))
	require.Greater(t, client.resumed.Load(), before)
	for i := range 3 {
		require.Equal(t, fmt.Sprint("m", i+1), want(t, h.posts).event())
	}
}

// What a dead node had to deliver is delivered in order, and marked. The end of a client of which there is
// only the beginning is told too, once.
func TestAdopt(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	var list []Adopted
	add := func(connection string, e event) {
		id := gateway.Identity{ID: connection, Hub: "chat", HubName: "Chat", User: "ann", Query: "a=b"}
		if e.id = eventID(connection, e.kind); e.kind == kindMessage {
			e.protocol, e.body = hubprotocol.JSON, []byte(send(e.target))
		}
		record := appendDelivery(nil, &id, &e, time.Now())
		list = append(list, Adopted{Number: store.Put(record, func() {}), Record: record})
	}
	add("a", event{kind: kindConnected, body: bodyConnected})
	add("b", event{kind: kindMessage, target: "m1"})
	add("b", event{kind: kindMessage, target: "m2"})
	add("b", event{kind: kindDisconnected, body: []byte(`{"type":11}`)})
	list = append(list, Adopted{Number: store.Put([]byte("no event"), func() {}), Record: []byte("no event")})
	require.NoError(t, b.takeOver(t.Context(), list))
	// The node that says so does not know that it is in the outbox.
	require.NoError(t, b.Keep(t.Context(), appendRecord(nil, &gateway.Identity{ID: "b", Hub: "chat"}, nil)))
	require.NoError(t, b.Keep(t.Context(), appendRecord(nil, &gateway.Identity{ID: "c", Hub: "chat"}, nil)))

	seen := make(map[string][]string)
	for range 6 {
		p := want(t, h.posts)
		_, attempt, repeat := delivered(t, p)
		require.Equal(t, []string{"1", "possible"}, []string{attempt, repeat})
		id := p.Header.Get("X-ASRS-Connection-Id")
		seen[id] = append(seen[id], p.event())
		if id == "a" && p.event() == "disconnected" {
			require.Contains(t, p.body, "NodeLost")
			require.Equal(t, "Chat", p.Header.Get("X-ASRS-Hub"))
		}
	}
	require.Equal(t, map[string][]string{"a": {"connected", "disconnected"}, "b": {"m1", "m2", "disconnected"}, "c": {"disconnected"}}, seen)
	for range 7 { // with the one that cannot be read
		want(t, store.done)
	}
	require.Empty(t, h.posts)
	require.ErrorIs(t, b.Keep(t.Context(), []byte("no record")), ErrRecord)
	b.keeps.mu.Lock()
	defer b.keeps.mu.Unlock()
	require.Empty(t, b.keeps.adopted, "nothing is kept of clients that are not here")
}

// What a node that ends could not deliver stays in the outbox.
func TestNodeThatEnds(t *testing.T) {
	h, store := newHook(t, says(http.StatusInternalServerError, "")), newBox()
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) { o.waits.least, o.waits.most = time.Hour, time.Hour })
	s := connect(b, newConn("abc"))
	want(t, h.posts)
	taken(t, s, send("say"))
	s.Closed(gateway.Cause{})
	require.NoError(t, b.Close(t.Context()), "it does not wait for what fails")
	require.Len(t, store.left(), 3)
}

// A node that may have been given up delivers nothing, and never what others have.
func TestFencedNodeDeliversNothing(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	store.set(func() { store.fenced = true })
	s := connect(b, newConn("abc"))
	taken(t, s, send("say"))
	require.Empty(t, h.posts)
	store.set(func() { store.lost, store.fenced = true, false })
	require.NoError(t, b.Close(t.Context()))
	require.Empty(t, h.posts)
}

// Who waits for an answer behind an event that cannot be delivered gets an error in time.
func TestInvocationBehindAnEventThatFails(t *testing.T) {
	h, store := newHook(t, says(http.StatusInternalServerError, "")), newBox()
	cfg := toAll(h.URL)
	cfg.Timeout = 200 * time.Millisecond
	client := newConn("abc")
	s := connect(startKeeping(t, cfg, store), client)
	require.True(t, receive(t, s, invoke("7", "ask")))
	m := completion(t, client)
	require.Equal(t, "7", m.InvocationID)
	require.Equal(t, "Invocation failed, status code 500", m.Error)
}

func FuzzParseDelivery(f *testing.F) {
	id := gateway.Identity{ID: "abc", Hub: "chat", User: "ü", Claims: []gateway.Claim{{Type: "a", Value: "b"}}}
	f.Add(appendDelivery(nil, &id, &event{kind: kindMessage, target: "say", id: "abc.1", protocol: hubprotocol.MessagePack, body: []byte{0x96}}, time.Now()))
	f.Add(appendDelivery(nil, &id, &event{kind: kindConnected, id: "abc.connected", body: bodyConnected}, time.Now()))
	f.Add(appendDelivery(nil, &gateway.Identity{ID: "abc", Hub: "app_chat", HubName: "Chat", Query: "a=b&a=ü"}, &event{kind: kindDisconnected, id: "abc.disconnected", body: []byte(`{"error":"x"}`)}, time.Unix(0, 0)))
	f.Add(appendDelivery(nil, &id, &event{kind: kindMessage, target: "", id: "abc.2", protocol: hubprotocol.JSON, body: nil}, time.UnixMilli(-1)))
	f.Add(appendDelivery(nil, &gateway.Identity{Hub: "chat"}, &event{kind: 9, id: "x"}, time.Now()))
	f.Add([]byte("\x9d\x01\xdb\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, e, since, err := parseDelivery(text)
		if err != nil {
			if !errors.Is(err, ErrDelivery) {
				t.Fatal(err)
			}
			return
		}
		d2, e2, since2, err := parseDelivery(appendDelivery(nil, &d.id, &e, since))
		require.NoError(t, err)
		require.Equal(t, d.id, d2.id)
		require.Equal(t, e, e2)
		require.True(t, since.Equal(since2))
	})
}

func FuzzParseLetter(f *testing.F) {
	e := event{kind: kindMessage, target: "say", id: "abc.1", protocol: hubprotocol.JSON, body: []byte("{}")}
	record := appendDelivery(nil, &gateway.Identity{ID: "abc", Hub: "chat", User: "ann"}, &e, time.UnixMilli(1_800_000_000_000))
	l := newLetter(&gateway.Identity{ID: "abc", Hub: "chat", User: "ann"}, &e, time.UnixMilli(1_800_000_000_000))
	l.Last = Last{Reason: DeadRefused, Attempts: 3, Result: ResultStatus, Status: 404, Answer: "no"}
	f.Add(l.text(), record)
	l.Record = record
	inside, err := json.Marshal(l)
	require.NoError(f, err)
	f.Add(inside, []byte(nil))
	f.Add([]byte(`{"event":"a.1","record":"k5E="}`), []byte(nil))
	f.Add([]byte(`{"event":1}`), record)
	f.Fuzz(func(t *testing.T, text, record []byte) {
		l, err := ParseLetter(text, record)
		if err != nil {
			return
		}
		l.Body()
		if again, err := ParseLetter(l.text(), l.Record); err != nil || again.Event != l.Event {
			t.Fatalf("%q: %v", text, err)
		}
		if l.Record != nil {
			_, err := l.Fresh(time.Now())
			require.NoError(t, err)
		}
	})
}
