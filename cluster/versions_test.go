package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/gateway"
)

// quiet is a node that takes commands and counts them.
type quiet struct {
	tag   string
	plane *cluster.Backplane
	leave func()
}

func (q *quiet) Name() string { return q.tag }
func (q *quiet) Apply(_ *gateway.Command, answered func(gateway.Result, error)) {
	if answered != nil {
		answered(gateway.Result{Matched: 1}, nil)
	}
}

// startQuiet joins a node of its own.
func startQuiet(t *testing.T, o cluster.Options, change func(*cluster.Backplane)) *quiet {
	t.Helper()
	q := &quiet{tag: o.Tag, plane: join(t, o)}
	if change != nil {
		change(q.plane)
	}
	var err error
	q.leave, err = q.plane.Join(q)
	require.NoError(t, err)
	t.Cleanup(q.leave)
	return q
}

func (q *quiet) peer(t *testing.T, tag string) cluster.PeerStats {
	t.Helper()
	for _, p := range q.plane.Stats().Peers {
		if p.Node.Tag == tag {
			return p
		}
	}
	require.Fail(t, "there is no such node", tag)
	return cluster.PeerStats{}
}

func TestN54TwoVersionsInOneCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t)
		of := func(tag string, lowest, highest uint64) *quiet {
			return startQuiet(t, options(tag, ns.net.Carrier()), func(b *cluster.Backplane) { cluster.SetVersions(b, lowest, highest) })
		}
		old, both, newer := of("old", 1, 1), of("both", 1, 2), of("newer", 1, 2)
		time.Sleep(3 * time.Second)
		require.EqualValues(t, 1, old.peer(t, "both").Version)
		require.EqualValues(t, 1, both.peer(t, "old").Version, "what the older one speaks")
		require.EqualValues(t, 2, both.peer(t, "newer").Version)
		count := func(q *quiet) int {
			answer := make(chan int, 1)
			q.plane.Ask(t.Context(), nil, &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: all()}, func(r gateway.Result, err error) {
				require.NoError(t, err)
				answer <- r.Matched
			})
			return <-answer
		}
		require.Equal(t, 2, count(old))
		require.Equal(t, 2, count(newer))

		// The next one has given up the oldest version.
		next := of("next", 2, 3)
		time.Sleep(3 * time.Second)
		require.Equal(t, cluster.ByeVersion, old.peer(t, "next").Bye)
		require.Equal(t, cluster.ByeVersion, next.peer(t, "old").Bye)
		require.Equal(t, cluster.PeerGone, next.peer(t, "old").State)
		require.Equal(t, 2, count(old))
		require.Equal(t, 2, count(next))
	})
}

// A frame that may be ignored is counted and ignored; another one that nobody knows, or that cannot be
// read, ends the session with a reason, and the next session begins a second later.
func TestN13UnknownAndMalformedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t)
		a, b := startQuiet(t, options("a", ns.net.Carrier()), nil), startQuiet(t, options("b", ns.net.Carrier()), nil)
		time.Sleep(3 * time.Second)
		cluster.PushFrame(a.plane, "b", 0x7f, []byte("what a later version says"))
		time.Sleep(time.Second)
		require.EqualValues(t, 1, b.plane.Stats().Ignored)
		require.Equal(t, cluster.PeerUp, b.peer(t, "a").State)
		for name, c := range map[string]struct {
			kind byte
			body string
			why  cluster.ByeReason
		}{
			"a type that nobody knows":    {0x3f, "", cluster.ByeUnknown},
			"no type":                     {0, "", cluster.ByeUnknown},
			"half a command":              {1, "123", cluster.ByeMalformed},
			"a command of other flags":    {1, "12345678\x02", cluster.ByeMalformed},
			"a command that is none":      {1, "12345678\x00????", cluster.ByeMalformed},
			"an answer without number":    {2, "\xff", cluster.ByeMalformed},
			"a filter without end":        {3, "\x01", cluster.ByeMalformed},
			"members without end":         {4, "\x05", cluster.ByeMalformed},
			"members that are none":       {4, "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", cluster.ByeMalformed},
			"a load without end":          {5, "\x05", cluster.ByeMalformed},
			"more behind the load":        {5, "\x00\x00", cluster.ByeMalformed},
			"a request without number":    {6, "\xff", cluster.ByeMalformed},
			"no operation":                {6, "\x01\x0a", cluster.ByeMalformed},
			"half a head":                 {6, "\x01\x01\x03GET", cluster.ByeMalformed},
			"a request that is not newer": {6, "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", cluster.ByeMalformed},
			"more hubs than there may be": {5, "\xff\xff\x7f", cluster.ByeMalformed},
		} {
			cluster.PushFrame(a.plane, "b", c.kind, []byte(c.body))
			time.Sleep(200 * time.Millisecond)
			require.Equal(t, c.why, a.peer(t, "b").Bye, name)
			require.Equal(t, cluster.PeerGone, a.peer(t, "b").State, name)
			time.Sleep(5 * time.Second)
			require.Equal(t, cluster.PeerUp, a.peer(t, "b").State, name)
			require.Equal(t, cluster.PeerUp, b.peer(t, "a").State, name)
		}
	})
}

// Commands that a peer does not take because of their size are refused, and others are not concerned.
func TestCommandsThatAreTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t)
		small := options("small", ns.net.Carrier())
		small.Limits = cluster.DefaultLimits()
		small.Limits.Frame = 10 << 10
		a, b := startQuiet(t, options("a", ns.net.Carrier()), nil), startQuiet(t, small, nil)
		time.Sleep(3 * time.Second)
		send := func(size int) error {
			return a.plane.Publish(t.Context(), nil, &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message("m", size)})
		}
		require.NoError(t, send(9<<10))
		require.ErrorContains(t, send(11<<10), "small")
		time.Sleep(time.Second)
		require.EqualValues(t, 1, b.peer(t, "a").Books.Received)
		require.EqualValues(t, 1, a.peer(t, "small").Books.Handed)
	})
}

func TestOptionsThatAreWrong(t *testing.T) {
	ok := options("a", newNodes(t).net.Carrier())
	for name, change := range map[string]func(*cluster.Options){
		"no tag":           func(o *cluster.Options) { o.Tag = "" },
		"a long tag":       func(o *cluster.Options) { o.Tag = "thirteen-chars" },
		"a dot":            func(o *cluster.Options) { o.Tag = "a.b" },
		"a long name":      func(o *cluster.Options) { o.Cluster = string(make([]byte, 65)) },
		"no carrier":       func(o *cluster.Options) { o.Carrier = nil },
		"limits too small": func(o *cluster.Options) { o.Limits.Frame = 1 },
	} {
		o := ok
		change(&o)
		_, err := cluster.New(o)
		require.Error(t, err, name)
	}
	b := join(t, ok)
	_, err := b.Join(deaf{"b"})
	require.Error(t, err, "another name")
}
