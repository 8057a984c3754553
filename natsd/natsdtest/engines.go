// Package natsdtest starts engines for tests: one alone, or voters of a cluster, all in this process.
package natsdtest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/freeport"
	"github.com/hubgate/hubgate/natsd"
)

// patience is a way out of a hang.
const patience = time.Minute

// Start starts an engine that says nothing. Who starts it ends it, with Close.
func Start(t testing.TB, opts natsd.Options) *natsd.Engine {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	e, err := natsd.Start(context.Background(), opts)
	require.NoError(t, err)
	return e
}

// Close ends an engine.
func Close(e *natsd.Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return e.Close(ctx)
}

// Alone is one engine, which ends with the test. Its store is in memory.
func Alone(t testing.TB) *natsd.Engine {
	t.Helper()
	e := Start(t, natsd.Options{Name: "alone"})
	t.Cleanup(func() { require.NoError(t, Close(e)) })
	return e
}

// Voters is StartVoters with engines that end with the test.
func Voters(t testing.TB, n int) []*natsd.Engine {
	t.Helper()
	all := StartVoters(t, n)
	t.Cleanup(func() {
		for _, e := range all {
			require.NoError(t, Close(e))
		}
	})
	return all
}

// StartVoters starts n voters that are one cluster, named a, b and so on, and returns when all are ready. Who starts them
// ends them.
func StartVoters(t testing.TB, n int) []*natsd.Engine {
	t.Helper()
	var names, addrs []string
	for i := range n {
		names = append(names, string(rune('a'+i)))
		addrs = append(addrs, FreeAddress(t))
	}
	var all []*natsd.Engine
	for i, name := range names {
		all = append(all, Start(t, natsd.Options{Name: name, Cluster: &natsd.Cluster{
			Listen: addrs[i], Peers: addrs, Voters: names, Secret: "a secret of a test cluster, 32 bytes or more",
		}}))
	}
	for _, e := range all {
		AwaitReady(t, e)
	}
	Await(t, "all voters", func() bool {
		s, err := all[0].Status(context.Background())
		return err == nil && s.Leader != "" && s.Voters == n && s.VotersThere == n
	})
	return all
}

// AwaitReady waits until an engine is ready.
func AwaitReady(t testing.TB, e *natsd.Engine) {
	t.Helper()
	Await(t, "an engine that is ready", func() bool { return e.Ready(context.Background()) == nil })
}

// Await waits until cond returns true.
func Await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, "waited in vain: "+what)
		}
	}
}

// FreeAddress is on loopback, where nobody listens and nobody else will.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := freeport.Take()
	require.NoError(t, err)
	return address
}
