package life

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/natsd"
)

// TestMain has tests wait side by side, more of them than there are processors.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(gatewaytest.Run(m))
}

func closeEngine(e *natsd.Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return e.Close(ctx)
}

func startEngine(t testing.TB, opts natsd.Options) *natsd.Engine {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	e, err := natsd.Start(context.Background(), opts)
	require.NoError(t, err)
	return e
}

// alone is one engine, which ends with the test.
func alone(t testing.TB) *natsd.Engine {
	t.Helper()
	e := startEngine(t, natsd.Options{Name: "alone"})
	t.Cleanup(func() { require.NoError(t, closeEngine(e)) })
	return e
}

// elections skips a test that waits for elections of several servers, whose times the engine fixes.
func elections(t *testing.T) {
	t.Helper()
	if os.Getenv("HUBGATE_LARGE_TESTS") == "" {
		t.Skip("waits for elections, which a busy machine delays: set HUBGATE_LARGE_TESTS")
	}
}

func startCluster(t testing.TB, voters int) (all []*natsd.Engine) {
	t.Helper()
	var names, addrs []string
	for i := range voters {
		names = append(names, string(rune('a'+i)))
		addrs = append(addrs, freeAddress(t))
	}
	for i, name := range names {
		all = append(all, startEngine(t, natsd.Options{Name: name, Cluster: &natsd.Cluster{
			Listen: addrs[i], Peers: addrs, Voters: names, Secret: "a secret of a test cluster, 32 bytes or more",
		}}))
	}
	t.Cleanup(func() {
		for _, e := range all {
			require.NoError(t, closeEngine(e))
		}
	})
	await(t, "all voters", func() bool {
		s, err := all[0].Status(context.Background())
		return err == nil && s.Leader != "" && s.Voters == voters && s.VotersThere == voters && all[0].Ready(context.Background()) == nil
	})
	return all
}

// freeAddress is on a port that connections are not given.
func freeAddress(t testing.TB) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(10_000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
}

func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(t, "waited in vain: "+what)
		}
	}
}

// told counts what the application is told.
type told struct {
	mu    sync.Mutex
	times map[string]int
	by    map[string]int
	hold  func(record string) error // nil: nothing
}

func (a *told) send(by string) func([]byte) error {
	return func(record []byte) error {
		if a.hold != nil {
			if err := a.hold(string(record)); err != nil {
				return err
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.times == nil {
			a.times, a.by = make(map[string]int), make(map[string]int)
		}
		a.times[string(record)]++
		a.by[by]++
		return nil
	}
}

func (a *told) sum() (clients, times int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.times {
		times += n
	}
	return len(a.times), times
}

var errLater = errors.New("another node has to")

// member is a node of a test.
type member struct {
	*Node
	claimed atomic.Int64
}

var prefixes atomic.Int64

// shortLease is a lease for tests on one engine, which holds no elections.
const shortLease = 2 * time.Second

func join(t testing.TB, e *natsd.Engine, prefix, tag string, lease time.Duration, app *told) *member {
	m := prepare(e, prefix, tag, lease, app)
	m.Start()
	await(t, "a lease", func() bool { return !m.lease.Fenced() })
	return m
}

// prepare makes a node that has not started.
func prepare(e *natsd.Engine, prefix, tag string, lease time.Duration, app *told) *member {
	m := new(member)
	m.Node = New(Options{
		Store: Store{JetStream: e.JetStream(), Prefix: prefix, Replicas: e.Replicas(), Storage: e.Storage(), MaxBytes: 24 << 20},
		Tag:   tag, Link: tag, Lease: lease, Claimed: func() { m.claimed.Add(1) },
		Webhook: Webhook{Send: app.send(tag), Later: errLater},
	})
	return m
}

// kill ends a node as a crash does: nothing is written any more.
func (m *member) kill() {
	m.write.end()
	m.work.end()
	_ = m.lease.Close(context.Background(), false)
}

func (m *member) end(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, m.Close(ctx))
}

func (m *member) bear(n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("%s%04d", m.opts.Tag, i)
			m.Born(context.Background(), "chat", id, person(id))
		})
	}
	wg.Wait()
}

func newPrefix() string { return fmt.Sprint("t", prefixes.Add(1)) }
