package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubgate/hubgate/store"
	"github.com/hubgate/hubgate/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T, name string, with storetest.Settings, test func(*testing.T, storetest.Subject)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := store.NewMemory(store.MemoryOptions{PerUser: with.PerUser, MaxBytes: with.MaxBytes})
				test(t, storetest.Subject{
					Groups: m, Now: time.Now, Elapse: time.Sleep, Steps: 20_000,
					Verify: func(t *testing.T) { store.Verify(t, m) }, Recount: func() {},
				})
			})
		})
	})
}
