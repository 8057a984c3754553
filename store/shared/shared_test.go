package shared

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd"
)

func engine(t *testing.T) jetstream.JetStream {
	t.Helper()
	e, err := natsd.Start(context.Background(), natsd.Options{Name: "alone", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return e.JetStream()
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func text(t *testing.T, js jetstream.JetStream, keys ...[]byte) *Text {
	t.Helper()
	one, err := New(Options{JetStream: js, Storage: jetstream.MemoryStorage, Keys: keys})
	require.NoError(t, err)
	return one
}

// follower notes what it was told, and takes it unless refuses says otherwise.
type follower struct {
	refuses atomic.Bool

	mu   sync.Mutex
	seen []string
	news chan struct{}
}

func (f *follower) changed(v Version, err error) (taken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what := string(v.Text)
	if err != nil {
		what = err.Error()
	}
	f.seen = append(f.seen, what)
	f.news <- struct{}{}
	return !f.refuses.Load()
}

func (f *follower) next(t *testing.T) string {
	t.Helper()
	select {
	case <-f.news:
	case <-time.After(30 * time.Second):
		require.FailNow(t, "not told")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[len(f.seen)-1]
}

func follow(t *testing.T, one *Text) *follower {
	f := &follower{news: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		one.Follow(ctx, f.changed)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return f
}

func TestN26OneTextForAllNodes(t *testing.T) {
	js := engine(t)
	ctx := context.Background()
	a, b := text(t, js, key(1)), text(t, js, key(1))
	f := follow(t, b)
	require.Empty(t, f.next(t), "nobody has stored one, and that is told too")

	first, err := a.Change(ctx, []byte("one"), 0)
	require.NoError(t, err)
	require.Equal(t, "one", f.next(t))
	now, err := b.Current(ctx)
	require.NoError(t, err)
	require.Equal(t, first, now)

	second, err := b.Change(ctx, []byte("two"), first.Number)
	require.NoError(t, err)
	_, err = a.Change(ctx, []byte("two as well"), first.Number)
	require.ErrorIs(t, err, ErrConflict, "one of two writers is told")
	_, err = a.Change(ctx, []byte("the first one"), 0)
	require.ErrorIs(t, err, ErrConflict)
	require.Equal(t, "two", f.next(t))
	_, err = a.Change(ctx, nil, second.Number)
	require.NoError(t, err)
	require.Empty(t, f.next(t))
	_, err = a.Change(ctx, make([]byte, MaxText+1), 0)
	require.ErrorIs(t, err, ErrTooLarge)
}

// A store that has lost all counts from one again: the text with the number that is known is another one then.
func TestATextOfAStoreThatBeginsAnew(t *testing.T) {
	js := engine(t)
	ctx := context.Background()
	a, b := text(t, js, key(1)), text(t, js, key(1))
	before, err := a.Change(ctx, []byte("one"), 0)
	require.NoError(t, err)
	f := follow(t, b)
	require.Equal(t, "one", f.next(t))
	require.NoError(t, js.DeleteStream(ctx, "KV_hg_settings"))
	after, err := a.Change(ctx, []byte("another one"), 0)
	require.NoError(t, err)
	require.Equal(t, before.Number, after.Number)
	require.Equal(t, "another one", f.next(t))
}

// What could not be taken is told again, with the next word that there is a new text if not before.
func TestATextThatIsNotTakenIsToldAgain(t *testing.T) {
	js := engine(t)
	one := text(t, js, key(1))
	f := follow(t, text(t, js, key(1)))
	require.Empty(t, f.next(t))
	f.refuses.Store(true)
	_, err := one.Change(context.Background(), []byte("one"), 0)
	require.NoError(t, err)
	require.Equal(t, "one", f.next(t))
	f.refuses.Store(false)
	one.tell()
	require.Equal(t, "one", f.next(t))
}

// More changes than are kept, of the largest texts: the store has room for them.
func TestOldTextsMakeRoom(t *testing.T) {
	js := engine(t)
	one := text(t, js, key(1))
	var number uint64
	for i := range 3 * MaxHistory {
		v, err := one.Change(context.Background(), bytes.Repeat([]byte{byte(i)}, MaxText), number)
		require.NoError(t, err)
		number = v.Number
	}
}

func TestATextIsSealed(t *testing.T) {
	js := engine(t)
	ctx := context.Background()
	const secret = "https://app.example/hook?code=not-for-everybody"
	_, err := text(t, js, key(1)).Change(ctx, []byte(secret), 0)
	require.NoError(t, err)
	stream, err := js.Stream(ctx, "KV_hg_settings")
	require.NoError(t, err)
	m, err := stream.GetLastMsgForSubject(ctx, "$KV.hg_settings.current")
	require.NoError(t, err)
	require.NotContains(t, string(m.Data), "not-for-everybody")

	v, err := text(t, js, key(2), key(1)).Current(ctx)
	require.NoError(t, err, "while the secret changes both keys open")
	require.Equal(t, secret, string(v.Text))
	other := text(t, js, key(2))
	_, err = other.Current(ctx)
	require.ErrorIs(t, err, ErrSealed)
	require.Equal(t, ErrSealed.Error(), follow(t, other).next(t))
	_, err = other.Change(ctx, []byte("anew"), v.Number)
	require.NoError(t, err, "who knows the number may store another one")
}

// A store that does not answer is no answer.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	e, err := natsd.Start(context.Background(), natsd.Options{Name: "alone", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	js := e.JetStream()
	require.NoError(t, e.Close(context.Background()))
	one := text(t, js, key(1))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = one.Current(ctx)
	require.ErrorIs(t, err, ErrUnavailable)
	_, err = one.Change(ctx, []byte("lost"), 0)
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestKeysAreChecked(t *testing.T) {
	_, err := New(Options{JetStream: engine(t)})
	require.Error(t, err)
	_, err = New(Options{JetStream: engine(t), Keys: [][]byte{{1}}})
	require.Error(t, err)
}

// What was in force before is kept, as many texts as are said.
func TestN26HistoryOfWhatIsShared(t *testing.T) {
	js := engine(t)
	one := text(t, js, key(1))
	all, err := one.History(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	after := uint64(0)
	for i := range MaxHistory + 3 {
		v, err := one.Change(t.Context(), []byte{byte(i)}, after)
		require.NoError(t, err)
		after = v.Number
	}
	all, err = one.History(t.Context())
	require.NoError(t, err)
	require.Len(t, all, MaxHistory)
	require.Equal(t, []byte{3}, all[0].Text)
	require.Equal(t, after, all[MaxHistory-1].Number)
}
