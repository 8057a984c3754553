package serviceprotocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		name, in   string
		max        int
		body, rest string
		complete   bool
		err        error
	}{
		{name: "nothing", in: "", max: 10},
		{name: "an empty body", in: "00", max: 0, complete: true},
		{name: "a body and more", in: "0291030291", max: 10, body: "9103", rest: "0291", complete: true},
		{name: "a prefix with needless bytes", in: "8280009103ff", max: 10, body: "9103", rest: "ff", complete: true},
		{name: "half a prefix", in: "80", max: 1000, rest: "80"},
		{name: "half a body", in: "029103"[:4], max: 10, rest: "0291"},
		{name: "as large as allowed", in: "0291", max: 2, rest: "0291"},
		{name: "one byte too large", in: "0391", max: 2, rest: "0391", err: ErrTooLarge},
		{name: "too large before the prefix ends", in: "ff", max: 126, rest: "ff", err: ErrTooLarge},
		{name: "nothing is allowed", in: "00", max: -1, rest: "00", err: ErrTooLarge},
		{name: "the greatest length", in: "ffffffff07", max: MaxFrame, rest: "ffffffff07"},
		{name: "over the greatest length", in: "8080808008", max: math.MaxInt, rest: "8080808008", err: ErrMalformed},
		{name: "all bits of five bytes", in: "ffffffff7f", max: math.MaxInt, rest: "ffffffff7f", err: ErrMalformed},
		{name: "six bytes", in: "808080808000", max: math.MaxInt, rest: "808080808000", err: ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, rest, err := Cut(unhex(t, c.in), c.max)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.complete, body != nil)
			require.Equal(t, unhex(t, c.body), append([]byte{}, body...))
			require.Equal(t, unhex(t, c.rest), append([]byte{}, rest...))
			require.Equal(t, len(body), cap(body), "appending to a body does not overwrite what follows")
		})
	}
}

func TestAppendFrame(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 16383, 16384} {
		body := bytes.Repeat([]byte{0xc0}, size)
		framed := AppendFrame([]byte{0xff}, body)
		require.Equal(t, byte(0xff), framed[0])
		require.Equal(t, body, cut(t, framed[1:]))
	}
}

func TestPrefixSizes(t *testing.T) {
	for _, c := range []struct {
		size, prefix int
	}{{100, 1}, {10_000, 2}, {1 << 20, 3}, {5 << 20, 4}} {
		t.Run(fmt.Sprintf("H17 a message of %d bytes", c.size), func(t *testing.T) {
			want := &ConnectionData{ConnectionID: "C1", Payload: bytes.Repeat([]byte{'x'}, c.size)}
			framed := want.Append(nil)
			require.Equal(t, c.prefix, len(framed)-len(cut(t, framed)))
			require.Equal(t, want, parse(t, framed))
			got := bodies(t, iotest.HalfReader(bytes.NewReader(framed)))
			require.Len(t, got, 1)
			require.Equal(t, want.Payload, parse(t, AppendFrame(nil, got[0])).(*ConnectionData).Payload)
		})
	}
	// The room that is left free for the prefix is guessed from the payload.
	for size := 100; size < 140; size++ {
		for _, id := range []string{"", "C1", string(bytes.Repeat([]byte{'i'}, 200))} {
			want := &ConnectionData{ConnectionID: id, Payload: bytes.Repeat([]byte{'x'}, size)}
			require.Equal(t, want, parse(t, want.Append(nil)))
		}
	}
}

func TestPrefixRoomIsTakenBack(t *testing.T) {
	var w writer
	w.begin([]byte{0xff}, TypePing, 1<<20)
	require.Equal(t, []byte{0xff, 0x02, 0x91, 0x03}, w.end())
}

// bodies reads a source to its end.
func bodies(t testing.TB, source io.Reader) (all [][]byte) {
	t.Helper()
	for r := NewReader(source, 8<<20); ; {
		body, err := r.Next()
		if err == io.EOF {
			_, again := r.Next()
			require.Equal(t, io.EOF, again)
			return all
		}
		require.NoError(t, err)
		all = append(all, bytes.Clone(body))
	}
}

func TestReader(t *testing.T) {
	var stream []byte
	var want [][]byte
	for range 20 {
		for _, v := range appendixA {
			framed := unhex(t, v.hex)
			stream = append(stream, framed...)
			want = append(want, cut(t, framed))
		}
	}
	require.Greater(t, len(stream), 3*firstBuffer)

	t.Run("H14 several messages in one chunk", func(t *testing.T) {
		require.Equal(t, want, bodies(t, bytes.NewReader(stream)))
	})
	t.Run("H15 messages cut into single bytes", func(t *testing.T) {
		require.Equal(t, want, bodies(t, iotest.OneByteReader(bytes.NewReader(stream))))
	})
	t.Run("the last chunk comes with the end", func(t *testing.T) {
		require.Equal(t, want, bodies(t, iotest.DataErrReader(bytes.NewReader(stream))))
	})
	t.Run("an empty body", func(t *testing.T) {
		require.Equal(t, [][]byte{{}, {0x91, 0x03}}, bodies(t, bytes.NewReader([]byte{0, 2, 0x91, 3})))
	})
}

func TestReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		source io.Reader
		err    error
	}{
		{"the source ends", bytes.NewReader(nil), io.EOF},
		{"the source ends within a prefix", bytes.NewReader([]byte{0x80}), io.ErrUnexpectedEOF},
		{"the source ends within a message", bytes.NewReader([]byte{2, 0x91}), io.ErrUnexpectedEOF},
		{"the source fails", iotest.ErrReader(broken), broken},
		{"the source fails within a message", io.MultiReader(bytes.NewReader([]byte{2}), iotest.ErrReader(broken)), broken},
		{"a message is too large", bytes.NewReader([]byte{0x80, 0x08}), ErrTooLarge},
		{"a prefix is none", bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 0xff}), ErrTooLarge},
		{"the source says nothing", emptyReads{}, io.ErrNoProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader(c.source, 1000)
			for range 2 {
				body, err := r.Next()
				require.ErrorIs(t, err, c.err)
				require.Nil(t, body)
			}
		})
	}
}

type emptyReads struct{}

func (emptyReads) Read([]byte) (int, error) { return 0, nil }

func TestReaderHoldsWhatArrives(t *testing.T) {
	promise := append([]byte{0x80, 0x80, 0x80, 0x80, 0x04}, 1, 2, 3) // 1 GB
	r := NewReader(bytes.NewReader(promise), MaxFrame)
	_, err := r.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, firstBuffer, len(r.buf), "a promise takes no memory")

	large := AppendFrame(nil, bytes.Repeat([]byte{0xc0}, 1<<20))
	r = NewReader(bytes.NewReader(large), MaxFrame)
	_, err = r.Next()
	require.NoError(t, err)
	require.Less(t, len(r.buf), 3<<20)
	_, err = r.Next()
	require.Equal(t, io.EOF, err)
	require.Equal(t, firstBuffer, len(r.buf), "an idle stream keeps no large buffer")
}
