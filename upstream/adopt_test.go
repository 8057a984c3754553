package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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
	go func() { adopted <- b.takeOver(context.Background(), []Adopted{ofDead(store, "abc", kindMessage, "m")}) }()
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
	require.ErrorIs(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}), errAway)
	require.Equal(t, "connected", want(t, h.posts).event())
	want(t, store.done)
	require.Empty(t, store.left(), "of its end nothing is kept")
	answer = nil
	require.NoError(t, b.takeOver(t.Context(), nil))
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

// A client that lives elsewhere may lose that node too: then its end is told.
func TestAdoptedClientThatEndsElsewhere(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) {
		o.Lives = func(context.Context, string, string) (bool, error) { return true, nil }
	})
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}))
	require.Equal(t, "connected", want(t, h.posts).event())
	want(t, store.done)
	require.NoError(t, b.takeOver(t.Context(), nil))
	require.Empty(t, store.left(), "it lives")
	require.NoError(t, b.Keep(t.Context(), appendRecord(nil, &gateway.Identity{ID: "abc", Hub: "chat"}, nil)))
	want(t, store.done)
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

// during is an outbox with which something happens while something is put there.
type during struct {
	*box
	happens func()
}

// takeOver is what a node does for a dead one.
func (b *Backend) takeOver(ctx context.Context, list []Adopted) error {
	b.Adopt(list)
	return b.TellEnds(ctx)
}

func (d *during) Put(record []byte, stored func()) uint64 {
	happens := d.happens
	d.happens = func() {}
	happens()
	return d.box.Put(record, stored)
}

// Two dead nodes may have noted one client. Whoever comes second may note that its end is kept only when it is: the first one may
// fail yet, or this node die.
func TestAnEndThatIsBeingKeptIsNotKept(t *testing.T) {
	h, store := newHook(t, nil), newBox()
	d := &during{box: store}
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) { o.Outbox = d })
	record := appendRecord(nil, &gateway.Identity{ID: "abc", Hub: "chat"}, nil)
	ended, end := context.WithCancel(t.Context())
	end()
	var second error
	d.happens = func() { second = b.Keep(ended, record) }
	require.NoError(t, b.Keep(t.Context(), record))
	require.ErrorIs(t, second, context.Canceled, "it waits for the first one")
	require.NoError(t, b.Keep(ended, record), "now it is kept")

	other := appendRecord(nil, &gateway.Identity{ID: "def", Hub: "chat"}, nil)
	store.set(func() { store.hold = true })
	waits := make(chan error, 1)
	d.happens = func() { go func() { waits <- b.Keep(t.Context(), other) }() }
	require.ErrorIs(t, b.Keep(ended, other), context.Canceled, "nothing was stored")
	store.release()
	require.NoError(t, want(t, waits), "the second one keeps it then")
	require.Equal(t, "disconnected", want(t, h.posts).event())
	require.Equal(t, "disconnected", want(t, h.posts).event())
}

// What comes for a client that the application has refused meanwhile is done.
func TestAdoptForARejectedClient(t *testing.T) {
	release := make(chan struct{})
	h, store := newHook(t, func(http.ResponseWriter, post) { <-release }), newBox()
	b := startKeeping(t, toAll(h.URL), store)
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindMessage, "first")}))
	want(t, h.posts)
	b.keeps.mu.Lock()
	s := b.keeps.adopted["abc"]
	b.keeps.mu.Unlock()
	s.mu.Lock()
	s.rejected = true
	s.mu.Unlock()
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindMessage, "second")}))
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
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}))
	require.Equal(t, "connected", want(t, h.posts).event())
	want(t, store.done)
	require.Eventually(t, func() bool {
		b.keeps.mu.Lock()
		defer b.keeps.mu.Unlock()
		return len(b.keeps.adopted) == 0
	}, patience, time.Millisecond)
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindMessage, "m"), ofDead(store, "other", kindMessage, "n")}))
	require.NoError(t, b.Keep(t.Context(), appendRecord(nil, &gateway.Identity{ID: "abc", Hub: "chat"}, nil)))
	require.Equal(t, "n", want(t, h.posts).event())
	require.Eventually(t, func() bool { return len(store.left()) == 0 }, patience, time.Millisecond)
	require.Empty(t, h.posts)
}

// A client that is told of again and rejected may live on another node: it is closed there, for the same reason.
func TestD13RejectedWhereItIs(t *testing.T) {
	type closing struct {
		hub, id string
		cause   gateway.Cause
	}
	closed := make(chan closing, 1)
	h, store := newHook(t, says(http.StatusForbidden, "")), newBox()
	logs := new(journal)
	b := startKeeping(t, toAll(h.URL), store, func(o *OutboxOptions) {
		o.Closes = func(_ context.Context, hub, id string, cause gateway.Cause) error {
			closed <- closing{hub, id, cause}
			if id == "xyz" {
				return errors.New("a node does not answer")
			}
			return nil
		}
	})
	b.log = slog.New(slog.NewTextHandler(logs, nil))
	rejected := gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: "Forbidden"}
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "abc", kindConnected, "")}))
	require.Equal(t, closing{"chat", "abc", rejected}, want(t, closed))
	require.NoError(t, b.takeOver(t.Context(), []Adopted{ofDead(store, "xyz", kindConnected, "")}))
	require.Equal(t, closing{"chat", "xyz", rejected}, want(t, closed))
	require.Eventually(t, func() bool { return strings.Contains(logs.String(), "a node does not answer") }, patience, time.Millisecond)
}

// A client that another node has had rejected is told of no more here either.
func TestD13RejectedByAnotherNode(t *testing.T) {
	release := make(chan struct{})
	h, store := newHook(t, func(http.ResponseWriter, post) { <-release }), newBox()
	m := &books{}
	b := startKeeping(t, toAll(h.URL), store)
	b.metrics = m
	s := connect(b, newConn("abc"))
	want(t, h.posts)
	taken(t, s, send("say"))
	s.Closed(gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: "Forbidden"})
	close(release)
	for range 2 {
		want(t, store.done)
	}
	require.Eventually(t, func() bool { return !s.Pending() && len(store.left()) == 0 }, patience, time.Millisecond)
	require.Empty(t, h.posts)
	require.Equal(t, []SkipReason{SkipRejected}, m.skips())
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
	require.NoError(t, b.takeOver(t.Context(), []Adopted{one}))
	require.Equal(t, "7", want(t, h.posts).Header.Get("X-Hubgate-Attempt"))
	require.Equal(t, "8", want(t, h.posts).Header.Get("X-Hubgate-Attempt"))
	want(t, store.done)
	store.set(func() { require.Equal(t, map[uint64]int{one.Number: 7}, store.tries) })
}
