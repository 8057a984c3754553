package natsd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/freeport"
	"github.com/hubgate/hubgate/secret"
)

// Secrets of test clusters. No log may hold them.
const (
	theSecret    secret.Text = "a secret of a test cluster, 32 bytes or more"
	otherSecret  secret.Text = "another secret of 32 bytes, or of even more"
	longEnough               = time.Minute
	betweenLooks             = 10 * time.Millisecond
)

// TestMain fails if a test leaves a goroutine. Tests wait for servers most of the time, more of them side by side
// than there are processors (unless -parallel says otherwise).
func TestMain(m *testing.M) {
	if child() {
		return
	}
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if left := leftGoroutines(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftGoroutines waits a moment for goroutines that are ending.
func leftGoroutines() string {
	var left []string
	for end := time.Now().Add(longEnough); time.Now().Before(end); time.Sleep(betweenLooks) {
		buf := make([]byte, 4<<20)
		left = left[:0]
		for i, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if i > 0 && !strings.Contains(stack, "testing.(*M)") && !strings.Contains(stack, "os/signal") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}

// journal is a log that a test can read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// await looks until cond holds.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(longEnough); !cond(); time.Sleep(betweenLooks) {
		if time.Now().After(end) {
			require.FailNow(t, "waited in vain: "+what)
		}
	}
}

// node is an engine with its log.
type node struct {
	*Engine
	journal *journal
}

// launch starts an engine that ends with the test, and checks its log then.
func launch(t testing.TB, opts Options) *node {
	t.Helper()
	n, err := tryLaunch(t, opts)
	require.NoError(t, err)
	return n
}

func tryLaunch(t testing.TB, opts Options) (*node, error) {
	t.Helper()
	j := new(journal)
	opts.Log = j.logger()
	e, err := Start(t.Context(), opts)
	noSecrets(t, j.String())
	if err != nil {
		return nil, err
	}
	n := &node{e, j}
	t.Cleanup(func() {
		n.end(t)
		noSecrets(t, j.String())
		if dir := os.Getenv("ENGINE_LOG"); dir != "" {
			f, _ := os.OpenFile(dir+"/"+opts.Name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			f.WriteString(j.String())
			f.Close()
		}
	})
	return n, nil
}

// end closes the engine.
func (n *node) end(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	defer cancel()
	require.NoError(t, n.Close(ctx))
}

// noSecrets checks a log for secrets and what comes of them.
func noSecrets(t testing.TB, log string) {
	t.Helper()
	for _, s := range []secret.Text{theSecret, otherSecret} {
		require.NotContains(t, log, s.Reveal())
	}
}

// reserve returns addresses on loopback on which nobody else will listen, so that they stay free between two servers.
func reserve(t testing.TB, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		address, err := freeport.Take()
		require.NoError(t, err)
		addrs = append(addrs, address)
	}
	return addrs
}

// team are the options of the nodes a, b, c and so on of one cluster.
func team(t testing.TB, nodes, voters int) []Options {
	t.Helper()
	addrs := reserve(t, nodes)
	var names []string
	for i := range voters {
		names = append(names, nodeAt(i))
	}
	var list []Options
	for i := range nodes {
		opts := Options{Name: nodeAt(i), Version: "1.2.3", Cluster: &Cluster{
			Listen: addrs[i], Peers: addrs, Voters: names, Secret: theSecret,
		}}
		if i < voters {
			opts.DataDir = t.TempDir()
		}
		list = append(list, opts)
	}
	return list
}

func nodeAt(i int) string { return string(rune('a' + i)) }

// launchAll starts all nodes at the same time.
func launchAll(t testing.TB, list []Options) []*node {
	t.Helper()
	nodes := make([]*node, len(list))
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, opts := range list {
		wg.Go(func() { nodes[i], errs[i] = tryLaunch(t, opts) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return nodes
}

func (n *node) awaitReady(t testing.TB) {
	t.Helper()
	var err error
	for end := time.Now().Add(longEnough); time.Now().Before(end); time.Sleep(betweenLooks) {
		if err = n.Ready(t.Context()); err == nil {
			return
		}
	}
	require.NoError(t, err, n.opts.Name)
}

func awaitAllReady(t testing.TB, nodes []*node) {
	t.Helper()
	for _, n := range nodes {
		n.awaitReady(t)
	}
}

// patiently tries again what a store refuses that is choosing a leader.
func patiently[T any](t testing.TB, what string, try func(ctx context.Context) (T, error)) T {
	t.Helper()
	for end := time.Now().Add(longEnough); ; time.Sleep(betweenLooks) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		result, err := try(ctx)
		cancel()
		if err == nil || time.Now().After(end) {
			require.NoError(t, err, what)
			return result
		}
	}
}

// bucket is a bucket of the node's store.
func (n *node) bucket(t testing.TB) jetstream.KeyValue {
	t.Helper()
	return patiently(t, "bucket", func(ctx context.Context) (jetstream.KeyValue, error) {
		return n.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: "things", Replicas: n.Replicas(), Storage: n.Storage(), MaxBytes: 16 << 20,
		})
	})
}

func put(t testing.TB, kv jetstream.KeyValue, key, value string) {
	t.Helper()
	patiently(t, "put", func(ctx context.Context) (uint64, error) { return kv.Put(ctx, key, []byte(value)) })
}

func get(t testing.TB, kv jetstream.KeyValue, key string) string {
	t.Helper()
	entry := patiently(t, "get", func(ctx context.Context) (jetstream.KeyValueEntry, error) { return kv.Get(ctx, key) })
	return string(entry.Value())
}

// elections skips a test that waits for elections of several servers, whose times the engine fixes: on
// a busy machine they take longer than any bound that would still say something.
func elections(t *testing.T) {
	t.Helper()
	if os.Getenv("HUBGATE_LARGE_TESTS") == "" {
		t.Skip("waits for elections, which a busy machine delays: set HUBGATE_LARGE_TESTS")
	}
}
