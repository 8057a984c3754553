package tracing

import (
	"encoding/json"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/watch"
)

// relayed is a node with a Relay.
type relayed struct {
	*Relay
	stream *watch.Stream
}

// alone are no other nodes: tests say themselves who comes.
type alone struct{}

func (alone) Converse(gateway.Topic, gateway.PeerHandler) (stop func()) { return func() {} }

func newRelayed(t testing.TB, node string, there ...*watch.Event) *relayed {
	stream := &watch.Stream{Node: node}
	present := func() iter.Seq[*watch.Event] {
		return func(yield func(*watch.Event) bool) {
			for _, e := range there {
				if one := *e; !yield(&one) {
					return
				}
			}
		}
	}
	r := NewRelay(stream, present, alone{})
	t.Cleanup(r.Close)
	return &relayed{r, stream}
}

// line is the way to another node. It delivers at once and in order.
type line struct {
	name string
	to   *Relay
	back *line
	full bool

	mu   sync.Mutex
	sent int
}

func (l *line) Name() string  { return l.name }
func (l *line) Full(int) bool { return l.full }
func (l *line) Send(message []byte) bool {
	l.mu.Lock()
	l.sent++
	l.mu.Unlock()
	if l.to != nil {
		go func() { _ = l.to.PeerSaid(l.back, message) }()
	}
	return true
}

// joined has two nodes hear of each other.
func joined(a, b *relayed) (toB, toA *line) {
	toB, toA = &line{name: "b", to: b.Relay}, &line{name: "a", to: a.Relay}
	toB.back, toA.back = toA, toB
	a.PeerUp(toB)
	b.PeerUp(toA)
	return toB, toA
}

// watches begins to watch at a node what is about the user.
func (r *relayed) watches(t *testing.T, user string) (w *watch.Watcher, stop func()) {
	w, err := r.stream.Watch(watch.Filter{Subject: watch.Subject{User: user}})
	require.NoError(t, err)
	leave := r.Follow(w)
	synctest.Wait()
	return w, func() {
		leave()
		w.Stop()
		synctest.Wait()
	}
}

func opened(user string) *watch.Event {
	return &watch.Event{Kind: watch.KindConnection, What: watch.WhatOpened, Subject: watch.Subject{User: user}, Connection: &watch.Connection{}}
}

// next returns the events that have come.
func next(t *testing.T, w *watch.Watcher) []*watch.Event {
	synctest.Wait()
	events, err := w.Next(t.Context(), time.Millisecond, nil)
	require.NoError(t, err)
	return events
}

// Whoever watches on one node sees what is there and happens on another one, and nobody is told any more who has left.
func TestARelayBringsWhatHappensOnAnotherNode(t *testing.T) {
	for _, first := range []string{"the watcher", "the node"} {
		synctest.Test(t, func(t *testing.T) {
			present := &watch.Event{Kind: watch.KindConnection, What: watch.WhatPresent, Subject: watch.Subject{User: "ann"}, Connection: &watch.Connection{}}
			a, b := newRelayed(t, "a"), newRelayed(t, "b", present)
			if first == "the node" {
				joined(a, b)
			}
			w, stop := a.watches(t, "ann")
			if first == "the watcher" {
				joined(a, b)
			}
			synctest.Wait()
			b.stream.Publish(opened("ann"))
			b.stream.Publish(opened("bob"))
			events := next(t, w)
			require.Len(t, events, 2)
			require.Equal(t, watch.WhatPresent, events[0].What)
			require.Equal(t, watch.WhatOpened, events[1].What)
			require.Equal(t, "b", events[1].Node)
			require.Zero(t, events[1].Seq, "numbers are those of one node")
			stop()
			require.False(t, b.stream.Watched())
			require.Empty(t, b.theirs)
		})
	}
}

// A peer that goes is told nothing more, and one whose way is full misses events and hears how many.
func TestARelayAndAPeerThatGoesOrIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newRelayed(t, "a"), newRelayed(t, "b")
		toB, toA := joined(a, b)
		w, stop := a.watches(t, "ann")
		defer stop()
		toA.full = true
		b.stream.Publish(opened("ann"))
		require.Empty(t, next(t, w))
		toA.full = false
		b.stream.Publish(opened("ann"))
		time.Sleep(2 * relayBeat)
		events := next(t, w)
		require.Len(t, events, 2)
		require.Equal(t, &watch.Lost{Reason: watch.LossSlow, Events: 1}, events[0].Lost)

		b.PeerGone(toA)
		a.PeerGone(toB)
		synctest.Wait()
		require.False(t, b.stream.Watched())
		require.Empty(t, a.peers)
		b.PeerUp(toA)
		a.PeerUp(toB)
		synctest.Wait()
		require.True(t, b.stream.Watched(), "it has come back, and is told again")
	})
}

// A node follows so many watchers of another one, and no more.
func TestARelayFollowsABoundedNumberOfWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, from := newRelayed(t, "b"), &line{name: "a"}
		for id := range uint64(2 * maxFollowed) {
			require.NoError(t, b.PeerSaid(from, watchMessage(relayWatch, id, "")))
			require.NoError(t, b.PeerSaid(from, watchMessage(relayWatch, id, "")), "it is followed already")
		}
		synctest.Wait()
		require.Len(t, b.theirs, maxFollowed)
		b.Close()
		require.NoError(t, b.PeerSaid(from, watchMessage(relayWatch, 99, "")))
		require.Empty(t, b.theirs)
	})
}

func TestWhatARelayCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, from := newRelayed(t, "a"), &line{name: "b"}
		w, stop := r.watches(t, "ann")
		defer stop()
		for name, message := range map[string][]byte{
			"nothing": nil, "no number": {relayWatch}, "a number that does not end": {relayLeave, 0x80},
			"an escape that is none": watchMessage(relayWatch, 1, "hub=%zz"),
			"a filter without end":   watchMessage(relayWatch, 1, "hub="+strings.Repeat("x", maxFilter)),
			"no JSON":                watchMessage(relayEvents, 1, "[{]"),
			"events without end":     watchMessage(relayEvents, 1, "["+strings.Repeat(" ", 2*maxEventsBytes)+"]]"),
		} {
			require.ErrorIs(t, r.PeerSaid(from, message), errRelay, name)
		}
		// What a newer node may say is passed over.
		for name, message := range map[string][]byte{
			"a message":               watchMessage(99, 1, "x"),
			"a kind of events":        watchMessage(relayWatch, 2, "kind=newer"),
			"events for somebody":     watchMessage(relayEvents, 2, "newer"),
			"the end of nobody":       watchMessage(relayLeave, 2, ""),
			"an event with new parts": watchMessage(relayEvents, 1, `[null,{"kind":"newer","newer":{"x":1}}]`),
		} {
			require.NoError(t, r.PeerSaid(from, message), name)
		}
		require.Empty(t, r.theirs)
		events := next(t, w)
		require.Len(t, events, 1)
		require.Equal(t, "b", events[0].Node)
	})
}

// What another node says is bounded, and whatever it says this node can show.
func FuzzRelaySaid(f *testing.F) {
	f.Add(watchMessage(relayWatch, 1, "user=ann&kind=send"))
	f.Add(watchMessage(relayLeave, 1, ""))
	f.Add(watchMessage(relayEvents, 1, `[{"time":"2026-01-31T12:03:04Z","kind":"send","what":"sent","send":{"by":"rest","names":["x"]}}]`))
	f.Add(watchMessage(relayEvents, 1, `[{"seq":1,"kind":"connection","client":null}]`))
	f.Fuzz(func(t *testing.T, message []byte) {
		r := newRelayed(t, "a")
		w, err := r.stream.Watch(watch.Filter{})
		require.NoError(t, err)
		defer r.Follow(w)()
		_ = r.PeerSaid(&line{name: "b"}, message)
		events, err := w.Next(t.Context(), 0, nil)
		require.NoError(t, err)
		for _, e := range events {
			_, err := json.Marshal(e)
			require.NoError(t, err)
			require.Equal(t, "b", e.Node)
		}
		require.LessOrEqual(t, len(r.theirs), 1)
	})
}
