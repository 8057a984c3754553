package jetstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/store"
	"github.com/hubgate/hubgate/store/storetest"
)

// Each operation of the store for users of two groups; with 32 at a time for
// different users. Run with -benchtime=2s.
func BenchmarkUserGroups(b *testing.B) {
	stores := map[string]func(b *testing.B) gateway.UserGroups{
		"Memory": func(*testing.B) gateway.UserGroups { return store.NewMemory(store.MemoryOptions{}) },
		"R1": func(b *testing.B) gateway.UserGroups {
			return newStores(b, alone(b), "bench", storetest.Settings{MaxBytes: 64 << 20}, nil)[0]
		},
		"R3": func(b *testing.B) gateway.UserGroups {
			return newStores(b, three(b), "bench", storetest.Settings{MaxBytes: 64 << 20}, nil)[0]
		},
	}
	ctx := context.Background()
	for _, name := range []string{"Memory", "R1", "R3"} {
		s := stores[name](b)
		if err := s.Put(ctx, hub, "first", "red", time.Time{}); err != nil {
			b.Fatal(err)
		}
		user := func(i int64) string { return fmt.Sprint("user", i%10_000) }
		put := func(i int64) error { return s.Put(ctx, hub, user(i), fmt.Sprint("g", i/10_000%2), time.Time{}) }
		list := func(i int64) error { _, err := s.List(ctx, hub, user(i)); return err }
		for kind, op := range map[string]func(int64) error{"put": put, "list": list} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				for i := int64(0); b.Loop(); i++ {
					if err := op(i); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(name+"/"+kind+"/32", func(b *testing.B) {
				var n atomic.Int64
				b.SetParallelism(16) // times GOMAXPROCS
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := op(n.Add(1)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
