package outbox

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd"
)

// onEngine is a node on an engine of its own.
func onEngine(t *testing.T, maxBytes int64) *Outbox {
	e, err := natsd.Start(context.Background(), natsd.Options{Name: "alone", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	o := New(Options{Inc: "a", Fence: new(fencing), Store: Store{JetStream: e.JetStream(), Storage: e.Storage(), MaxBytes: maxBytes}})
	o.Start()
	t.Cleanup(func() { require.NoError(t, o.Close(context.Background())) })
	return o
}

// filled is a record of a size that can be told from one in which parts are exchanged.
func filled(size int) []byte {
	record := make([]byte, size)
	for i := range record {
		record[i] = byte(i / 1000)
	}
	return record
}

func TestDeadLettersHaveTheirRecords(t *testing.T) {
	o := onEngine(t, 64<<20)
	ctx := t.Context()
	text := []byte(`{"event":"a"}`)
	sizes := []int{0, 1, MaxText - len(text), MaxText - len(text) + 1, partSize * 3, partSize*3 + 1}
	for _, size := range sizes {
		number := o.Put(filled(size), func() {})
		whole, err := o.Die(ctx, number, text, filled(size))
		require.NoError(t, err)
		require.True(t, whole)
		require.False(t, o.Mine(number))
	}
	list, err := o.Letters(ctx, 0, 100)
	require.NoError(t, err)
	require.Len(t, list, len(sizes), "parts are no letters")
	for i, size := range sizes {
		require.Equal(t, text, list[i].Text)
		require.Equal(t, size, list[i].Size)
		l, err := o.Letter(ctx, list[i].Number)
		require.NoError(t, err)
		require.True(t, bytes.Equal(filled(size), l.Record), "%d bytes", size)
		require.NoError(t, o.Forget(ctx, l.Number))
		_, err = o.Letter(ctx, l.Number)
		require.ErrorIs(t, err, ErrNoLetter)
		require.NoError(t, o.Forget(ctx, l.Number), "it is gone")
	}
	parts, _, err := o.dead.parts.stream.Size(ctx)
	require.NoError(t, err)
	require.Zero(t, parts)
}

// A record that is too large is not kept, and one whose parts had to go for others is not taken for whole.
func TestRoomForLargeLetters(t *testing.T) {
	o := onEngine(t, 64<<20) // 8 MiB for large ones
	ctx := t.Context()
	whole, err := o.Die(ctx, o.Put(nil, func() {}), []byte(`{}`), filled(7<<20))
	require.NoError(t, err)
	require.False(t, whole)
	for range 2 {
		whole, err = o.Die(ctx, o.Put(nil, func() {}), []byte(`{}`), filled(5<<20))
		require.NoError(t, err)
		require.True(t, whole)
	}
	list, err := o.Letters(ctx, 0, 100)
	require.NoError(t, err)
	require.Len(t, list, 3)
	for i, want := range []int{0, 0, 5 << 20} {
		l, err := o.Letter(ctx, list[i].Number)
		require.NoError(t, err)
		require.Equal(t, []int{want, want}, []int{l.Size, len(l.Record)}, "letter %d", i)
	}
}

// A letter that a former program has written has its record in its text.
func TestFormerLetter(t *testing.T) {
	l, err := parseLetter([]byte(`{"event":"a","record":"AAAA"}`))
	require.NoError(t, err)
	require.Equal(t, Letter{Text: []byte(`{"event":"a","record":"AAAA"}`)}, l)
}

func FuzzParseLetter(f *testing.F) {
	inside := Letter{Text: []byte(`{"event":"a"}`), Record: []byte("abc"), Size: 3}
	f.Add(inside.append(nil))
	apart := Letter{Text: []byte(`{"event":"a"}`), Size: 3 << 20, key: "n1.7"}
	f.Add(apart.append(nil))
	none := Letter{Text: []byte(`{}`)}
	f.Add(none.append(nil))
	f.Add([]byte(`{"event":"a","record":"AAAA"}`))
	f.Add([]byte("\x95\x01\xc6\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLetter(text)
		if err != nil {
			require.ErrorIs(t, err, errLetter)
			return
		}
		again, err := parseLetter(l.append(nil))
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}
