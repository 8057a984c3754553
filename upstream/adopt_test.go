package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// ofDead puts an event of a dead node's client into the outbox.
func ofDead(store *box, connection string, k kind, target string) Adopted {
	e := event{kind: k, target: target, id: eventID(connection, k), body: bodyConnected}
	if k == kindMessage {
		e.protocol, e.body = hubprotocol.JSON, []byte(send(target))
	}
	record := appendDelivery(nil, &gateway.Identity{ID: connection, Hub: "chat"}, &e, time.Now())
	return Adopted{Number: store.Put(record, func() {}), Record: record}
}

// A node that has ended leaves what it is still given in the outbox, and does not stop there.
func TestAdoptAfterTheEnd(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	require.NoError(t, b.Close(t.Context()))
	adopted := make(chan error, 1)
	go func() { adopted <- b.Adopt(context.Background(), []Adopted{ofDead(store, "abc", kindMessage, "m")}) }()
	require.NoError(t, want(t, adopted))
	require.Len(t, store.left(), 1)
	require.Empty(t, h.posts)
	b.keeps.mu.Lock()
	defer b.keeps.mu.Unlock()
	require.Empty(t, b.keeps.adopted)
}

// While it is not known whether a client lives elsewhere, its end is not told. It is asked again.
func TestAdoptAsksAgainWhetherAClientLives(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	errAway := errors.New("a node does not answer")
	answer := errAway
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) {
		o.Lives = func(context.Context, string, string) (bool, error) { return false, answer }
	})
	require.ErrorIs(t, b.Adopt(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}), errAway)
	require.Equal(t, "connected", want(t, h.posts).event())
	want(t, store.done)
	require.Empty(t, store.left(), "of its end nothing is kept")
	answer = nil
	require.NoError(t, b.Adopt(t.Context(), nil))
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

// A client that lives elsewhere may lose that node too: then its end is told.
func TestAdoptedClientThatEndsElsewhere(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) {
		o.Lives = func(context.Context, string, string) (bool, error) { return true, nil }
	})
	require.NoError(t, b.Adopt(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}))
	require.Equal(t, "connected", want(t, h.posts).event())
	want(t, store.done)
	require.NoError(t, b.Adopt(t.Context(), nil))
	require.Empty(t, store.left(), "it lives")
	require.NoError(t, b.Keep(t.Context(), appendRecord(nil, &gateway.Identity{ID: "abc", Hub: "chat"}, nil)))
	want(t, store.done)
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

// What comes for a client that the application has refused meanwhile is done.
func TestAdoptForARejectedClient(t *testing.T) {
	release := make(chan struct{})
	h, store := newHook(t, func(http.ResponseWriter, post) { <-release }), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	require.NoError(t, b.Adopt(t.Context(), []Adopted{ofDead(store, "abc", kindMessage, "first")}))
	want(t, h.posts)
	b.keeps.mu.Lock()
	s := b.keeps.adopted["abc"]
	b.keeps.mu.Unlock()
	s.mu.Lock()
	s.rejected = true
	s.mu.Unlock()
	require.NoError(t, b.Adopt(t.Context(), []Adopted{ofDead(store, "abc", kindMessage, "second")}))
	left := len(store.left())
	close(release)
	require.Equal(t, 1, left, "the second is done")
	want(t, store.done)
}

// A client of a dead node that the application rejects when it is told of it again is told of no more: neither what
// the client has said, though that is taken over later, nor its end.
func TestD13RejectedWhenItIsToldAgain(t *testing.T) {
	h, store := newHook(t, says(http.StatusForbidden, "")), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	require.NoError(t, b.Adopt(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}))
	require.Equal(t, "connected", want(t, h.posts).event())
	want(t, store.done)
	require.Eventually(t, func() bool {
		b.keeps.mu.Lock()
		defer b.keeps.mu.Unlock()
		return len(b.keeps.adopted) == 0
	}, patience, time.Millisecond)
	require.NoError(t, b.Adopt(t.Context(), []Adopted{ofDead(store, "abc", kindMessage, "m"), ofDead(store, "other", kindMessage, "n")}))
	require.NoError(t, b.Keep(t.Context(), appendRecord(nil, &gateway.Identity{ID: "abc", Hub: "chat"}, nil)))
	require.Equal(t, "n", want(t, h.posts).event())
	require.Eventually(t, func() bool { return len(store.left()) == 0 }, patience, time.Millisecond)
	require.Empty(t, h.posts)
}

// What is remembered of ends that are kept is gone through once a minute: a node that died had many clients.
func TestToldEndsAreForgottenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(keeping)
		for i := range 2000 {
			require.False(t, k.tells(fmt.Sprint("c", i)))
		}
		time.Sleep(rememberedFor - time.Second)
		require.False(t, k.tells("x"))
		require.True(t, k.tells("c7"))
		time.Sleep(2 * time.Second)
		k.tells("y")
		require.Len(t, k.told.since, 2002, "they were gone through a moment ago")
		time.Sleep(time.Minute)
		require.False(t, k.tells("z"))
		require.Len(t, k.told.since, 4, "x, y, z, and c7 of which it was said again")
	})
}

// The attempts of a dead node count, and those of this one are noted.
func TestAttemptsOfADeadNodeCount(t *testing.T) {
	status := http.StatusServiceUnavailable
	h, store := newHook(t, func(w http.ResponseWriter, _ post) {
		w.WriteHeader(status)
		status = http.StatusOK
	}), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	one := ofDead(store, "abc", kindMessage, "m")
	one.Attempts = 6
	require.NoError(t, b.Adopt(t.Context(), []Adopted{one}))
	require.Equal(t, "7", want(t, h.posts).Header.Get("X-Hubgate-Attempt"))
	require.Equal(t, "8", want(t, h.posts).Header.Get("X-Hubgate-Attempt"))
	want(t, store.done)
	store.set(func() { require.Equal(t, map[uint64]int{one.Number: 7}, store.tries) })
}
