package bench

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serverFrame is one unmasked frame.
func serverFrame(opcode byte, payload string) []byte {
	dst := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// heads feeds a stream in chunks and returns the heads of its records.
func heads(t testing.TB, stream []byte, chunk int, binaryProtocol bool) (got []string, err error) {
	t.Helper()
	var f frameReader
	r := recordCounter{binary: binaryProtocol}
	var bad error
	for len(stream) > 0 && err == nil {
		n := min(chunk, len(stream))
		err = f.feed(stream[:n], func(piece []byte) {
			if e := r.feed(piece, func(head []byte) { got = append(got, string(head)) }); e != nil && bad == nil {
				bad = e
			}
		}, func(opcode byte, payload []byte) error {
			if opcode == opClose {
				return parseClose(payload)
			}
			return nil
		})
		stream = stream[n:]
	}
	if bad != nil {
		err = bad
	}
	return got, err
}

func TestRecordsOfAnyChunking(t *testing.T) {
	long := strings.Repeat("y", 70_000)
	var stream []byte
	stream = append(stream, serverFrame(opText, "{}\x1e{\"type\":6}\x1e")...)
	stream = append(stream, serverFrame(opPing, "beat")...)
	stream = append(stream, serverFrame(opText, "")...)
	stream = append(stream, serverFrame(opText, strings.Repeat("z", 300)+"\x1e")...)
	stream = append(stream, serverFrame(opText, long+"\x1ea\x1e")...)
	want := []string{"{}", `{"type":6}`, strings.Repeat("z", headLength), long[:headLength], "a"}
	for _, chunk := range []int{1, 2, 3, 7, 64, 4096, 1 << 20} {
		got, err := heads(t, stream, chunk, false)
		require.NoError(t, err)
		require.Equal(t, want, got, "chunks of %d", chunk)
	}
}

func TestMessagePackRecordsOfAnyChunking(t *testing.T) {
	body := strings.Repeat("b", 200)
	records := "\x02\x91\x06" + "\xc8\x01" + body + "\x01a"
	stream := serverFrame(opBinary, records)
	for _, chunk := range []int{1, 2, 5, 1 << 20} {
		got, err := heads(t, stream, chunk, true)
		require.NoError(t, err)
		require.Equal(t, []string{"\x91\x06", body[:headLength], "a"}, got)
	}
	_, err := heads(t, serverFrame(opBinary, "\xff\xff\xff\xff\xff\xff"), 100, true)
	require.ErrorIs(t, err, errPrefix)
}

func TestCloseFrame(t *testing.T) {
	_, err := heads(t, serverFrame(opClose, "\x03\xe8bye"), 3, false)
	require.EqualError(t, err, "closed by the server with code 1000: bye")
	_, err = heads(t, serverFrame(opClose, ""), 3, false)
	require.EqualError(t, err, "closed by the server with code 1005")
}

func TestFramesThatServersMustNotSend(t *testing.T) {
	_, err := heads(t, appendMasked(nil, opText, []byte("x")), 100, false)
	require.ErrorContains(t, err, "masked")
	_, err = heads(t, serverFrame(opPing, strings.Repeat("x", 126)), 100, false)
	require.ErrorContains(t, err, "125")
}

func FuzzFrames(f *testing.F) {
	f.Add(serverFrame(opText, "{}\x1e"), uint8(1), false)
	f.Add(serverFrame(opBinary, "\x02\x91\x06\xc8\x01"), uint8(3), true)
	f.Add(serverFrame(opClose, "\x03\xe8bye"), uint8(2), false)
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8, binaryProtocol bool) {
		whole, wholeErr := heads(t, bytes.Clone(stream), len(stream)+1, binaryProtocol)
		pieces, piecesErr := heads(t, stream, int(chunk)+1, binaryProtocol)
		// Before an error the records are the same, whatever the chunks.
		n := min(len(whole), len(pieces))
		require.Equal(t, whole[:n], pieces[:n])
		if wholeErr == nil {
			require.NoError(t, piecesErr)
			require.Equal(t, whole, pieces)
		}
	})
}
