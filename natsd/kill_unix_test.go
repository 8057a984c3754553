//go:build unix

package natsd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// voterProcesses are three voters in processes of their own, and a node that is none.
type voterProcesses struct {
	list      []Options
	processes []*process
	plain     *node
	kv        jetstream.KeyValue
}

func startVoterProcesses(t *testing.T) *voterProcesses {
	t.Helper()
	list := team(t, 4, 3)
	v := &voterProcesses{list: list}
	for _, opts := range list[:3] {
		v.processes = append(v.processes, spawn(t, opts))
	}
	v.plain = launch(t, list[3])
	v.plain.awaitReady(t)
	v.plain.awaitGroup(t, 3)
	v.kv = v.plain.bucket(t)
	put(t, v.kv, "x", "0")
	v.awaitCopies(t)
	return v
}

// awaitCopies waits until every copy has everything.
func (v *voterProcesses) awaitCopies(t *testing.T) {
	t.Helper()
	await(t, "all copies", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := v.plain.JetStream().Stream(ctx, "KV_things")
		if err != nil || s.CachedInfo().Cluster == nil || len(s.CachedInfo().Cluster.Replicas) != 2 {
			return false
		}
		for _, r := range s.CachedInfo().Cluster.Replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
		return true
	})
}

// awaitValue waits until every copy has the value: reads are answered by any of them.
func (v *voterProcesses) awaitValue(t *testing.T, value string) {
	t.Helper()
	same := 0
	await(t, "the value everywhere", func() bool {
		if get(t, v.kv, "x") != value {
			same = 0
		}
		same++
		return same > 50
	})
}

// leader is the process that leads the bucket, and a follower.
func (v *voterProcesses) leader(t *testing.T) (leader, follower int) {
	t.Helper()
	name := v.plain.leaderOf(t, "KV_things")
	for i, opts := range v.list[:3] {
		if opts.Name == name {
			return i, (i + 1) % 3
		}
	}
	require.FailNow(t, "no such voter: "+name)
	return 0, 0
}

// outage is how long no write succeeds from now on, and what a read from any
// copy says meanwhile.
func (v *voterProcesses) outage(t *testing.T, value string) (writes time.Duration, reads int) {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < longEnough {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		if _, err := v.kv.Get(ctx, "x"); err == nil {
			reads++
		}
		_, err := v.kv.Put(ctx, "x", []byte(value))
		cancel()
		if err == nil {
			return time.Since(begin), reads
		}
	}
	require.FailNow(t, "no write succeeds")
	return 0, 0
}

// awaitStopped waits until the process does not run any more.
func (p *process) awaitStopped(t *testing.T) {
	t.Helper()
	file := filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "stat")
	if _, err := os.Stat(file); err != nil {
		t.Skip("no /proc on this system")
	}
	await(t, "the stop", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), ") T ")
	})
}

func TestVotersThatDie(t *testing.T) {
	elections(t)
	t.Parallel()
	v := startVoterProcesses(t)
	restart := func(i int) {
		v.processes[i] = spawn(t, v.list[i])
		v.awaitCopies(t)
	}
	t.Run("a follower is killed", func(t *testing.T) {
		_, follower := v.leader(t)
		v.processes[follower].kill()
		still := startStillness(t)
		writes, _ := v.outage(t, "1")
		still.within(t, writes, 5*time.Second, "writes")
		restart(follower)
	})
	t.Run("N30 F2 what the killed voter led is written again within 12 s, and read meanwhile", func(t *testing.T) {
		leader, _ := v.leader(t)
		v.processes[leader].kill()
		still := startStillness(t)
		writes, reads := v.outage(t, "2")
		t.Log("reads meanwhile", reads)
		still.within(t, writes, 12*time.Second, "writes")
		require.NotZero(t, reads)
		restart(leader)
		v.awaitValue(t, "2")
	})
	t.Run("F3 what a voter led that leaves in order is written again at once", func(t *testing.T) {
		leader, _ := v.leader(t)
		v.processes[leader].end(t)
		still := startStillness(t)
		writes, _ := v.outage(t, "3")
		still.within(t, writes, 4*time.Second, "writes without an election, which takes 4 to 9 seconds,")
		restart(leader)
	})
	t.Run("a voter that hangs is given up, and comes back", func(t *testing.T) {
		leader, _ := v.leader(t)
		require.NoError(t, v.processes[leader].cmd.Process.Signal(syscall.SIGSTOP))
		v.processes[leader].awaitStopped(t)
		still := startStillness(t)
		writes, _ := v.outage(t, "4")
		still.within(t, writes, 15*time.Second, "writes")
		require.NoError(t, v.processes[leader].cmd.Process.Signal(syscall.SIGCONT))
		v.awaitCopies(t)
		v.awaitValue(t, "4")
	})
	t.Run("N35 F4 without a majority the store fails fast and messages go on", func(t *testing.T) {
		v.processes[0].kill()
		v.processes[1].kill()
		await(t, "the loss", func() bool { return v.plain.server().NumRemotes() == 1 })
		// The voter that is left may have led, and notices late that it is alone.
		await(t, "fast failures", func() bool {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := v.kv.Put(ctx, "x", []byte("5"))
			require.Error(t, err)
			return time.Since(begin) < time.Second
		})
		require.Equal(t, "4", get(t, v.kv, "x"), "from the copy that is left")
		sub, err := v.plain.Conn().SubscribeSync("hg.test")
		require.NoError(t, err)
		require.NoError(t, v.plain.Conn().Publish("hg.test", []byte("x")))
		_, err = sub.NextMsg(longEnough)
		require.NoError(t, err)
		require.Error(t, v.plain.Ready(t.Context()))

		begin := time.Now()
		v.processes[0] = spawn(t, v.list[0])
		put(t, v.kv, "x", "6")
		t.Log("writes after a majority is back", time.Since(begin))
		restart(1)
	})
	t.Run("nothing was lost, and nobody was slow", func(t *testing.T) {
		v.awaitValue(t, "6")
		require.Zero(t, v.plain.Troubles()[TroubleSlowConsumer])
		require.Equal(t, "[]", fmt.Sprint(v.slow(t)))
	})
}

// slow are the nodes that cut somebody off.
func (v *voterProcesses) slow(t *testing.T) []string {
	t.Helper()
	s, err := v.plain.Status(t.Context())
	require.NoError(t, err)
	names := []string{}
	for _, n := range s.Nodes {
		if n.SlowConsumers > 0 {
			names = append(names, n.Name)
		}
	}
	return names
}
