package natsd

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// groupSize waits until the voters' group has so many members, all there.
func (n *node) awaitGroup(t testing.TB, size int) {
	t.Helper()
	await(t, fmt.Sprintf("a group of %d", size), func() bool {
		s, err := n.Status(t.Context())
		return err == nil && s.Leader != "" && s.Voters == size && s.VotersThere == size
	})
}

// wipe takes a voter's store away, as a lost disk does.
func wipe(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
}

func TestVotersThatComeBack(t *testing.T) {
	elections(t)
	t.Parallel()
	list := team(t, 3, 3)
	nodes := launchAll(t, list)
	awaitAllReady(t, nodes)
	put(t, nodes[0].bucket(t), "x", "kept")
	whole := t // nodes that are started in one part are there in the next
	t.Run("N36 F12 one with an empty store under its name is given everything", func(t *testing.T) {
		for _, i := range []int{2, 0} { // the founder too
			nodes[i].end(t)
			wipe(t, list[i].DataDir)
			nodes[i] = launch(whole, list[i])
			nodes[i].awaitReady(t)
			nodes[i].awaitGroup(t, 3)
			require.Equal(t, "kept", get(t, nodes[i].bucket(t), "x"))
		}
		// What it was given is really there: the others may go.
		nodes[1].end(t)
		put(t, nodes[0].bucket(t), "y", "kept too")
		nodes[1] = launch(whole, list[1])
		nodes[1].awaitReady(t)
	})
	t.Run("N36 one with a new name is refused", func(t *testing.T) {
		stranger := team(t, 1, 1)[0]
		stranger.Name = "x"
		stranger.Cluster.Peers = list[0].Cluster.Peers
		stranger.Cluster.Voters = []string{"a", "b", "x"}
		_, err := tryLaunch(t, stranger)
		require.ErrorIs(t, err, ErrVoterUnknown)
		require.ErrorContains(t, err, "a, b, c")
		nodes[0].awaitGroup(t, 3)
	})
	t.Run("F3 what a voter leads goes on at once when it leaves in order", func(t *testing.T) {
		leader := nodes[0].leaderOf(t, "KV_things")
		at := slices.IndexFunc(nodes, func(n *node) bool { return n.opts.Name == leader })
		other := nodes[(at+1)%len(nodes)]
		kv := other.bucket(t)
		nodes[at].end(t)
		begin, still := time.Now(), startStillness(t)
		put(t, kv, "x", "kept")
		still.within(t, time.Since(begin), 5*time.Second, "writes without an election, which takes 4 to 9 seconds,")
	})
}

// leaderOf is the voter that leads a stream.
func (n *node) leaderOf(t testing.TB, stream string) string {
	t.Helper()
	return patiently(t, "a leader", func(ctx context.Context) (string, error) {
		s, err := n.JetStream().Stream(ctx, stream)
		if err != nil {
			return "", err
		}
		if c := s.CachedInfo().Cluster; c != nil && c.Leader != "" {
			return c.Leader, nil
		}
		return "", fmt.Errorf("%s has no leader", stream)
	})
}

func TestReplacingVoters(t *testing.T) {
	elections(t)
	t.Parallel()
	list := team(t, 6, 3)
	voters := []string{"a", "b", "c"}
	nodes := launchAll(t, list[:3])
	awaitAllReady(t, nodes)
	put(t, nodes[0].bucket(t), "x", "kept")
	whole := t // nodes that are started in one part are there in the next
	t.Run("F13 nobody is taken out who is needed, or unknown", func(t *testing.T) {
		require.ErrorContains(t, nodes[0].RemoveVoter(t.Context(), "z"), "z")
		nodes[1].end(t)
		await(t, "the loss", func() bool { return nodes[0].server().NumRemotes() == 1 })
		require.ErrorIs(t, nodes[0].RemoveVoter(t.Context(), "c"), ErrVoterNeeded)
		nodes[1] = launch(whole, list[1])
		awaitAllReady(t, nodes)
	})
	for i, name := range []string{"d", "e", "f"} {
		t.Run("N37 F13 a voter is replaced for good: "+voters[i]+" by "+name, func(t *testing.T) {
			nodes[i].end(t)
			remaining := nodes[(i+1)%3]
			require.NoError(t, remaining.RemoveVoter(t.Context(), voters[i]))
			voters[i] = name
			opts := list[3+i]
			opts.DataDir = whole.TempDir()
			opts.Cluster.Voters = slices.Clone(voters)
			nodes[i] = launch(whole, opts)
			awaitAllReady(t, nodes)
			nodes[i].awaitGroup(t, 3)
			require.Equal(t, "kept", get(t, nodes[i].bucket(t), "x"))
			put(t, nodes[i].bucket(t), "x", "kept")
		})
	}
}

func TestOneVoter(t *testing.T) {
	elections(t)
	t.Parallel()
	t.Run("N38 one voter is enough for many nodes, and for itself", func(t *testing.T) {
		t.Parallel()
		list := team(t, 3, 1)
		first := launch(t, list[0])
		first.awaitReady(t)
		put(t, first.bucket(t), "x", "kept")
		first.end(t)
		first = launch(t, list[0])
		first.awaitReady(t)
		require.Equal(t, "kept", get(t, first.bucket(t), "x"), "after a restart with nobody there")
		others := launchAll(t, list[1:])
		awaitAllReady(t, others)
		for _, n := range others {
			require.Equal(t, "kept", get(t, n.bucket(t), "x"))
		}
	})
	t.Run("N38 one voter becomes three", func(t *testing.T) {
		t.Parallel()
		list := team(t, 3, 3)
		list[0].Cluster.Voters = []string{"a"}
		nodes := []*node{launch(t, list[0])}
		nodes[0].awaitReady(t)
		put(t, nodes[0].bucket(t), "x", "kept")
		nodes = append(nodes, launchAll(t, list[1:])...)
		awaitAllReady(t, nodes)
		nodes[1].awaitGroup(t, 3)
		nodes[1].bucket(t) // with three copies from now on
		awaitAllReady(t, nodes)
		nodes[0].end(t)
		require.Equal(t, "kept", get(t, nodes[1].bucket(t), "x"))
		put(t, nodes[1].bucket(t), "x", "changed")
		list[0].Cluster.Voters = list[1].Cluster.Voters
		nodes[0] = launch(t, list[0])
		nodes[0].awaitReady(t)
		require.Equal(t, "changed", get(t, nodes[0].bucket(t), "x"))
	})
}

// comeAndGo has nodes that are no voters join one after the other and leave, under names of which some come again.
func comeAndGo(t testing.TB, opts Options, from, to int) {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	for i := from; i < to; i++ {
		opts.Name = fmt.Sprint("plain-", i%20)
		n, err := Start(t.Context(), opts)
		require.NoError(t, err)
		await(t, "a route", func() bool { return n.server().NumRemotes() > 0 })
		require.NoError(t, n.Close(t.Context()))
	}
}

func TestN39APlainNodeIsForgotten(t *testing.T) {
	t.Parallel()
	list := team(t, 2, 1)
	voter := launch(t, list[0])
	comeAndGo(t, list[1], 0, 5)
	await(t, "the end of the last link", func() bool { return voter.server().NumRemotes() == 0 })
	voter.awaitReady(t)
	s, err := voter.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Nodes, 1)
	require.Equal(t, []int{1, 1, 1}, []int{s.Voters, s.VotersThere, s.Quorum})
}

func TestPlainNodesComeAndGo(t *testing.T) {
	elections(t)
	t.Parallel()
	list := team(t, 4, 3)
	nodes := launchAll(t, list[:3])
	awaitAllReady(t, nodes)
	t.Run("N39 plain nodes leave nothing behind", func(t *testing.T) {
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		comeAndGo(t, list[3], 0, 40)
		before := heap()
		comeAndGo(t, list[3], 40, 200)
		grown := int64(heap()) - int64(before)
		t.Log("heap grown by", grown)
		require.Less(t, grown, int64(16<<20))
		nodes[0].awaitGroup(t, 3)
		s, err := nodes[0].Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, s.Quorum)
		require.Len(t, s.Nodes, 3)
	})
}
