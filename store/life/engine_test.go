package life

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
)

// TestMain has tests wait side by side, more of them than there are processors.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(gatewaytest.Run(m))
}

// elections skips a test that waits for elections of several servers, whose times the engine fixes.
func elections(t *testing.T) {
	t.Helper()
	if os.Getenv("HUBGATE_LARGE_TESTS") == "" {
		t.Skip("waits for elections, which a busy machine delays: set HUBGATE_LARGE_TESTS")
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
	natsdtest.Await(t, "a lease", func() bool { return !m.lease.Fenced() })
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
