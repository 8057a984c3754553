package fields

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReader(t *testing.T) {
	text := binary.AppendUvarint(nil, 300)
	text = binary.AppendVarint(text, -5)
	text = append(text, 7)
	text = binary.BigEndian.AppendUint64(text, 1<<63)
	text = AppendText(text, "hello")
	text = binary.AppendUvarint(text, 2)
	text = append(text, "ab"...)
	read := func(r *Reader) []any {
		return []any{r.Number(), r.Varint(), r.Byte(), r.Fixed(), r.Text(5), r.Count(10, 1), string(r.Take(2))}
	}
	r := &Reader{Rest: text}
	require.Equal(t, []any{uint64(300), int64(-5), byte(7), uint64(1 << 63), "hello", 2, "ab"}, read(r))
	require.True(t, r.Whole())
	for cut := range text {
		r := &Reader{Rest: text[:cut]}
		read(r)
		require.False(t, r.Whole(), cut)
		require.True(t, r.Failed)
		require.Equal(t, []any{uint64(0), int64(0), byte(0), uint64(0), "", 0, ""}, read(r), "after a failure everything is zero")
	}
	for name, what := range map[string]func(r *Reader){
		"a number over its limit":     func(r *Reader) { r.Uvarint(299) },
		"a text over its limit":       func(r *Reader) { r.Rest = AppendText(nil, "hello"); r.Text(4) },
		"more elements than bytes":    func(r *Reader) { r.Rest = []byte{2, 0, 0, 0}; r.Count(10, 2) },
		"a negative number of bytes":  func(r *Reader) { r.Take(-1) },
		"a length that overflows":     func(r *Reader) { r.Rest = binary.AppendUvarint(nil, 1<<63); r.Bytes(1<<62 - 1) },
		"something found to be wrong": func(r *Reader) { r.Failed = true },
	} {
		r := &Reader{Rest: text}
		what(r)
		require.True(t, r.Failed, name)
		require.False(t, r.Whole(), name)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("\x01\x02hello"), []byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte{248, 255})
	f.Add([]byte("\x80\x80\x80"), []byte{1, 1, 5})
	f.Add([]byte("\x05ab"), []byte{13, 2})
	f.Add([]byte("\x03\x01a\x01b\x01c"), []byte{14, 13, 13, 13, 2})
	f.Add([]byte("12345678"), []byte{3, 4, 12})
	f.Add([]byte{}, []byte{7})
	f.Fuzz(func(t *testing.T, text, ops []byte) {
		r := &Reader{Rest: text}
		for _, op := range ops {
			left, failed := len(r.Rest), r.Failed
			switch op % 8 {
			case 0:
				require.LessOrEqual(t, r.Uvarint(uint64(op)), uint64(op))
			case 1:
				r.Varint()
			case 2:
				r.Byte()
			case 3:
				r.Fixed()
			case 4:
				require.LessOrEqual(t, len(r.Take(int(op))), left)
			case 5:
				require.LessOrEqual(t, len(r.Text(int(op))), min(left, int(op)))
			case 6:
				require.LessOrEqual(t, r.Count(int(op), 2), left/2)
			case 7:
				r.Number()
			}
			require.LessOrEqual(t, len(r.Rest), left)
			if failed {
				require.True(t, r.Failed)
				require.Len(t, r.Rest, left, "nothing is read after a failure")
			}
		}
	})
}
