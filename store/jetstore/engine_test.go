package jetstore

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
	"github.com/hubgate/hubgate/store/storetest"
)

// shared are the engines that all tests use: a cluster takes seconds to begin.
var shared struct {
	alone, three sync.Once
	one          []*natsd.Engine
	all          []*natsd.Engine
}

func TestMain(m *testing.M) {
	if child() {
		return
	}
	// Tests wait for servers most of the time, more of them side by side than there are processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, e := range append(shared.one, shared.all...) {
		if err := natsdtest.Close(e); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// alone is one engine, with a store in memory.
func alone(t testing.TB) []*natsd.Engine {
	t.Helper()
	shared.alone.Do(func() { shared.one = []*natsd.Engine{natsdtest.Start(t, natsd.Options{Name: "alone"})} })
	return shared.one
}

// three are three voters.
func three(t testing.TB) []*natsd.Engine {
	t.Helper()
	shared.three.Do(func() { shared.all = natsdtest.StartVoters(t, 3) })
	return shared.all
}

// clock is a clock that a test moves.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time         { return time.Unix(0, c.nanos.Load()) }
func (c *clock) elapse(d time.Duration) { c.nanos.Add(int64(d)) }

var prefixes atomic.Int64

// newStores are stores on a new bucket, one on each engine. The bucket goes with the test.
func newStores(t testing.TB, engines []*natsd.Engine, prefix string, with storetest.Settings, clock *clock) []*UserGroups {
	t.Helper()
	prefix = fmt.Sprint(prefix, prefixes.Add(1))
	maxBytes := with.MaxBytes
	if maxBytes == 0 {
		maxBytes = 8 << 20
	}
	var stores []*UserGroups
	for _, e := range engines {
		s := New(Options{
			JetStream: e.JetStream(), Prefix: prefix, Replicas: e.Replicas(), Storage: e.Storage(),
			PerUser: with.PerUser, MaxBytes: int64(maxBytes), Log: slog.New(slog.DiscardHandler),
		})
		if clock != nil {
			s.now = clock.now
		}
		stores = append(stores, s)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = engines[0].JetStream().DeleteStream(ctx, "KV_"+prefix+"_usergroups")
	})
	return stores
}

// alternating asks another node each time: together they are one store.
type alternating struct {
	stores []*UserGroups
	turn   atomic.Int64
}

func (a *alternating) next() *UserGroups {
	return a.stores[int(a.turn.Add(1))%len(a.stores)]
}

func (a *alternating) Put(ctx context.Context, hub, user, group string, until time.Time) error {
	return a.next().Put(ctx, hub, user, group, until)
}

func (a *alternating) Delete(ctx context.Context, hub, user, group string) error {
	return a.next().Delete(ctx, hub, user, group)
}

func (a *alternating) DeleteAll(ctx context.Context, hub, user string) error {
	return a.next().DeleteAll(ctx, hub, user)
}

func (a *alternating) List(ctx context.Context, hub, user string) ([]gateway.StandingGroup, error) {
	return a.next().List(ctx, hub, user)
}

// recount has the number of stored bytes asked for anew.
func (a *alternating) recount() {
	for _, s := range a.stores {
		s.usage.at.Store(0)
	}
}
