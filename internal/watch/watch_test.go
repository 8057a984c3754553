package watch

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func event(kind Kind, hub, user string) *Event {
	return &Event{Kind: kind, What: WhatSent, Subject: Subject{Hub: hub, User: user}}
}

// publish does what producers do.
func publish(s *Stream, e *Event) bool {
	if !s.Wants(e.Kind, &e.Subject) {
		return false
	}
	s.Publish(e)
	return true
}

func watch(t *testing.T, s *Stream, f Filter) *Watcher {
	t.Helper()
	w, err := s.Watch(f)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return w
}

func TestNobodyWatches(t *testing.T) {
	var s Stream
	about := Subject{Hub: "chat"}
	require.False(t, s.Wants(KindSend, &about))
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Wants(KindSend, &about) }))
	w := watch(t, &s, Filter{})
	require.True(t, s.Wants(KindSend, &about))
	w.Stop()
	w.Stop()
	require.False(t, s.Watched())
}

func TestEventsPassFilters(t *testing.T) {
	var s Stream
	all := watch(t, &s, Filter{})
	ann := watch(t, &s, Filter{Subject: Subject{Hub: "CHAT", User: "ann"}, Kinds: []Kind{KindSend, KindWebhook}})
	require.True(t, publish(&s, event(KindSend, "chat", "bob")))
	require.True(t, publish(&s, event(KindSend, "chat", "ann")))
	require.True(t, publish(&s, event(KindConnection, "chat", "ann")))
	got, err := all.Next(t.Context(), time.Minute, nil)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, []uint64{1, 2, 3}, []uint64{got[0].Seq, got[1].Seq, got[2].Seq})
	got, err = ann.Next(t.Context(), time.Minute, nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "ann", got[0].User)

	all.Stop()
	require.False(t, publish(&s, event(KindServer, "chat", "")), "nobody who is left takes it")
}

// A producer never waits; who takes events too slowly is told how many are missing.
func TestSlowWatcherLosesEventsAndIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stream
		slow := watch(t, &s, Filter{})
		for range maxWaiting + 7 {
			require.True(t, publish(&s, event(KindSend, "chat", "")))
		}
		got, err := slow.Next(t.Context(), time.Minute, nil)
		require.NoError(t, err)
		require.Len(t, got, maxWaiting+1)
		require.Equal(t, KindLost, got[0].Kind)
		require.Equal(t, Lost{LossSlow, 7}, *got[0].Lost)
		publish(&s, event(KindSend, "chat", ""))
		got, err = slow.Next(t.Context(), time.Minute, got[:0])
		require.NoError(t, err)
		require.Len(t, got, 1, "each loss is told once")
	})
}

func TestNoMoreEventsThanTheRateAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stream
		w, other := watch(t, &s, Filter{Kinds: []Kind{KindSend}}), watch(t, &s, Filter{Kinds: []Kind{KindWebhook, KindServer}})
		about := Subject{Hub: "chat"}
		for range MaxRate {
			require.True(t, s.Wants(KindSend, &about))
		}
		require.False(t, s.Wants(KindSend, &about))
		require.False(t, s.Wants(KindWebhook, &about))
		require.True(t, s.Wants(KindServer, &about), "who is there is always told")
		time.Sleep(time.Second)
		require.True(t, s.Wants(KindSend, &about))
		for _, w := range []*Watcher{w, other} {
			got, err := w.Next(t.Context(), time.Second, nil)
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, Lost{LossRate, 1}, *got[0].Lost)
		}
	})
}

func TestWatchersAreBounded(t *testing.T) {
	var s Stream
	var first *Watcher
	for range MaxWatchers {
		first = watch(t, &s, Filter{})
	}
	_, err := s.Watch(Filter{})
	require.ErrorIs(t, err, ErrTooManyWatchers)
	first.Stop()
	watch(t, &s, Filter{})
}

func TestEndOfTheStream(t *testing.T) {
	var s Stream
	w := watch(t, &s, Filter{})
	publish(&s, event(KindSend, "chat", ""))
	s.Close()
	s.Close()
	got, err := w.Next(t.Context(), time.Minute, nil)
	require.NoError(t, err)
	require.Len(t, got, 1, "what waits is still brought")
	_, err = w.Next(t.Context(), time.Minute, nil)
	require.ErrorIs(t, err, ErrEnded)
	_, err = s.Watch(Filter{})
	require.ErrorIs(t, err, ErrEnded)
}

func TestNextEndsWithItsContextAndItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stream
		w := watch(t, &s, Filter{})
		got, err := w.Next(t.Context(), time.Minute, nil)
		require.NoError(t, err)
		require.Empty(t, got)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = w.Next(ctx, time.Minute, nil)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// What many producers publish comes in the order of its numbers, without a gap that is not told.
func TestManyProducers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stream
		w := watch(t, &s, Filter{})
		var producers sync.WaitGroup
		for range 8 {
			producers.Go(func() {
				for range 100 {
					s.Publish(event(KindSend, "chat", ""))
				}
			})
		}
		seen, last := uint64(0), uint64(0)
		for seen < 800 {
			got, err := w.Next(t.Context(), time.Minute, nil)
			require.NoError(t, err)
			for _, e := range got {
				require.Greater(t, e.Seq, last)
				seen, last = seen+1, e.Seq
			}
		}
		producers.Wait()
	})
}

func TestFilterInAQuery(t *testing.T) {
	f := Filter{Subject: Subject{Hub: "chat", User: "a&b", ConnectionID: "c", Trace: "t"}, Kinds: []Kind{KindSend, KindServer}}
	again, err := ParseFilter(f.Query())
	require.NoError(t, err)
	require.Equal(t, f, again)
	none, err := ParseFilter(nil)
	require.NoError(t, err)
	require.True(t, none.Takes(KindServer, &Subject{}))

	for _, bad := range []string{"kind=sends", "huб=1", "user=a&user=b", "hub=" + strings.Repeat("x", maxFilterBytes+1), "limit=3"} {
		query, err := url.ParseQuery(bad)
		require.NoError(t, err)
		_, err = ParseFilter(query)
		require.Error(t, err, bad)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	require.Equal(t, "ä", Body([]byte("ä"), false))
	require.Equal(t, "ab…", Body([]byte("ab"), true))
	for _, one := range []string{"x", "ä", "€", "😀"} {
		for cut := range len(one) {
			got := Body([]byte(strings.Repeat("y", cut)+strings.Repeat(one, MaxBody+1)), false)
			require.LessOrEqual(t, len(got), MaxBody+len("…"))
			require.NotContains(t, got, "\uFFFD")
			require.True(t, strings.HasSuffix(got, one+"…"))
		}
	}
	require.True(t, utf8.ValidString(Body([]byte{0xff, 'a'}, false)))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"seq":1,"kind":"send","what":"sent","hub":"chat","send":{"by":"rest","to":"all","matched":2}}`))
	f.Add([]byte(`{"kind":"lost","lost":{"reason":"SlowWatcher","events":3}}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = Parse(data) })
}
