//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
)

// ledger is a webhook that notes every event that it takes, and fails as often as it is told.
type ledger struct {
	*httptest.Server
	// failing is the chance of an answer 500 in a thousand; refuse makes it answer 404 to a method.
	failing atomic.Int64
	refuse  atomic.Pointer[string]

	mu sync.Mutex
	// events are what each connection's events were, each once, in the order in which they came first.
	events map[string][]string
	ids    map[string]bool
	// attempts is the number of the last attempt to tell of a connection's beginning.
	attempts map[string]int
	// unmarked are events that came twice, and the second time without a word of it.
	unmarked []string
	repeats  int
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{events: make(map[string][]string), ids: make(map[string]bool), attempts: make(map[string]int)}
	l.Server = httptest.NewServer(http.HandlerFunc(l.take))
	t.Cleanup(l.Close)
	return l
}

func (l *ledger) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if name := l.refuse.Load(); name != nil && *name == r.Header.Get("X-ASRS-Event") {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "no such method")
		return
	}
	l.note(r)
	if rand.Int64N(1000) < l.failing.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var m struct{ Arguments []any }
	_ = json.Unmarshal(body, &m) // events of connections have none
	l.mu.Lock()
	defer l.mu.Unlock()
	id, connection := r.Header.Get("Idempotency-Key"), r.Header.Get("X-ASRS-Connection-Id")
	if l.ids[id] {
		l.repeats++
		if r.Header.Get("X-Hubgate-Repeat") == "" {
			l.unmarked = append(l.unmarked, id)
		}
		return
	}
	l.ids[id] = true
	text := r.Header.Get("X-ASRS-Event")
	if len(m.Arguments) > 0 {
		text = fmt.Sprint(m.Arguments[0])
	}
	l.events[connection] = append(l.events[connection], text)
}

func (l *ledger) note(r *http.Request) {
	if r.Header.Get("X-ASRS-Event") != "connected" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	attempt, _ := strconv.Atoi(r.Header.Get("X-Hubgate-Attempt"))
	l.attempts[r.Header.Get("X-ASRS-Connection-Id")] = attempt
}

// tried is the number of the last attempt to tell of a connection's beginning.
func (l *ledger) tried(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.attempts[id]
}

func (l *ledger) of(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[id]
}

// talker is a client with stateful reconnect that says numbers until it is cut off. What is acknowledged to it
// has been read.
type talker struct {
	id    string
	acked atomic.Int64
	pause atomic.Int64 // between numbers, in milliseconds
	ended chan struct{}
	err   error // with which it ended; valid then
}

func (w *talker) hasEnded() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

func startTalker(t *testing.T, p *program) *talker {
	s := connectStateful(t, p)
	require.NoError(t, s.conn.SetReadDeadline(time.Time{}), "it reads as long as the program lives")
	w := &talker{id: s.id, ended: make(chan struct{})}
	w.pause.Store(1)
	go func() { // ends with the socket
		for i := 0; ; i++ {
			record := fmt.Sprintf(`{"type":1,"target":"say","arguments":["%d"]}`, i) + "\x1e"
			if s.conn.WriteMessage(websocket.TextMessage, []byte(record)) != nil {
				return
			}
			time.Sleep(time.Duration(w.pause.Load()) * time.Millisecond)
		}
	}()
	go func() {
		defer close(w.ended)
		for {
			_, data, err := s.conn.ReadMessage()
			if err != nil {
				w.err = err
				return
			}
			for record := range strings.SplitSeq(string(data), "\x1e") {
				var m struct {
					Type       int
					SequenceID int64
				}
				if record != "" && json.Unmarshal([]byte(record), &m) == nil && m.Type == 8 {
					w.acked.Store(max(w.acked.Load(), m.SequenceID))
				}
			}
		}
	}()
	return w
}

// talks waits until something is acknowledged.
func (w *talker) talks(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return w.acked.Load() > 0 || w.hasEnded() }, slowPatience, 10*time.Millisecond)
	if w.hasEnded() {
		require.Fail(t, "the client was cut off", "%v", w.err)
	}
}

// check is that the webhook has what was acknowledged, in order, between the beginning and the end.
func (w *talker) check(t *testing.T, l *ledger) {
	t.Helper()
	got := l.of(w.id)
	acked := int(w.acked.Load())
	require.GreaterOrEqual(t, len(got), acked+2, "%s: %d messages were acknowledged, and the webhook has %v", w.id, acked, got)
	require.Equal(t, "connected", got[0])
	require.Equal(t, "disconnected", got[len(got)-1])
	for i, text := range got[1 : len(got)-1] {
		require.Equal(t, fmt.Sprint(i), text, "%s", w.id)
	}
}

// kept are flags of a program that keeps events.
func kept(l *ledger, more ...string) []string {
	return append([]string{"--upstream=" + l.URL + "/{event}", "--upstream-outbox"}, more...)
}

// serveArgs are those of a program alone.
func serveArgs(more ...string) []string {
	return append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--settings", "/dev/null"}, more...)
}

// TestOutboxLosesNothingWhenKilled kills a program that is alone again and again while its clients talk and
// its webhook fails now and then.
func TestOutboxLosesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.failing.Store(100)
	args := serveArgs(kept(l, "--data-dir", dataDir(t))...)
	var talkers []*talker
	acked := 0
	p := startProcess(t, args, nil)
	for range 4 {
		var some []*talker
		for range 5 {
			some = append(some, startTalker(t, p))
		}
		for _, w := range some {
			w.talks(t)
		}
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
		p.kill()
		<-p.ended
		for _, w := range some {
			<-w.ended
			acked += int(w.acked.Load())
		}
		talkers = append(talkers, some...)
		p = startProcess(t, args, nil)
	}
	l.failing.Store(0)
	for _, w := range talkers {
		require.Eventually(t, func() bool {
			got := l.of(w.id)
			return len(got) > 0 && got[len(got)-1] == "disconnected"
		}, slowPatience, 10*time.Millisecond, "the end of %s is not told: %d events came, the last program says\n%s", w.id, len(l.of(w.id)), p.logs)
		w.check(t, l)
	}
	require.NotZero(t, acked)
	require.Empty(t, l.unmarked, "a repeat says that it may be one")
	t.Logf("%d messages were acknowledged, %d events came again", acked, l.repeats)
}

// TestOutboxOfANodeThatDiesWhileItTakesOver kills a program, and the next ones while they take over what it has left: the end of a
// client comes behind all that it has said.
func TestOutboxOfANodeThatDiesWhileItTakesOver(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.failing.Store(1000)
	args := serveArgs(kept(l, "--data-dir", dataDir(t))...)
	p := startProcess(t, args, nil)
	var talkers []*talker
	for range 20 {
		talkers = append(talkers, startTalker(t, p))
	}
	for _, w := range talkers {
		w.talks(t)
	}
	p.kill()
	<-p.ended
	for range 3 {
		p = startProcess(t, args, nil)
		p.logs.want(t, "a node has died")
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // somewhere amid it
		p.kill()
		<-p.ended
	}
	l.failing.Store(0)
	p = startProcess(t, args, nil)
	for _, w := range talkers {
		<-w.ended
		require.Eventually(t, func() bool { return slices.Contains(l.of(w.id), "disconnected") }, slowPatience, 10*time.Millisecond, "the end of %s is not told", w.id)
	}
	require.Eventually(t, func() bool {
		_, out, _ := command("upstream", "deliveries", "list", "--waiting", p.adminAt())
		return strings.HasPrefix(out, "no event waits")
	}, slowPatience, 10*time.Millisecond)
	for _, w := range talkers {
		w.check(t, l)
	}
	require.Empty(t, l.unmarked)
}

// TestOutboxOfADeadNode kills one of three nodes for good.
func TestOutboxOfADeadNode(t *testing.T) {
	threePrograms(t)
	t.Parallel()
	l := newLedger(t)
	more := kept(l, "--cluster-lease=15s")
	a := startNode(t, "a", "a", "", append(more, "--data-dir", dataDir(t))...)
	peer := a.clusterStatus().Address
	b, c := startNode(t, "a", "b", peer, more...), startNode(t, "a", "c", peer, more...)
	for _, p := range []*program{a, b, c} {
		p.isMember(2)
	}
	outboxOfADeadNode(t, l, b)
}

// TestOutboxOfADeadVoter kills one of three voters for good.
func TestOutboxOfADeadVoter(t *testing.T) {
	largeTest(t)
	l := newLedger(t)
	all := startProcesses(t, kept(l)...)
	outboxOfADeadNode(t, l, all[0])
}

// outboxOfADeadNode has clients talk to a node, whose webhook fails, until it dies: the others tell all that was
// acknowledged, in order, and count on.
func outboxOfADeadNode(t *testing.T, l *ledger, p *program) {
	l.failing.Store(1000)
	var talkers []*talker
	for range 10 {
		talkers = append(talkers, startTalker(t, p))
	}
	for _, w := range talkers {
		w.talks(t)
	}
	// The webhook is tried by one event at a time, every ten seconds, since it fails.
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(talkers, func(w *talker) bool { return l.tried(w.id) > 1 })
	}, slowPatience, 10*time.Millisecond)
	p.kill()
	<-p.ended
	tried := make(map[string]int)
	for _, w := range talkers {
		tried[w.id] = l.tried(w.id)
	}
	l.failing.Store(0)
	for _, w := range talkers {
		<-w.ended
		require.Eventually(t, func() bool {
			got := l.of(w.id)
			return len(got) > 0 && got[len(got)-1] == "disconnected"
		}, slowPatience, 10*time.Millisecond, "the end of %s is not told", w.id)
		w.check(t, l)
		require.GreaterOrEqual(t, l.tried(w.id), tried[w.id], "the attempts of the dead node count")
	}
	require.Empty(t, l.unmarked)
}

// What a program that ends has not delivered, its next run delivers.
func TestOutboxAfterARestart(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.failing.Store(1000)
	args := serveArgs(kept(l, "--data-dir", dataDir(t), "--drain-timeout", "10s")...)
	p := startProcess(t, args, nil)
	w := startTalker(t, p)
	require.Eventually(t, func() bool { return w.acked.Load() > 100 || w.hasEnded() }, slowPatience, 10*time.Millisecond)
	require.False(t, w.hasEnded(), "the client was cut off: %v", w.err)
	require.Equal(t, exitOK, p.stop())
	<-w.ended
	require.Empty(t, l.of(w.id))
	l.failing.Store(0)
	startProcess(t, args, nil)
	require.Eventually(t, func() bool {
		got := l.of(w.id) // also what was stored and not acknowledged any more
		return len(got) > 0 && got[len(got)-1] == "disconnected"
	}, slowPatience, 10*time.Millisecond)
	w.check(t, l)
	require.Empty(t, l.unmarked)
}

// Dead letters are shown with the last answer, and are delivered when somebody says so.
func TestDeadLettersAreResent(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	bad := "bad"
	l.refuse.Store(&bad)
	p := start(t, kept(l, "--data-dir", dataDir(t))...)
	run := func(args ...string) (out, errors string) {
		t.Helper()
		code, out, errors := command(append([]string{"upstream", "deliveries"}, append(args, p.adminAt())...)...)
		require.Zero(t, code, errors)
		return out, errors
	}
	out, _ := run("list")
	require.Equal(t, "no dead letters\n", out)
	ann := p.connect("chat", "ann")
	ann.send(`{"type":1,"target":"bad","arguments":["1"]}`)
	ann.send(`{"type":1,"target":"good","arguments":["2"]}`)
	ann.send(`{"type":1,"target":"bad","arguments":["3"]}`)
	require.Eventually(t, func() bool {
		out, _ = run("list")
		return strings.Count(out, "messages/bad") == 2
	}, slowPatience, 10*time.Millisecond)
	require.Contains(t, out, "refused")
	require.Contains(t, out, "404")
	p.wantMetrics(`hubgate_outbox_dead_letters_total{reason="refused"} 2`)
	p.logs.want(t, "event became a dead letter")

	out, _ = run("show", "1")
	var d admin.Delivery
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	require.Equal(t, []any{"bad", "chat", "ann", "no such method", ann.id}, []any{d.Name, d.Hub, d.User, d.Answer, d.Connection})
	require.JSONEq(t, `{"type":1,"target":"bad","arguments":["1"]}`, d.Body)

	l.refuse.Store(nil)
	out, _ = run("resend", "1")
	require.Equal(t, "1 put on their way again\n", out)
	require.Eventually(t, func() bool { return len(l.of(ann.id)) == 3 }, slowPatience, 10*time.Millisecond)
	run("resend", "--all")
	require.Eventually(t, func() bool { return len(l.of(ann.id)) == 4 }, slowPatience, 10*time.Millisecond)
	require.Equal(t, []string{"connected", "2", "1", "3"}, l.of(ann.id))
	out, _ = run("list", "-o", "json")
	require.JSONEq(t, "[]", out)
	code, _, text := command("upstream", "deliveries", "show", "1", p.adminAt())
	require.NotZero(t, code)
	require.Contains(t, text, "there is no such dead letter")
}

// A dead letter has its body however large that is.
func TestLargeDeadLetterIsResent(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	bad := "bad"
	l.refuse.Store(&bad)
	p := start(t, kept(l, "--data-dir", dataDir(t))...)
	ann := p.connect("chat", "ann")
	large := strings.Repeat("0123456789abcdef", 3<<16)
	ann.send(`{"type":1,"target":"bad","arguments":["` + large + `"]}`)
	require.Eventually(t, func() bool {
		code, out, _ := command("upstream", "deliveries", "list", p.adminAt())
		return code == 0 && strings.Contains(out, "messages/bad")
	}, slowPatience, 10*time.Millisecond)
	code, out, errText := command("upstream", "deliveries", "show", "1", p.adminAt())
	require.Zero(t, code, errText)
	var d admin.Delivery
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	require.Contains(t, d.Body, large)
	l.refuse.Store(nil)
	code, _, errText = command("upstream", "deliveries", "resend", "1", p.adminAt())
	require.Zero(t, code, errText)
	require.Eventually(t, func() bool { return len(l.of(ann.id)) == 2 }, slowPatience, 10*time.Millisecond)
	require.Equal(t, []string{"connected", large}, l.of(ann.id))
	code, _, _ = command("upstream", "deliveries", "show", "1", p.adminAt())
	require.NotZero(t, code, "it is gone")
}

// Events that wait are shown too.
func TestWaitingDeliveriesAreShown(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.failing.Store(1000)
	p := start(t, kept(l, "--data-dir", dataDir(t))...)
	ann := p.connect("chat", "ann")
	require.Eventually(t, func() bool {
		code, out, _ := command("upstream", "deliveries", "list", "--waiting", p.adminAt())
		return code == 0 && strings.Contains(out, "connections/connected") && strings.Contains(out, ann.id)
	}, slowPatience, 10*time.Millisecond)
	l.failing.Store(0)
	require.Eventually(t, func() bool { return len(l.of(ann.id)) == 1 }, slowPatience, 10*time.Millisecond)
}
