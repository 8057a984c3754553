package hubprotocol

import (
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAckAndSequenceAsClientsWriteThem(t *testing.T) {
	for _, v := range vectors {
		write := map[Type]func([]byte, string, uint64) []byte{Ack: AppendAck, Sequence: AppendSequence}[v.message.Type]
		if write == nil {
			continue
		}
		require.Equal(t, v.json+"\x1e", string(write(nil, JSON, v.message.SequenceID)))
		for _, protocol := range []string{MessagePack, BlazorPack} {
			require.Equal(t, v.packed, hex.EncodeToString(write(nil, protocol, v.message.SequenceID)))
		}
		require.Equal(t, "x", string(write([]byte("x"), "custom", 1)))
	}
}

func TestCountNumbered(t *testing.T) {
	for _, v := range vectors {
		want := 0
		if slices.Contains([]Type{Invocation, StreamItem, Completion, StreamInvocation, CancelInvocation}, v.message.Type) {
			want = 1
		}
		packed, err := hex.DecodeString(v.packed)
		require.NoError(t, err)
		for protocol, frame := range map[string][]byte{JSON: []byte(v.json + "\x1e"), MessagePack: packed, BlazorPack: packed} {
			require.Equal(t, want, CountNumbered(protocol, frame), v.name)
			require.Equal(t, 3*want, CountNumbered(protocol, slices.Repeat(frame, 3)), v.name)
			require.Equal(t, want, CountNumbered(protocol, append(slices.Clone(frame), frame[:len(frame)-1]...)), v.name)
			require.Zero(t, testing.AllocsPerRun(10, func() { CountNumbered(protocol, frame) }))
		}
	}
	for record, want := range map[string]int{
		`{"target":"a","arguments":[],"type":1}`:                          1,
		`{"type":6,"arguments":[],"target":"a","type":1}`:                 1,
		`{"type":1,"type":6}`:                                             0,
		`{"type":1,"target":"a","arguments":[{"type":6,"b":"\"type\""}]}`: 1,
		`{"type":1,"x":1,"typ\u0065":6}`:                                  0,
		`{"type":10}`:                                                     0, `{"type":1.0}`: 0, `{"type":`: 0, ``: 0, `[]`: 0,
	} {
		require.Equal(t, want, CountNumbered(JSON, []byte(record+"\x1e")), record)
	}
	require.Zero(t, CountNumbered("custom", []byte("{\"type\":1}\x1e")))
}

func FuzzNumber(f *testing.F) {
	f.Add(uint64(3))
	f.Add(uint64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, n uint64) {
		for _, protocol := range []string{JSON, MessagePack, BlazorPack} {
			for want, frame := range map[Type][]byte{Ack: AppendAck(nil, protocol, n), Sequence: AppendSequence(nil, protocol, n)} {
				cut, body, rest, err := Cut(protocol, frame, len(frame))
				require.NoError(t, err)
				require.Empty(t, rest)
				require.Equal(t, frame, cut)
				m, err := Parse(protocol, body)
				if n > math.MaxInt64 {
					require.Error(t, err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, Message{Type: want, SequenceID: n}, m)
			}
		}
	})
}

// FuzzCountNumbered compares the count with what Peek says of each record.
func FuzzCountNumbered(f *testing.F) {
	for _, v := range vectors {
		packed, _ := hex.DecodeString(v.packed)
		f.Add(true, []byte(v.json+"\x1e"+v.json+"\x1e"))
		f.Add(false, append(packed, packed...))
	}
	f.Add(true, []byte(`{"type":1,"typ\u0065":6}`+"\x1e"))
	f.Add(true, []byte(`{"type":1,"x":"\"type\""}`+"\x1e"))
	f.Fuzz(func(t *testing.T, json bool, frames []byte) {
		protocol := MessagePack
		if json {
			protocol = JSON
		}
		want := 0
		for rest := frames; len(rest) > 0; {
			_, body, after, err := Cut(protocol, rest, len(rest))
			if err != nil || body == nil {
				break
			}
			if p, err := Peek(protocol, body); err == nil && p.Type.Numbered() {
				want++
			} else if err != nil && CountNumbered(protocol, rest[:len(rest)-len(after)]) > 0 {
				want++ // it is malformed behind its type, which receivers may see in their own way
			}
			rest = after
		}
		require.Equal(t, want, CountNumbered(protocol, frames))
	})
}
