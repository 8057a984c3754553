package hubprotocol

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFramesOfAnInvocation(t *testing.T) {
	const asJSON = "{\"type\":1,\"target\":\"newMessage\",\"arguments\":[\"hi\",{\"b\":1,\"a\":[2.5,null]}]}\x1e"
	asPacked := string(unhex(t, "25960180c0aa6e65774d65737361676592a2686982a16201a16192cb4004000000000000c090"))
	for protocol, arguments := range map[string]string{
		JSON:        `["hi",{"b":1,"a":[2.5,null]}]`,
		MessagePack: string(unhex(t, "92a2686982a16201a16192cb4004000000000000c0")),
	} {
		t.Run("C90 R24 given in "+protocol, func(t *testing.T) {
			given := []byte(arguments)
			f, err := NewInvocation(protocol, "newMessage", given)
			require.NoError(t, err)
			clear(given) // the caller may use its buffer again
			want := map[string]string{JSON: asJSON, MessagePack: asPacked}
			require.Equal(t, len(want[protocol]), f.Size())
			for _, to := range []string{MessagePack, JSON} {
				got, ok := f.For(to)
				require.True(t, ok)
				require.Equal(t, want[to], string(got))
				again, _ := f.For(to)
				require.Same(t, &got[0], &again[0], "made once")
			}
			require.Equal(t, len(asJSON), f.Size())
			for _, to := range []string{BlazorPack, "custom", ""} {
				got, ok := f.For(to)
				require.False(t, ok, to)
				require.Nil(t, got)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		_, err := NewInvocation(JSON, "", nil)
		require.ErrorIs(t, err, ErrTargetEmpty)
		_, err = NewInvocation(JSON, "m", []byte(`{}`))
		require.ErrorIs(t, err, ErrArgumentsNotArray)
		_, err = NewInvocation(MessagePack, "m", []byte(`[]`))
		require.ErrorIs(t, err, ErrMalformed)
		_, err = NewInvocation(BlazorPack, "m", nil)
		require.ErrorIs(t, err, ErrProtocol)
	})
	t.Run("arguments that JSON has no words for", func(t *testing.T) {
		f, err := NewInvocation(MessagePack, "m", unhex(t, "91819001"))
		require.NoError(t, err)
		_, ok := f.For(JSON)
		require.False(t, ok)
		_, ok = f.For(JSON)
		require.False(t, ok)
		_, ok = f.For(MessagePack)
		require.True(t, ok)
	})
}

func TestFramesAsBrought(t *testing.T) {
	t.Run("D10 D11 R23 payloads by protocol are used as they are", func(t *testing.T) {
		brought := map[string][]byte{"JSON": []byte("any\x1e"), MessagePack: []byte("thing"), BlazorPack: []byte("b"), "Custom": []byte("c2")}
		f, err := NewFrames(brought)
		require.NoError(t, err)
		for protocol, want := range map[string]string{JSON: "any\x1e", MessagePack: "thing", BlazorPack: "b", "custom": "c2"} {
			got, ok := f.For(protocol)
			require.True(t, ok, protocol)
			require.Equal(t, want, string(got))
		}
		_, ok := f.For("other")
		require.False(t, ok)
		require.Equal(t, 5, f.Size())
	})
	t.Run("D11 a missing JSON or MessagePack is converted", func(t *testing.T) {
		for _, v := range vectors {
			want := map[Type]bool{Invocation: v.message.StreamIDs == nil, StreamItem: true, Completion: true}[v.message.Type]
			asJSON := v.json + "\x1e"
			asPacked := unhex(t, v.packed)
			if v.rewritten != "" {
				asPacked = unhex(t, v.rewritten)
			}
			f, err := NewFrames(map[string][]byte{JSON: []byte(asJSON)})
			require.NoError(t, err)
			got, ok := f.For(MessagePack)
			if v.message.StreamIDs == nil {
				require.Equal(t, want, ok, v.name)
			}
			if want {
				require.Equal(t, asPacked, got, v.name)
			}
			f, err = NewFrames(map[string][]byte{MessagePack: asPacked})
			require.NoError(t, err)
			got, ok = f.For(JSON)
			if want {
				require.True(t, ok)
				require.Equal(t, asJSON, string(got), v.name)
			}
		}
	})
	t.Run("several records in one payload", func(t *testing.T) {
		two := "{\"type\":2,\"invocationId\":\"0\",\"item\":[1]}\x1e{\"type\":3,\"invocationId\":\"0\"}\x1e"
		f, err := NewFrames(map[string][]byte{JSON: []byte(two)})
		require.NoError(t, err)
		packed, ok := f.For(MessagePack)
		require.True(t, ok)
		require.Equal(t, unhex(t, "07940280a130910106940380a13002"), packed)
		f, err = NewFrames(map[string][]byte{MessagePack: packed})
		require.NoError(t, err)
		back, ok := f.For(JSON)
		require.True(t, ok)
		require.Equal(t, two, string(back))
	})
	t.Run("D11 no other protocol is made", func(t *testing.T) {
		f, err := NewFrames(map[string][]byte{JSON: []byte("{\"type\":6}\x1e")})
		require.NoError(t, err)
		_, ok := f.For(BlazorPack)
		require.False(t, ok)
		f, err = NewFrames(map[string][]byte{BlazorPack: {2, 0x91, 6}})
		require.NoError(t, err)
		for _, protocol := range []string{JSON, MessagePack, "custom"} {
			_, ok = f.For(protocol)
			require.False(t, ok)
		}
		require.Equal(t, 3, f.Size())
	})
	t.Run("what is no record is not converted", func(t *testing.T) {
		for _, payload := range []string{"{\"type\":1}\x1e", "{\"type\":6}\x1e", "{\"type\":99}\x1e", "x\x1e",
			"{\"type\":3,\"invocationId\":\"0\"}", "{\"type\":3,\"invocationId\":\"0\"}\x1ex"} {
			f, err := NewFrames(map[string][]byte{JSON: []byte(payload)})
			require.NoError(t, err)
			got, ok := f.For(MessagePack)
			require.False(t, ok, payload)
			require.Empty(t, got)
			got, ok = f.For(JSON)
			require.True(t, ok)
			require.Equal(t, payload, string(got))
		}
	})
	t.Run("no payload", func(t *testing.T) {
		for _, none := range []map[string][]byte{nil, {}, {JSON: nil}, {"custom": {}}} {
			_, err := NewFrames(none)
			require.Error(t, err)
		}
	})
}

func TestFramesConcurrently(t *testing.T) {
	f, err := NewInvocation(JSON, "m", []byte(`[`+strings.Repeat(`"some text",`, 500)+`1]`))
	require.NoError(t, err)
	var wg sync.WaitGroup
	start := make(chan struct{})
	got := make([][]byte, 8)
	for i := range got {
		wg.Go(func() {
			<-start
			got[i], _ = f.For(MessagePack)
			f.Size()
		})
	}
	close(start)
	wg.Wait()
	for i := range got {
		require.Same(t, &got[0][0], &got[i][0], "made once")
	}
}

func TestFramesForAnotherNode(t *testing.T) {
	came := map[string][]byte{JSON: []byte("{\"type\":1,\"target\":\"m\",\"arguments\":[1]}\x1e"), "custom": []byte("c"), "other": []byte("o")}
	f, err := NewFrames(came)
	require.NoError(t, err)
	_, ok := f.For(MessagePack) // made here
	require.True(t, ok)
	wire := f.Append([]byte("before"))
	require.Equal(t, "before", string(wire[:6]))
	there, err := ParseFrames(wire[6:])
	require.NoError(t, err)
	require.Equal(t, len(came[JSON]), there.Size(), "the made form was not sent")
	require.Equal(t, wire[6:], there.Append(nil))
	for _, protocol := range []string{JSON, MessagePack, "custom", "other", "unknown"} {
		want, wantOK := f.For(protocol)
		got, gotOK := there.For(protocol)
		require.Equal(t, wantOK, gotOK, protocol)
		require.Equal(t, want, got, protocol)
	}
	for i := range wire[6:] {
		_, err := ParseFrames(wire[6 : 6+i])
		require.Error(t, err, "cut at %d", i)
	}
	for _, bad := range []string{"", "\x00", "\x41", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x02\x01a\x01x\x01A\x01y", "\x01\x01a\x00", "\x01\x01a\x01xy"} {
		_, err := ParseFrames([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
	many := make(map[string][]byte)
	for i := range 65 {
		many[strings.Repeat("p", i+1)] = []byte("x")
	}
	_, err = NewFrames(many)
	require.Error(t, err)
}
