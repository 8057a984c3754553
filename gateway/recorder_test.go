package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// scribe is an Observer and a Recorder that writes down what it is told.
type scribe struct {
	witness
	mu    sync.Mutex
	told  []string
	named map[string][]gateway.ReceiverReport // by trace
}

func (s *scribe) FollowSend(cmd *gateway.Command) func(gateway.SendReport) {
	return func(r gateway.SendReport) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.named[cmd.Trace] = slices.Clone(r.Receivers)
		s.told = append(s.told, fmt.Sprintf("sent %s %d/%d/%d/%d", cmd.Trace, r.Matched, r.Written, r.Queued, r.Dropped))
	}
}

func (s *scribe) add(format string, about ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf(format, about...))
}

func (s *scribe) Received(c *gateway.Conn, r gateway.Record, target []byte, taken bool) {
	if !taken {
		s.add("refused %s %d %s", c.Identity().ID, r.Type, target)
		return
	}
	s.add("received %s %d %s", c.Identity().ID, r.Type, target)
}

func (s *scribe) Delivered(c *gateway.Conn, bytes int, trace string, r gateway.SendReport) {
	s.add("delivered %s %s%d/%d/%d/%d", c.Identity().ID, trace, r.Matched, r.Written, r.Queued, r.Dropped)
}

func (s *scribe) FollowVerb(cmd *gateway.Command) func(gateway.Result, error) {
	return func(r gateway.Result, err error) { s.add("verb %d %s matched %d", cmd.Verb, cmd.Group, r.Matched) }
}

func (s *scribe) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = nil
	return told
}

// fates are those of the receivers of a send that has names, in order.
func (s *scribe) fates(trace string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, r := range s.named[trace] {
		fate := string(r.Dropped)
		switch {
		case r.Written:
			fate = "written"
		case fate == "":
			fate = "queued"
		}
		list = append(list, r.Conn.Identity().ID+" "+fate)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func recorded(t *testing.T, change func(*gateway.Options, *node)) (*node, *scribe) {
	s := &scribe{named: make(map[string][]gateway.ReceiverReport)}
	return start(t, func(o *gateway.Options, n *node) {
		o.Observer, o.Recorder = s, s
		if change != nil {
			change(o, n)
		}
	}), s
}

// Sends to different receivers are joined although they are followed, and each has figures and names of its own.
func TestRecordsOfSendsThatAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := recorded(t, func(o *gateway.Options, _ *node) { o.Workers = 1 })
		for i := range 3 {
			gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: fmt.Sprint(i), Hub: "chat", User: fmt.Sprint("u", i), Raw: true})
		}
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "pumped", Hub: "chat", User: "u0", Stalled: true})
		onlyOwn, err := hubprotocol.NewFrames(map[string][]byte{"own": []byte("x")})
		require.NoError(t, err)
		synctest.Wait()
		held := &gate{reached: make(chan struct{}), open: make(chan struct{})}
		conn, err := n.Attach(gateway.Identity{ID: "gate", Hub: "other"}, held)
		require.NoError(t, err)
		defer conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		conn.SendFrame([]byte("x"))
		<-held.reached
		for i := range 3 { // one pass
			n.sendAs(fmt.Sprint(i), users(fmt.Sprint("u", i)), message(t, "m"))
		}
		n.sendAs("all", all("0"), message(t, "m"))
		n.sendAs("no form", users("u1"), onlyOwn)
		n.sendAs("nobody", users("x"), message(t, "m"))
		s.take()
		close(held.open)
		synctest.Wait()
		require.Equal(t, "0 written, pumped queued", s.fates("0"))
		require.Equal(t, "1 written", s.fates("1"))
		require.Equal(t, "2 written", s.fates("2"))
		require.Equal(t, "1 written, 2 written, pumped queued", s.fates("all"))
		require.Equal(t, "1 NoPayloadForProtocol", s.fates("no form"))
		require.Empty(t, s.fates("nobody"))
		told := s.take()
		for _, want := range []string{"sent 0 2/1/1/0", "sent 1 1/1/0/0", "sent all 3/2/1/0", "sent no form 1/0/0/1"} {
			require.Contains(t, told, want)
		}
	})
}

// Of many receivers those have names that did not get the message at once.
func TestRecordsOfSendsToMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := recorded(t, func(o *gateway.Options, _ *node) { o.Workers = 1 })
		for i := range 2 * gateway.MaxReported {
			gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: fmt.Sprint("raw", i), Hub: "chat", Raw: true})
		}
		n.sendAs("none waits", all(), message(t, "m"))
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "pumped", Hub: "chat", Stalled: true})
		n.sendAs("one waits", all(), message(t, "m"))
		synctest.Wait()
		require.Empty(t, s.fates("none waits"))
		require.Equal(t, "pumped queued", s.fates("one waits"))
		n.limits.Queues.OutboxMaxBytes = 1
		n.sendAs("one is full", all(), message(t, "m"))
		synctest.Wait()
		require.Equal(t, "pumped SlowClient", s.fates("one is full"))
	})
}

func TestRecordsOfClientsAndVerbs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := recorded(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Raw: true})
		synctest.Wait()
		require.Empty(t, s.take(), "handshakes are no messages")
		require.NoError(t, c.Conn.Feed([]byte(`{"type":1,"target":"say","arguments":[]}`+"\x1e"+`{"type":6}`+"\x1e")))
		c.Conn.Send([]byte(`{"type":3,"invocationId":"1"}` + "\x1e"))
		synctest.Wait()
		require.Equal(t, []string{"received 1 1 say", "delivered 1 1/1/0/0"}, s.take())
		n.join("g", "1", "2")
		n.do(gateway.Command{Verb: gateway.VerbLeave, Target: conns("1"), Group: "g"})
		n.do(gateway.Command{Verb: gateway.VerbClose, Target: conns("1"), Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer}})
		synctest.Wait()
		require.Equal(t, []string{"verb 2 g matched 1", "verb 3 g matched 1", "verb 5  matched 1"}, s.take())
	})
}

// Messages are counted in units of 2 KiB, whichever way they take; pings are not.
func TestR90MessagesInUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Raw: true})
		gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "2", Hub: "chat"})
		synctest.Wait()
		require.Zero(t, n.Stats().Total.UnitsOut, "a handshake is none")
		n.send("m", all())
		n.send(strings.Repeat("x", gateway.MessageUnit), users("ann"))
		synctest.Wait()
		require.EqualValues(t, 2+2, n.Stats().Total.UnitsOut)
		c.Conn.Send([]byte(strings.Repeat("x", gateway.MessageUnit)))
		c.Conn.SendControl([]byte("x"))
		synctest.Wait()
		require.EqualValues(t, 5, n.Stats().Total.UnitsOut)
	})
}

// Whoever waits for an answer has it; the session does not see it. A record that the session has no room for is
// told as such.
func TestRecordsThatNoSessionTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := false
		n, s := recorded(t, func(o *gateway.Options, _ *node) {
			o.Backend = &gatewaytest.Backend{Full: func() bool { return full }}
		})
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Raw: true})
		answered := ""
		require.NoError(t, c.Conn.Await("7", func(a gateway.Answer, _ error) { answered = string(a.Frame) }))
		require.NoError(t, c.Conn.Feed([]byte(`{"type":3,"invocationId":"7","result":1}`+"\x1e")))
		require.Contains(t, answered, `"result":1`)
		require.NoError(t, c.Conn.Feed([]byte(`{"type":3,"invocationId":"8","result":1}`+"\x1e")))
		full = true
		require.NoError(t, c.Conn.Feed([]byte(`{"type":1,"invocationId":"9","target":"say","arguments":[]}`+"\x1e")))
		require.Error(t, c.Conn.Feed([]byte(`{"type":1,"target":"shout","arguments":[]}`+"\x1e")))
		synctest.Wait()
		told := s.take()
		require.Equal(t, []string{"received 1 3 ", "refused 1 1 say"}, told[:2])
		require.Contains(t, told, "refused 1 1 shout")
	})
}

// counting is a Recorder that only counts.
type counting struct{ received atomic.Int64 }

func (c *counting) Received(*gateway.Conn, gateway.Record, []byte, bool)   { c.received.Add(1) }
func (*counting) Delivered(*gateway.Conn, int, string, gateway.SendReport) {}
func (*counting) FollowVerb(*gateway.Command) func(gateway.Result, error)  { return nil }

// To record what a client says allocates nothing.
func TestRecordsOfClientsAllocateNothing(t *testing.T) {
	fed := func(recorder gateway.Recorder) float64 {
		n := start(t, func(o *gateway.Options, _ *node) {
			o.Backend, o.Recorder = &gatewaytest.Backend{Speaker: gateway.ApplicationSpeaks}, recorder
		})
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Raw: true})
		record := []byte(`{"type":1,"target":"say","arguments":[]}` + "\x1e")
		return leastAllocations(func() {
			if err := c.Conn.Feed(record); err != nil {
				panic(err)
			}
		})
	}
	without, count := fed(nil), new(counting)
	require.InDelta(t, without, fed(count), 0)
	require.NotZero(t, count.received.Load())
}
