package gateway_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// witness is an Observer that writes down what it is told.
type witness struct {
	mu     sync.Mutex
	blind  bool // it follows no sends
	seen   []string
	report map[string]gateway.SendReport // by trace
}

func (w *witness) add(format string, about ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, fmt.Sprintf(format, about...))
}

func (w *witness) FollowSend(cmd *gateway.Command) func(gateway.SendReport) {
	if w.blind {
		return nil
	}
	return func(r gateway.SendReport) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, twice := w.report[cmd.Trace]; twice {
			panic("reported twice: " + cmd.Trace)
		}
		w.report[cmd.Trace] = r
	}
}

func (w *witness) Unheard(cmd *gateway.Command) { w.add("unheard %s", cmd.Trace) }
func (w *witness) Opened(c *gateway.Conn)       { w.add("opened %s", c.Identity().ID) }
func (w *witness) Closed(c *gateway.Conn, cause gateway.Cause) {
	w.add("closed %s %s", c.Identity().ID, cause.Reason)
}

// take returns what was seen so far.
func (w *witness) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.seen, ", ")
	w.seen = nil
	return text
}

func observed(t *testing.T, w *witness) *node {
	w.report = make(map[string]gateway.SendReport)
	return start(t, func(o *gateway.Options, _ *node) { o.Observer = w })
}

// sendAs is send with a trace.
func (n *node) sendAs(trace string, target gateway.Target, frames *hubprotocol.Frames) {
	n.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: frames, Trace: trace})
}

func TestObserverHearsOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		n := observed(t, w)
		ann := n.connect("1", "ann")
		synctest.Wait()
		require.Equal(t, "opened 1", w.take())
		ann.Leave()
		synctest.Wait()
		silent := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "2", Hub: "chat", Protocol: "-"})
		silent.Leave()
		synctest.Wait()
		require.Equal(t, "closed 1 Normal, closed 2 Normal", w.take())
	})
}

// A send reports once, whoever its receivers are, and what it says adds up.
func TestReportsOfSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		n := observed(t, w)
		n.connect("1", "ann")
		n.connect("2", "ann")
		n.connect("3", "bob")
		stalled := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "4", Hub: "chat", Stalled: true})
		n.join("g", "1", "3")
		octets, err := hubprotocol.NewFrames(map[string][]byte{"own": []byte("x")})
		require.NoError(t, err)
		sends := []struct {
			trace  string
			target gateway.Target
			frames *hubprotocol.Frames
			want   gateway.SendReport
		}{
			{"all", all(), message(t, "m"), gateway.SendReport{Matched: 4, Queued: 4}},
			{"all but one", all("2"), message(t, "m"), gateway.SendReport{Matched: 3, Queued: 3}},
			{"a user", users("ann"), message(t, "m"), gateway.SendReport{Matched: 2, Queued: 2}},
			{"a group", groups("g", "nobody"), message(t, "m"), gateway.SendReport{Matched: 2, Queued: 2}},
			{"nobody", conns("x"), message(t, "m"), gateway.SendReport{}},
			{"no form", all(), octets, gateway.SendReport{Matched: 4, Dropped: 4, NoPayload: 4}},
		}
		for _, s := range sends { // all at once: passes with several sends
			n.sendAs(s.trace, s.target, s.frames)
		}
		synctest.Wait()
		for _, s := range sends {
			require.Equal(t, s.want, w.report[s.trace], s.trace)
		}
		require.Len(t, w.report, len(sends))
		stalled.Unstall()
		n.balanced()
	})
}

// Sends that workers write themselves are counted as written, and of sends that are joined each
// has figures of its own.
func TestReportsOfSendsThatAreWrittenAtOnce(t *testing.T) {
	w := new(witness)
	n := observed(t, w)
	clients := []*gatewaytest.Client{
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Raw: true}),
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "2", Hub: "chat", Raw: true}),
	}
	for _, c := range clients {
		c.Want(t.Context(), "{}\x1e")
	}
	onlyOwn, err := hubprotocol.NewFrames(map[string][]byte{"own": []byte("x")})
	require.NoError(t, err)
	for i := range 20 {
		n.sendAs(fmt.Sprint(i), all(), message(t, fmt.Sprint("m", i)))
		n.sendAs(fmt.Sprint(i, " has no form"), all(), onlyOwn)
	}
	for _, c := range clients {
		c.Want(t.Context(), `"m19"`)
	}
	n.count(all(), "") // every worker has been through
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.report, 40)
	for i := range 20 {
		require.Equal(t, gateway.SendReport{Matched: 2, Written: 2}, w.report[fmt.Sprint(i)])
		require.Equal(t, gateway.SendReport{Matched: 2, Dropped: 2, NoPayload: 2}, w.report[fmt.Sprint(i, " has no form")])
	}
}

func TestSendsThatNobodyHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{blind: true}
		n := observed(t, w)
		n.sendAs("no hub", all(), message(t, "m"))
		ann := n.connect("1", "ann")
		n.join("g", "1")
		synctest.Wait()
		require.Equal(t, "unheard no hub, opened 1", w.take())
		for _, target := range []gateway.Target{all(), all("1"), users("ann"), groups("g"), conns("1", "2")} {
			n.sendAs("heard", target, message(t, "m"))
		}
		require.Empty(t, w.take())
		n.sendAs("user", users("bob"), message(t, "m"))
		n.sendAs("group", groups("h"), message(t, "m"))
		n.sendAs("connection", conns("2"), message(t, "m"))
		require.Equal(t, "unheard user, unheard group, unheard connection", w.take())
		ann.Leave()
		synctest.Wait()
		w.take()
		n.sendAs("empty hub", all(), message(t, "m"))
		require.Equal(t, "unheard empty hub", w.take())
		require.Empty(t, w.report)
	})
}
