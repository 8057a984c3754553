package settings_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

func newStore(t *testing.T) *settings.Store {
	t.Helper()
	store, err := settings.NewStore(settings.Default())
	require.NoError(t, err)
	return store
}

// withHubs returns valid settings that n tells apart.
func withHubs(n int) settings.Settings {
	s := settings.Default()
	s.Limits.Hubs = n
	return s
}

func TestStoreRefusesInvalidSettings(t *testing.T) {
	_, err := settings.NewStore(settings.Settings{})
	require.ErrorContains(t, err, "mode: ")

	store := newStore(t)
	store.Observe(func(_, _ *settings.Settings) { t.Error("told of settings that were refused") })
	before := store.Current()
	require.ErrorContains(t, store.Swap(withHubs(-1)), "limits.hubs: ")
	require.Same(t, before, store.Current())
}

func TestStoreSnapshotIsNobodyElses(t *testing.T) {
	s := settings.Default()
	s.Upstream.Templates = []settings.Template{{URLTemplate: "http://a/"}}
	store, err := settings.NewStore(s)
	require.NoError(t, err)
	s.Upstream.Templates[0].URLTemplate = "http://changed/"
	require.Equal(t, "http://a/", store.Current().Upstream.Templates[0].URLTemplate)

	s.CORS.AllowedOrigins = []string{"https://a"}
	s.Hubs = map[string]settings.Hub{"chat": {Mode: settings.Classic}}
	require.NoError(t, store.Swap(s))
	s.CORS.AllowedOrigins[0] = "https://changed"
	s.Hubs["chat"] = settings.Hub{Mode: settings.DefaultMode}
	require.Equal(t, []string{"https://a"}, store.Current().CORS.AllowedOrigins)
	require.Equal(t, settings.Classic, store.Current().ModeOf("chat"))
}

func TestStoreTellsInOrder(t *testing.T) {
	store := newStore(t)
	var told []string
	observe := func(name string) (cancel func()) {
		return store.Observe(func(old, new *settings.Settings) {
			require.Same(t, new, store.Current())
			told = append(told, fmt.Sprintf("%s %d to %d", name, old.Limits.Hubs, new.Limits.Hubs))
		})
	}
	observe("first")
	cancel := observe("second")
	observe("third")

	require.NoError(t, store.Swap(withHubs(1)))
	require.NoError(t, store.Swap(withHubs(1)), "nothing new: nobody is told")
	cancel()
	cancel() // may be repeated
	require.NoError(t, store.Swap(withHubs(2)))
	require.Equal(t, []string{
		"first 10000 to 1", "second 10000 to 1", "third 10000 to 1", "first 1 to 2", "third 1 to 2",
	}, told)
}

func TestStoreSwapFromAnObserver(t *testing.T) {
	store := newStore(t)
	var told []int
	store.Observe(func(_, new *settings.Settings) {
		if new.Limits.Hubs == 1 {
			require.NoError(t, store.Swap(withHubs(2)))
		}
	})
	store.Observe(func(_, new *settings.Settings) { told = append(told, new.Limits.Hubs) })
	require.NoError(t, store.Swap(withHubs(1)))
	require.Equal(t, []int{1, 2}, told, "every observer sees the changes in their order")
	require.Equal(t, 2, store.Current().Limits.Hubs)
}

func TestStoreSurvivesAPanickingObserver(t *testing.T) {
	store := newStore(t)
	cancel := store.Observe(func(_, _ *settings.Settings) { panic("observer") })
	require.PanicsWithValue(t, "observer", func() { _ = store.Swap(withHubs(1)) })
	cancel()
	var told int
	store.Observe(func(_, new *settings.Settings) { told = new.Limits.Hubs })
	require.NoError(t, store.Swap(withHubs(2)))
	require.Equal(t, 2, told)
}

func TestStoreConcurrently(t *testing.T) {
	store := newStore(t)
	const swaps = 50
	last := store.Current()
	var seen sync.WaitGroup
	seen.Add(4 * swaps)
	store.Observe(func(old, new *settings.Settings) { // never two at a time, or the race detector speaks
		if old != last {
			t.Error("a change is missing between two that were told")
		}
		last = new
		seen.Done()
	})
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range swaps {
				if err := store.Swap(withHubs(1 + w*swaps + i)); err != nil {
					t.Error(err)
				}
				_ = store.Current().Limits.Hubs
			}
		})
	}
	workers.Wait()
	seen.Wait()
	require.Same(t, last, store.Current())
}

func TestCurrentAllocatesNothing(t *testing.T) {
	store := newStore(t)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = store.Current().Limits.MessageBytes }))
}
