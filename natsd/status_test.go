package natsd

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	t.Run("of a node alone", func(t *testing.T) {
		n := launch(t, Options{Name: "a", Version: "1.2.3"})
		s, err := n.Status(t.Context())
		require.NoError(t, err)
		require.Len(t, s.Nodes, 1)
		require.Equal(t, Status{Nodes: s.Nodes, Voters: 1, Quorum: 1, VotersThere: 1}, s)
		require.Equal(t, "1.2.3", s.Nodes[0].Version)
		require.WithinDuration(t, time.Now(), s.Nodes[0].Started, time.Minute)
	})
	nodes := launchAll(t, team(t, 4, 3))
	awaitAllReady(t, nodes)
	nodes[3].bucket(t)
	t.Run("of a cluster, from any node", func(t *testing.T) {
		for _, n := range nodes {
			await(t, "the mesh", func() bool { return n.server().NumRemotes() == 3 })
		}
		for _, n := range nodes {
			n.awaitGroup(t, 3)
			s, err := n.Status(t.Context())
			require.NoError(t, err)
			require.Contains(t, []string{"a", "b", "c"}, s.Leader)
			require.Equal(t, 2, s.Quorum)
			require.Len(t, s.Nodes, 4)
			for i, one := range s.Nodes {
				require.Equal(t, nodeAt(i), one.Name)
				require.Equal(t, "1.2.3", one.Version)
				require.NotEmpty(t, one.Engine)
				require.Equal(t, i < 3, one.Voter)
				require.Equal(t, 3, one.Routes)
				require.Zero(t, one.SlowConsumers)
			}
		}
		for _, n := range nodes {
			require.Zero(t, n.Troubles()[TroubleSlowConsumer])
		}
	})
	t.Run("a voter is ready though the store is written to all the time", func(t *testing.T) {
		writing, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		var written atomic.Int64
		defer writer.Wait()
		defer stop()
		conn := nodes[3].Conn()
		for range 16 {
			writer.Go(func() {
				for writing.Err() == nil {
					if _, err := conn.RequestWithContext(writing, "$KV.things.busy", []byte("x")); err == nil {
						written.Add(1)
					}
				}
			})
		}
		await(t, "writes", func() bool { return written.Load() > 10 })
		for _, n := range nodes[:3] {
			before := written.Load()
			await(t, "a voter that is ready", func() bool { return n.Ready(t.Context()) == nil })
			await(t, "more writes", func() bool { return written.Load() > before })
		}
	})
	t.Run("without a majority", func(t *testing.T) {
		nodes[0].end(t)
		nodes[1].end(t)
		await(t, "no leader", func() bool {
			s, err := nodes[3].Status(t.Context())
			return err == nil && s.Leader == "" && s.VotersThere == 1 && s.Voters == 3
		})
		ctx, cancel := context.WithTimeout(t.Context(), longEnough)
		defer cancel()
		require.ErrorIs(t, nodes[3].Ready(ctx), ErrNotReady)
		require.ErrorIs(t, nodes[2].Ready(ctx), ErrNotReady)
	})
}
