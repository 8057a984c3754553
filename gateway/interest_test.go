package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// told is the other nodes: they are told of names, and acknowledge at once, after some time, or when the
// test says so.
type told struct {
	t *testing.T

	mu      sync.Mutex
	names   map[gateway.Name]int
	held    bool
	after   func() time.Duration // nil is at once
	waiting []func()
	sent    []*gateway.Command
	to      [][]string
	refuse  error
	// ask answers a question.
	ask func(answered func(gateway.Result, error))
}

func newTold(t *testing.T) *told { return &told{t: t, names: make(map[gateway.Name]int)} }

func startTold(t *testing.T, change func(*gateway.Options, *node)) (*node, *told) {
	others := newTold(t)
	n := start(t, func(o *gateway.Options, n *node) {
		o.Backplane, o.NodeOf = others, func(string) string { return "b" }
		if change != nil {
			change(o, n)
		}
	})
	return n, others
}

func (o *told) Join(gateway.Node) (func(), error) { return func() {}, nil }

func (o *told) Publish(_ context.Context, to []string, cmd *gateway.Command) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent, o.to = append(o.sent, cmd), append(o.to, to)
	return nil
}

func (o *told) Admit([]string, *gateway.Command) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refuse
}

func (o *told) Ask(_ context.Context, _ []string, _ *gateway.Command, answered func(gateway.Result, error)) {
	if o.ask == nil {
		answered(gateway.Result{}, nil)
		return
	}
	o.ask(answered)
}

func (o *told) Announce(names []gateway.Name, done func()) {
	o.mu.Lock()
	for _, n := range names {
		o.names[n]++
	}
	switch {
	case o.held:
		o.waiting = append(o.waiting, done)
		o.mu.Unlock()
	case o.after != nil:
		wait := o.after()
		o.mu.Unlock()
		time.AfterFunc(wait, done)
	default:
		o.mu.Unlock()
		done()
	}
}

func (o *told) Withdraw(names []gateway.Name) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range names {
		if o.names[n]--; o.names[n] == 0 {
			delete(o.names, n)
		} else if o.names[n] < 0 {
			o.t.Errorf("%v is withdrawn more often than it was announced", n)
		}
	}
}

func (o *told) hold(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = on
}

// acknowledge ends the wait for everything that was announced.
func (o *told) acknowledge() {
	o.mu.Lock()
	waiting := o.waiting
	o.waiting = nil
	o.mu.Unlock()
	for _, done := range waiting {
		done()
	}
	synctest.Wait()
}

// list are the names that are announced, as "kind name".
func (o *told) list() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make(map[string]int)
	for n, count := range o.names {
		list[strings.TrimSpace(fmt.Sprint([]string{"", "hub", "group", "user", "connection"}[n.Kind], " ", n.Name))] = count
	}
	return list
}

func TestNamesAreAnnouncedAsLongAsSomethingHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		one, two := n.connect("1", "ann"), n.connect("2", "ann")
		three := n.connect("3", "")
		require.Equal(t, map[string]int{"hub": 3, "connection 1": 1, "connection 2": 1, "connection 3": 1, "user ann": 2}, others.list())
		n.join("g", "1", "2", "3")
		n.join("g", "1")
		require.Equal(t, 1, others.list()["group g"])
		n.do(gateway.Command{Verb: gateway.VerbLeave, Target: users("ann"), Group: "g"})
		require.Equal(t, 1, others.list()["group g"])
		three.Leave()
		synctest.Wait()
		require.Equal(t, map[string]int{"hub": 2, "connection 1": 1, "connection 2": 1, "user ann": 2}, others.list())
		n.join("nobody is in it", "3")
		_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "bob"})
		require.ErrorIs(t, err, gateway.ErrConnectionExists)
		one.Leave()
		two.Leave()
		synctest.Wait()
		require.Empty(t, others.list())
	})
}

// N5: nobody is told of a client before all nodes know its names, and the groups that it starts with.
func TestN5AClientIsToldOfWhenAllNodesKnowIt(t *testing.T) {
	hello := "{\"protocol\":\"json\",\"version\":1}\x1e"
	record := "{\"type\":1,\"target\":\"early\",\"arguments\":[]}\x1e"
	for _, said := range [][]string{{hello}, {hello, record}, {hello + record}, {hello[:10], hello[10:] + record[:10], record[10:]}} {
		bubble(t, fmt.Sprintf("%q", said), func(t *testing.T) {
			n, others := startTold(t, nil)
			require.NoError(t, n.AddUserToGroup(t.Context(), "chat", "ann", "standing", nil))
			others.hold(true)
			c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Protocol: "-"})
			for _, text := range said {
				require.NoError(t, c.Feed([]byte(text)))
			}
			untold := func() {
				t.Helper()
				synctest.Wait()
				require.Empty(t, n.backend.Events())
				require.Empty(t, c.Got())
				require.False(t, c.Conn.IsOpen())
			}
			untold()
			require.NotContains(t, others.list(), "group standing")
			others.acknowledge()
			untold()
			require.Contains(t, others.list(), "group standing", "it was read when the node's users were known")
			n.send("before", users("ann"))
			others.acknowledge()
			want := []string{"opened 1"}
			if len(said) > 1 || len(said[0]) > len(hello) {
				want = append(want, "record 1 early")
			}
			require.Equal(t, want, n.backend.Events())
			require.Equal(t, "{}\x1e", c.Got()[0])
			n.send("to the group", groups("standing"))
			synctest.Wait()
			require.Contains(t, c.Got()[1], "to the group")
			require.NoError(t, c.Feed([]byte(record)))
			synctest.Wait()
			require.Equal(t, append(want, "record 1 early"), n.backend.Events())
			n.balanced()
		})
	}
}

// N5: the same for clients that send no handshake request.
func TestN5AStartedClientIsToldOfWhenAllNodesKnowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		others.hold(true)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Returns: true})
		require.NoError(t, c.Feed([]byte("one")))
		require.NoError(t, c.Feed([]byte("two")))
		synctest.Wait()
		require.Empty(t, n.backend.Events())
		others.acknowledge()
		require.NoError(t, c.Feed([]byte("three")))
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "record 1 one", "record 1 two", "record 1 three"}, n.backend.Events())
		n.balanced()
		require.Zero(t, n.Stats().Unfinished)
	})
}

// N5: groups that a session joins before it tells anybody of the client are known before, too.
func TestN5ExpectedGroupsAreKnownBeforeTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, func(o *gateway.Options, n *node) { o.Backend = expecting{n.backend} })
		others.hold(true)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann"})
		others.acknowledge()
		require.Equal(t, 1, others.list()["group of 1"])
		require.Empty(t, n.backend.Events())
		others.acknowledge()
		require.NotEmpty(t, n.backend.Events())
		c.Leave()
		synctest.Wait()
		require.Empty(t, others.list())
	})
}

// expecting is an application whose sessions join a group of their own.
type expecting struct{ *gatewaytest.Backend }

func (expecting) ExpectedGroups(c *gateway.Conn) []string { return []string{"of " + c.Identity().ID} }

// N4: a join is answered when all nodes know the group, whoever asks for it; and so is every other join
// until then.
func TestN4AJoinIsAnsweredWhenAllNodesKnowTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		n.connect("1", "ann")
		n.connect("2", "bob")
		others.hold(true)
		join := gateway.Command{Verb: gateway.VerbJoin, Target: conns("1"), Group: "g"}
		first := n.started(t.Context(), join)
		join.Target = users("bob")
		second := n.started(t.Context(), join)
		third := make(chan outcome, 1)
		join.Hub = "chat"
		n.Apply(&join, func(r gateway.Result, err error) { third <- outcome{r, err} })
		require.Equal(t, 1, others.list()["group g"], "it is announced when Apply returns")
		synctest.Wait()
		require.Empty(t, first)
		require.Empty(t, second)
		require.Empty(t, third)
		require.Equal(t, 2, n.count(groups("g"), ""), "it is a member all the same")
		others.acknowledge()
		one := outcome{result: gateway.Result{Matched: 1}}
		require.Equal(t, one, <-first)
		require.Equal(t, one, <-second)
		require.Equal(t, one, <-third)

		require.Equal(t, one, <-n.started(t.Context(), join), "what is known is not waited for")
	})
}

// What a client says before it may is bounded.
func TestAClientThatTalksBeforeItIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, func(_ *gateway.Options, n *node) { n.limits.MessageBytes = 1000 })
		others.hold(true)
		for i, returns := range []bool{false, true} {
			c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: fmt.Sprint(i), Hub: "chat", Returns: returns})
			var err error
			for range 9 {
				require.NoError(t, err)
				err = c.Feed([]byte(strings.Repeat("x", 120)))
			}
			require.Error(t, err)
			require.Equal(t, gateway.CloseBadRequest, c.WantEnd(t.Context()).Reason)
		}
		others.acknowledge()
		require.Empty(t, n.backend.Events())
		require.Empty(t, others.list())
		n.balanced()
		require.Zero(t, n.Stats().Unfinished)
	})
}

// A command goes to where its names are, which the backplane knows: not to where the ids of connections
// say that they were made.
func TestAnAnnouncerIsNotToldTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		n.send("hello", conns("1"))
		n.send("hello", all())
		require.Equal(t, [][]string{nil, nil}, others.to)
	})
}

// N11: a send that another node has no room for is refused before anybody gets it.
func TestN11ASendIsRefusedForAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		c := n.connect("1", "ann")
		others.refuse = fmt.Errorf("%w at another node", gateway.ErrHubBusy)
		send := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message(t, "refused")}
		_, err := n.Do(t.Context(), send)
		require.ErrorIs(t, err, gateway.ErrHubBusy)
		synctest.Wait()
		c.WantNone("refused")
		require.Empty(t, others.sent)
		require.NoError(t, n.Force(t.Context(), send), "who has waited long enough is not refused")
		require.Len(t, others.sent, 1)
	})
}

// N7: whether there is anybody is known at the first yes, whatever the other nodes do.
func TestN7AnyIsAnsweredAtTheFirstYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		n.connect("1", "ann")
		var late func(gateway.Result, error)
		others.ask = func(answered func(gateway.Result, error)) { late = answered }
		any := gateway.Command{Verb: gateway.VerbCount, Target: users("ann"), Any: true}
		require.Equal(t, 1, (<-n.started(t.Context(), any)).result.Matched)
		late(gateway.Result{}, errors.New("too late"))

		any.Target = users("bob")
		answers := n.started(t.Context(), any)
		synctest.Wait()
		require.Empty(t, answers, "it may be elsewhere")
		late(gateway.Result{Matched: 3}, nil)
		require.Equal(t, outcome{result: gateway.Result{Matched: 3}}, <-answers)
		answers = n.started(t.Context(), any)
		late(gateway.Result{}, gateway.ErrIncomplete)
		require.ErrorIs(t, (<-answers).err, gateway.ErrIncomplete)
		all := gateway.Command{Verb: gateway.VerbCount, Target: users("ann")}
		answers = n.started(t.Context(), all)
		synctest.Wait()
		require.Empty(t, answers, "a number is what all of them say")
		late(gateway.Result{Matched: 2}, nil)
		require.Equal(t, outcome{result: gateway.Result{Matched: 3}}, <-answers)
	})
}

// Of clients that come, go and are closed at every stage, no name is left.
func TestNoNameIsLeftAfterChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, func(_ *gateway.Options, n *node) { n.limits.OutboxBytes, n.limits.OutboxMaxBytes = 1500, 2000 })
		random := rand.New(rand.NewPCG(3, 4))
		others.after = func() time.Duration { return time.Duration(random.IntN(4000)) * time.Microsecond }
		for i := range 4 {
			require.NoError(t, n.AddUserToGroup(t.Context(), "chat", fmt.Sprint("u", i), fmt.Sprint("g", i%3), nil))
		}
		var wg sync.WaitGroup
		for worker := range 4 {
			c := churn{node: n, worker: worker, random: rand.New(rand.NewPCG(7, uint64(worker))), left: make(map[*gateway.Conn][]leaving)}
			wg.Go(func() {
				for i := range 400 {
					c.step(i)
					time.Sleep(time.Duration(c.random.IntN(3)) * time.Millisecond / 2)
				}
				c.twice()
			})
		}
		wg.Wait()
		n.balanced()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = n.Drain(ctx)
		time.Sleep(time.Second)
		n.balanced()
		require.Empty(t, others.list())
		require.Zero(t, n.Stats().Unfinished)
		require.Equal(t, n.Stats().Opened, sum(n.Stats().Closed))
	})
}

// What the core says of its load is what its own door goes by.
func TestLoadIsWhatSendsAreRefusedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.HubQueuedBytes = 3000 })
		require.False(t, n.Busy())
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Stalled: true})
		require.Empty(t, n.Crowded())
		n.send(strings.Repeat("x", 4000), all())
		synctest.Wait()
		require.Equal(t, []string{"chat"}, n.Crowded())
		_, err := n.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message(t, "m")})
		require.ErrorIs(t, err, gateway.ErrHubBusy)
		c.Unstall()
		synctest.Wait()
		require.Empty(t, n.Crowded())
	})
}
