package hubprotocol

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCutJSON(t *testing.T) {
	t.Run("several records in one message", func(t *testing.T) {
		b := []byte("{\"type\":6}\x1e{\"type\":7}\x1e{\"ty")
		frame, body, rest, err := Cut(JSON, b, 100)
		require.NoError(t, err)
		require.Equal(t, "{\"type\":6}\x1e", string(frame))
		require.Equal(t, `{"type":6}`, string(body))
		frame, body, rest, err = Cut(JSON, rest, 100)
		require.NoError(t, err)
		require.Equal(t, "{\"type\":7}\x1e", string(frame))
		require.Equal(t, `{"type":7}`, string(body))
		frame, body, rest, err = Cut(JSON, rest, 100)
		require.NoError(t, err)
		require.Nil(t, frame)
		require.Nil(t, body)
		require.Equal(t, `{"ty`, string(rest))
	})
	t.Run("record over the limit", func(t *testing.T) {
		for _, c := range []struct {
			b    string
			max  int
			want error
		}{
			{strings.Repeat("x", 10), 10, nil},
			{strings.Repeat("x", 11), 10, ErrTooLarge},
			{strings.Repeat("x", 10) + "\x1e", 10, nil},
			{strings.Repeat("x", 11) + "\x1e", 10, ErrTooLarge},
			{"\x1e", 0, nil},
			{"x", 0, ErrTooLarge},
			{"x", -1, ErrTooLarge},
			{strings.Repeat("x", 11), int(^uint(0) >> 1), nil},
		} {
			_, _, _, err := Cut(JSON, []byte(c.b), c.max)
			require.Equal(t, c.want, err, "%q %d", c.b, c.max)
		}
	})
	t.Run("an empty record is a record", func(t *testing.T) {
		frame, body, _, err := Cut(JSON, []byte("\x1e"), 10)
		require.NoError(t, err)
		require.Equal(t, "\x1e", string(frame))
		require.NotNil(t, body)
		require.Empty(t, body)
	})
	t.Run("no bytes are no record", func(t *testing.T) {
		for _, protocol := range []string{JSON, MessagePack} {
			frame, _, _, err := Cut(protocol, nil, 10)
			require.NoError(t, err)
			require.Nil(t, frame)
		}
	})
}

func TestCutMessagePack(t *testing.T) {
	for _, c := range []struct {
		name   string
		prefix []byte
		length int
	}{
		{"C73 prefix of one byte", []byte{0x7f}, 127},
		{"C73 prefix of two bytes", []byte{0xc8, 0x01}, 200},
		{"C73 prefix of three bytes", []byte{0x80, 0x80, 0x01}, 16384},
		{"C73 prefix of four bytes", []byte{0x80, 0x80, 0x80, 0x01}, 1 << 21},
		{"C73 prefix of five bytes", []byte{0x81, 0x80, 0x80, 0x80, 0x00}, 1},
		{"C73 body of no bytes", []byte{0x00}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := append(append([]byte{}, c.prefix...), bytes.Repeat([]byte{'x'}, c.length)...)
			whole := len(b)
			b = append(b, 0x02, 0x91)
			frame, body, rest, err := Cut(MessagePack, b, c.length)
			require.NoError(t, err)
			require.Len(t, frame, whole)
			require.Len(t, body, c.length)
			require.Equal(t, []byte{0x02, 0x91}, rest)
			for n := range min(whole, 10) {
				frame, _, rest, err = Cut(MessagePack, b[:n], c.length)
				require.NoError(t, err)
				require.Nil(t, frame)
				require.Len(t, rest, n)
			}
			if c.length > 0 {
				_, _, _, err = Cut(MessagePack, b[:len(c.prefix)], c.length-1)
				require.ErrorIs(t, err, ErrTooLarge, "known from the prefix alone")
			}
		})
	}
	for _, c := range []struct {
		name   string
		prefix []byte
		max    int
		want   error
	}{
		{"C73 prefix over five bytes", []byte{0x80, 0x80, 0x80, 0x80, 0x80}, 1 << 40, ErrMalformed},
		{"C73 prefix over five bytes, zero length", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, 10, ErrMalformed},
		{"C73 prefix over 2^31-1", []byte{0xff, 0xff, 0xff, 0xff, 0x08}, 1 << 40, ErrMalformed},
		{"C73 prefix of 2^31-1", []byte{0xff, 0xff, 0xff, 0xff, 0x07}, 1 << 31, nil},
		{"C73 prefix over the limit", []byte{0xff, 0xff, 0xff, 0xff, 0x07}, 1<<31 - 2, ErrTooLarge},
		{"C73 prefix over the limit before its end", []byte{0xff, 0xff}, 1000, ErrTooLarge},
		{"negative limit", []byte{0x01}, -1, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			frame, _, _, err := Cut(MessagePack, c.prefix, c.max)
			require.Equal(t, c.want, err)
			require.Nil(t, frame)
		})
	}
}

func TestFramingRoundTrip(t *testing.T) {
	for _, length := range []int{0, 1, 126, 127, 128, 16383, 16384, 1<<21 - 1, 1 << 21} {
		payload := bytes.Repeat([]byte("ab"), length/2+1)[:length]
		framed, at := openFrame([]byte("before"))
		framed = closeFrame(append(framed, payload...), at)
		require.Equal(t, "before", string(framed[:6]))
		require.Equal(t, payload, body(t, MessagePack, framed[6:]))
	}
}
