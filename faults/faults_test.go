package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/faults"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

func TestMain(m *testing.M) { gatewaytest.Run(m) }

// fixture is a gateway with faults, in a bubble.
type fixture struct {
	t *testing.T
	*gateway.Gateway
	*faults.Set
	mu     sync.Mutex
	marked map[string]bool
}

func bubble(t *testing.T, name string, f func(t *testing.T, x *fixture)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}, Workers: 2})
			require.NoError(t, err)
			x := &fixture{t: t, Gateway: g, marked: map[string]bool{"chat": true}}
			x.Set = faults.New(faults.Options{Hubs: g, Marked: func(hub string) bool {
				x.mu.Lock()
				defer x.mu.Unlock()
				return x.marked[hub]
			}})
			defer g.Close()
			defer x.Set.Close()
			f(t, x)
			synctest.Wait()
			require.NoError(t, g.Check())
		})
	})
}

func (x *fixture) connect(id string, o gatewaytest.Options) *gatewaytest.Client {
	o.ID = id
	if o.Hub == "" {
		o.Hub = "chat"
	}
	c := gatewaytest.Connect(x.t, x.Gateway, o)
	synctest.Wait()
	return c
}

func (x *fixture) must(spec faults.Spec) {
	x.t.Helper()
	if spec.Hub == "" {
		spec.Hub = "Chat"
	}
	if spec.Share == 0 {
		spec.Share = 1
	}
	_, err := x.Set.Set(spec)
	require.NoError(x.t, err)
	synctest.Wait()
}

func (x *fixture) cleared(hub string, kind faults.Kind) int {
	x.t.Helper()
	ended, err := x.Clear(hub, kind, "ann")
	require.NoError(x.t, err)
	return ended
}

func (x *fixture) send(target string, to gateway.Target) {
	x.t.Helper()
	f, err := hubprotocol.NewFrames(map[string][]byte{hubprotocol.JSON: []byte(`{"type":1,"target":"` + target + `","arguments":[]}` + "\x1e")})
	require.NoError(x.t, err)
	_, err = x.Do(x.t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: to, Frames: f})
	require.NoError(x.t, err)
}

var everybody = gateway.Target{Kind: gateway.TargetAll}

// heard are the methods that a client was sent, in order.
func heard(c *gatewaytest.Client) string {
	var names []string
	for record := range strings.SplitSeq(strings.Join(c.Got(), ""), "\x1e") {
		var m struct{ Target string }
		if json.Unmarshal([]byte(record), &m) == nil && m.Target != "" {
			names = append(names, m.Target)
		}
	}
	return strings.Join(names, " ")
}

func TestFaults(t *testing.T) {
	for _, raw := range []bool{false, true} {
		o := gatewaytest.Options{Raw: raw}
		bubble(t, fmt.Sprint("drop loses deliveries and counts them, raw=", raw), func(t *testing.T, x *fixture) {
			c, other := x.connect("1", o), x.connect("2", gatewaytest.Options{Hub: "other"})
			x.send("before", everybody)
			x.must(faults.Spec{Kind: faults.Drop, For: time.Minute})
			x.send("lost", everybody)
			x.send("lost", gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"1"}})
			synctest.Wait()
			require.EqualValues(t, 2, x.Gateway.Stats().Total.Dropped[gateway.DropFaultInjected])
			require.EqualValues(t, 2, x.Counts()[faults.Drop])
			time.Sleep(time.Minute)
			synctest.Wait()
			require.Empty(t, x.List(), "it is over")
			x.send("after", everybody)
			synctest.Wait()
			require.Equal(t, "before after", heard(c))
			require.Empty(t, heard(other))
		})
		bubble(t, fmt.Sprint("delay delivers later and in order, raw=", raw), func(t *testing.T, x *fixture) {
			c := x.connect("1", o)
			x.must(faults.Spec{Kind: faults.Delay, Delay: 2 * time.Second})
			x.send("a", everybody)
			time.Sleep(time.Second)
			x.send("b", gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"1"}})
			synctest.Wait()
			require.Empty(t, heard(c))
			time.Sleep(time.Second)
			synctest.Wait()
			require.Equal(t, "a", heard(c))
			x.send("c", everybody)
			require.Equal(t, 1, x.cleared("chat", ""))
			x.send("d", everybody)
			synctest.Wait()
			require.Equal(t, "a b c d", heard(c), "what was held back leaves first")
			require.EqualValues(t, 3, x.Counts()[faults.Delay])
		})
	}
	bubble(t, "a new delay that is shorter overtakes nothing", func(t *testing.T, x *fixture) {
		c := x.connect("1", gatewaytest.Options{})
		x.must(faults.Spec{Kind: faults.Delay, Delay: time.Minute})
		x.send("a", everybody)
		x.must(faults.Spec{Kind: faults.Delay, Delay: time.Second})
		x.send("b", everybody)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "a b", heard(c))
	})
	bubble(t, "each hub has delays of its own", func(t *testing.T, x *fixture) {
		x.marked["other"] = true
		var long, short []*gatewaytest.Client
		for i := range 2 { // each worker has one of both
			long = append(long, x.connect(fmt.Sprint("long", i), gatewaytest.Options{}))
		}
		for i := range 2 {
			short = append(short, x.connect(fmt.Sprint("short", i), gatewaytest.Options{Hub: "other"}))
		}
		x.must(faults.Spec{Kind: faults.Delay, Delay: time.Minute})
		x.must(faults.Spec{Hub: "other", Kind: faults.Delay, Delay: time.Second})
		x.send("a", everybody)
		for _, c := range short {
			c.Conn.Send([]byte(`{"type":1,"target":"b","arguments":[]}` + "\x1e"))
		}
		synctest.Wait()
		require.Empty(t, heard(short[0])+heard(short[1]))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for i := range 2 {
			require.Equal(t, "b", heard(short[i]))
			require.Empty(t, heard(long[i]))
		}
		x.must(faults.Spec{Kind: faults.Delay, Delay: time.Second}) // what was held leaves, and its timer ends nothing
		x.send("c", everybody)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "a c", heard(long[0]))
	})
	bubble(t, "more than may be held back is dropped", func(t *testing.T, x *fixture) {
		c := x.connect("1", gatewaytest.Options{})
		x.must(faults.Spec{Kind: faults.Delay, Delay: time.Second})
		for range 20 {
			x.send(strings.Repeat("x", 1<<20), everybody)
			synctest.Wait()
		}
		dropped := x.Gateway.Stats().Total.Dropped[gateway.DropFaultInjected]
		require.EqualValues(t, 5, dropped, "16 MiB hold 15 of them, with what is around")
		_ = c
	})
	bubble(t, "close tells the clients, cut does not", func(t *testing.T, x *fixture) {
		closed, cut := x.connect("1", gatewaytest.Options{}), (*gatewaytest.Client)(nil)
		x.must(faults.Spec{Kind: faults.Close})
		require.Equal(t, gateway.CloseFaultInjected, closed.WantEnd(t.Context()).Reason)
		require.Contains(t, strings.Join(closed.Got(), ""), `"allowReconnect":true`)
		cut = x.connect("2", gatewaytest.Options{})
		x.must(faults.Spec{Kind: faults.Cut})
		require.True(t, cut.Aborted())
		require.NotContains(t, strings.Join(cut.Got(), ""), `"type":7`)
		require.EqualValues(t, 1, x.Counts()[faults.Cut])
		require.EqualValues(t, 2, x.Gateway.Stats().Closed[gateway.CloseFaultInjected])
		require.Empty(t, x.List(), "they happen once")
	})
	bubble(t, "cut comes again, for other connections, until it is over", func(t *testing.T, x *fixture) {
		x.must(faults.Spec{Kind: faults.Cut, Every: 10 * time.Second, For: 25 * time.Second})
		for want := 1; want <= 2; want++ {
			c := x.connect(fmt.Sprint(want), gatewaytest.Options{})
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.True(t, c.Aborted())
		}
		time.Sleep(10 * time.Second)
		c := x.connect("late", gatewaytest.Options{})
		time.Sleep(time.Minute)
		require.False(t, c.Aborted())
	})
	bubble(t, "negotiate refuses", func(t *testing.T, x *fixture) {
		require.NoError(t, x.Admit("chat", false))
		x.must(faults.Spec{Kind: faults.Negotiate})
		require.ErrorIs(t, x.Admit("chat", false), gateway.ErrFaultInjected)
		require.NoError(t, x.Admit("other", false))
		x.cleared("", "")
		require.NoError(t, x.Admit("chat", false))
	})
	bubble(t, "webhooks are slow", func(t *testing.T, x *fixture) {
		x.must(faults.Spec{Kind: faults.Webhook, Delay: time.Second})
		require.Equal(t, time.Second, x.Webhook("Chat"))
		require.Zero(t, x.Webhook("other"))
		x.cleared("chat", faults.Webhook)
		require.Zero(t, x.Webhook("chat"))
	})
	bubble(t, "a share is a share", func(t *testing.T, x *fixture) {
		x.must(faults.Spec{Kind: faults.Negotiate, Share: 0.5})
		refused := 0
		for range 1000 {
			if x.Admit("chat", false) != nil {
				refused++
			}
		}
		require.InDelta(t, 500, refused, 150)
	})
	bubble(t, "a hub whose mark is taken away has no faults any more", func(t *testing.T, x *fixture) {
		x.must(faults.Spec{Kind: faults.Negotiate})
		x.mu.Lock()
		x.marked = nil
		x.mu.Unlock()
		x.Recheck()
		require.NoError(t, x.Admit("chat", false))
		_, err := x.Set.Set(faults.Spec{Hub: "chat", Kind: faults.Negotiate, Share: 1})
		require.ErrorIs(t, err, faults.ErrNotMarked)
	})
}

func TestFaultsThatAreRefused(t *testing.T) {
	bubble(t, "specs", func(t *testing.T, x *fixture) {
		for _, c := range []struct {
			want string
			spec faults.Spec
		}{
			{"hub", faults.Spec{Kind: faults.Drop, Share: 1}},
			{"kind", faults.Spec{Hub: "chat", Kind: "burn", Share: 1}},
			{"share", faults.Spec{Hub: "chat", Kind: faults.Drop, Share: 1.5}},
			{"share", faults.Spec{Hub: "chat", Kind: faults.Drop}},
			{"delay", faults.Spec{Hub: "chat", Kind: faults.Delay, Share: 1}},
			{"every", faults.Spec{Hub: "chat", Kind: faults.Cut, Share: 1, Every: time.Millisecond}},
			{"for", faults.Spec{Hub: "chat", Kind: faults.Drop, Share: 1, For: 2 * time.Hour}},
		} {
			_, err := x.Set.Set(c.spec)
			var invalid *faults.InvalidError
			require.ErrorAs(t, err, &invalid, c.want)
			require.Equal(t, c.want, invalid.Field)
		}
		_, err := x.Set.Set(faults.Spec{Hub: "other", Kind: faults.Drop, Share: 1})
		require.ErrorIs(t, err, faults.ErrNotMarked)
		var invalid *faults.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "hub", invalid.Field)
	})
}

func TestKindsAreClearedAsTheyAreSet(t *testing.T) {
	bubble(t, "letter case", func(t *testing.T, x *fixture) {
		x.must(faults.Spec{Kind: "DROP"})
		x.must(faults.Spec{Kind: faults.Negotiate})
		require.Equal(t, 1, x.cleared("CHAT", "Drop"))
		require.Len(t, x.List(), 1)
	})
	bubble(t, "unknown", func(t *testing.T, x *fixture) {
		x.must(faults.Spec{Kind: faults.Drop})
		_, err := x.Clear("", "burn", "ann")
		var invalid *faults.InvalidError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, "kind", invalid.Field)
		require.Len(t, x.List(), 1)
	})
}

// slowHubs takes as long as the test wants to go through its connections.
type slowHubs struct{ begun, on chan struct{} }

func (slowHubs) Inject(string, gateway.Faults) {}

func (h slowHubs) Each(func(*gateway.Conn)) {
	h.begun <- struct{}{}
	<-h.on
}

func TestCloseWaitsForStrikes(t *testing.T) {
	for name, spec := range map[string]faults.Spec{
		"once":  {Hub: "chat", Kind: faults.Cut, Share: 1},
		"again": {Hub: "chat", Kind: faults.Cut, Share: 1, Every: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hubs := slowHubs{make(chan struct{}), make(chan struct{})}
				s := faults.New(faults.Options{Hubs: hubs, Marked: func(string) bool { return true }})
				_, err := s.Set(spec)
				require.NoError(t, err)
				<-hubs.begun
				if spec.Every > 0 { // the second time
					hubs.on <- struct{}{}
					<-hubs.begun
				}
				closed := make(chan struct{})
				go func() { s.Close(); close(closed) }()
				synctest.Wait()
				select {
				case <-closed:
					t.Error("a strike goes on")
				default:
				}
				close(hubs.on)
				<-closed
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // while it waits for its next time
		hubs := slowHubs{make(chan struct{}, 1), make(chan struct{})}
		close(hubs.on)
		s := faults.New(faults.Options{Hubs: hubs, Marked: func(string) bool { return true }})
		_, err := s.Set(faults.Spec{Hub: "chat", Kind: faults.Cut, Share: 1, Every: time.Second})
		require.NoError(t, err)
		synctest.Wait()
		s.Close()
		require.Len(t, hubs.begun, 1)
	})
}
