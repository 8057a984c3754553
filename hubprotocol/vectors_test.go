package hubprotocol

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is one record in both encodings, as the shipped clients write it. It is used
// by the codec tests and as seed of the fuzz targets.
type vector struct {
	name    string
	json    string // without the separator
	packed  string // hex, with the length prefix
	message Message
	// rewritten is what this package writes where that differs from packed.
	rewritten string
}

var vectors = []vector{
	{name: "Invocation, no id",
		json: `{"type":1,"target":"A","arguments":[1,"x"]}`, packed: "0b960180c0a1419201a17890",
		message: Message{Type: Invocation, Target: "A", Arguments: []byte(`[1,"x"]`)}},
	{name: "Invocation, id 0",
		json: `{"type":1,"invocationId":"0","target":"A","arguments":[]}`, packed: "09960180a130a1419090",
		message: Message{Type: Invocation, InvocationID: "0", HasID: true, Target: "A", Arguments: []byte(`[]`)}},
	{name: "Invocation, five elements",
		json: `{"type":1,"invocationId":"0","target":"A","arguments":[]}`, packed: "08950180a130a14190",
		message:   Message{Type: Invocation, InvocationID: "0", HasID: true, Target: "A", Arguments: []byte(`[]`)},
		rewritten: "09960180a130a1419090"},
	{name: "Invocation, upload stream",
		json:   `{"type":1,"invocationId":"1","target":"U","arguments":[],"streamIds":["0"]}`,
		packed: "0b960180a131a1559091a130",
		message: Message{Type: Invocation, InvocationID: "1", HasID: true, Target: "U", Arguments: []byte(`[]`),
			StreamIDs: []string{"0"}}},
	{name: "StreamItem",
		json: `{"type":2,"invocationId":"0","item":42}`, packed: "06940280a1302a",
		message: Message{Type: StreamItem, InvocationID: "0", HasID: true, Result: []byte(`42`)}},
	{name: "Completion, result",
		json: `{"type":3,"invocationId":"0","result":"ok"}`, packed: "09950380a13003a26f6b",
		message: Message{Type: Completion, InvocationID: "0", HasID: true, Result: []byte(`"ok"`)}},
	{name: "Completion, null result",
		json: `{"type":3,"invocationId":"0","result":null}`, packed: "07950380a13003c0",
		message: Message{Type: Completion, InvocationID: "0", HasID: true, Result: []byte(`null`)}},
	{name: "Completion, void",
		json: `{"type":3,"invocationId":"0"}`, packed: "06940380a13002",
		message: Message{Type: Completion, InvocationID: "0", HasID: true}},
	{name: "Completion, error",
		json: `{"type":3,"invocationId":"0","error":"bad"}`, packed: "0a950380a13001a3626164",
		message: Message{Type: Completion, InvocationID: "0", HasID: true, Error: "bad", HasError: true}},
	{name: "StreamInvocation",
		json:   `{"type":4,"invocationId":"0","target":"S","arguments":[5]}`,
		packed: "0a960480a130a153910590",
		message: Message{Type: StreamInvocation, InvocationID: "0", HasID: true, Target: "S",
			Arguments: []byte(`[5]`)}},
	{name: "CancelInvocation",
		json: `{"type":5,"invocationId":"0"}`, packed: "05930580a130",
		message: Message{Type: CancelInvocation, InvocationID: "0", HasID: true}},
	{name: "Ping", json: `{"type":6}`, packed: "029106", message: Message{Type: Ping}},
	{name: "Close, two elements", json: `{"type":7}`, packed: "039207c0", rewritten: "049307c0c2",
		message: Message{Type: Close}},
	{name: "Close, three elements", json: `{"type":7}`, packed: "049307c0c2", message: Message{Type: Close}},
	{name: "Close, error, reconnect",
		json: `{"type":7,"error":"bye","allowReconnect":true}`, packed: "079307a3627965c3",
		message: Message{Type: Close, Error: "bye", HasError: true, AllowReconnect: true}},
	{name: "Ack 3", json: `{"type":8,"sequenceId":3}`, packed: "03920803",
		message: Message{Type: Ack, SequenceID: 3}},
	{name: "Sequence 300", json: `{"type":9,"sequenceId":300}`, packed: "059209cd012c",
		message: Message{Type: Sequence, SequenceID: 300}},
}

// Bodies of REST sends of newMessage("hi").
const (
	octetJSONOnly = "81a46a736f6ec4347b2274797065223a312c22746172676574223a226e65774d657373616765222c22617267756d656e7473223a5b226869225d7d1e"
	octetBoth     = "82a46a736f6ec4347b2274797065223a312c22746172676574223a226e65774d657373616765222c22617267756d656e7473223a5b226869225d7d1eab6d6573736167657061636bc41514960180c0aa6e65774d65737361676591a2686990"
	packedMessage = "82a6746172676574aa6e65774d657373616765a9617267756d656e747391a26869"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// body cuts the one record off a frame.
func body(t testing.TB, protocol string, framed []byte) []byte {
	t.Helper()
	frame, body, rest, err := Cut(protocol, framed, len(framed))
	require.NoError(t, err)
	require.Equal(t, framed, frame)
	require.Empty(t, rest)
	return body
}

// write encodes a message with the encoder for its type; ok is false for the types
// that a gateway never writes.
func write(t testing.TB, protocol string, m Message) (framed []byte, ok bool) {
	t.Helper()
	value := func(raw []byte) []byte {
		if protocol == JSON || raw == nil {
			return raw
		}
		converted, err := AppendJSONAsMessagePack(nil, raw)
		require.NoError(t, err)
		return converted
	}
	switch {
	case m.Type == Invocation && m.StreamIDs == nil:
		framed, err := AppendInvocation(nil, protocol, m.InvocationID, m.Target, value(m.Arguments))
		require.NoError(t, err)
		return framed, true
	case m.Type == StreamItem:
		return appendStreamItem(nil, protocol, m.InvocationID, value(m.Result)), true
	case m.Type == Completion && m.HasError:
		return AppendCompletionError(nil, protocol, m.InvocationID, m.Error), true
	case m.Type == Completion && m.Result != nil:
		return AppendCompletionResult(nil, protocol, m.InvocationID, value(m.Result)), true
	case m.Type == Completion:
		return AppendCompletion(nil, protocol, m.InvocationID), true
	case m.Type == Ping:
		return AppendPing(nil, protocol), true
	case m.Type == Close:
		return AppendClose(nil, protocol, m.Error, m.AllowReconnect), true
	}
	return nil, false
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run("C72 C74 "+v.name, func(t *testing.T) {
			framed := unhex(t, v.packed)
			for _, protocol := range []string{MessagePack, BlazorPack} {
				m, err := Parse(protocol, body(t, protocol, framed))
				require.NoError(t, err)
				require.Equal(t, v.message, rawAsJSON(t, m))
			}
			m, err := Parse(JSON, []byte(v.json))
			require.NoError(t, err)
			require.Equal(t, v.message, m)
		})
		t.Run("C70 written "+v.name, func(t *testing.T) {
			want := v.packed
			if v.rewritten != "" {
				want = v.rewritten
			}
			got, ok := write(t, MessagePack, v.message)
			if !ok {
				t.Skip("a gateway writes no such record")
			}
			require.Equal(t, want, hex.EncodeToString(got))
			got, _ = write(t, JSON, v.message)
			require.Equal(t, v.json+"\x1e", string(got))
			require.NotContains(t, string(got), "headers")
		})
		t.Run("peek "+v.name, func(t *testing.T) {
			for protocol, record := range map[string][]byte{
				JSON:        []byte(v.json),
				MessagePack: body(t, MessagePack, unhex(t, v.packed)),
			} {
				p, err := Peek(protocol, record)
				require.NoError(t, err)
				require.Equal(t, v.message.Type, p.Type)
				require.Equal(t, v.message.HasID, p.HasID)
				require.Equal(t, v.message.HasID, p.SameID(v.message.InvocationID))
				require.False(t, p.SameID(v.message.InvocationID+"1"))
				require.Equal(t, v.message.Target, string(p.Target))
			}
		})
	}
}

// rawAsJSON makes a message read from MessagePack comparable with the JSON one.
func rawAsJSON(t testing.TB, m Message) Message {
	t.Helper()
	for _, raw := range []*[]byte{&m.Arguments, &m.Result} {
		if *raw != nil {
			converted, err := AppendMessagePackAsJSON(nil, *raw)
			require.NoError(t, err)
			*raw = converted
		}
	}
	return m
}

func TestFormatsAndNames(t *testing.T) {
	t.Run("C80 transfer formats", func(t *testing.T) {
		require.False(t, Binary(JSON))
		for _, protocol := range []string{MessagePack, BlazorPack, "custom"} {
			require.True(t, Binary(protocol), protocol)
		}
	})
	t.Run("protocols that the gateway answers in", func(t *testing.T) {
		require.True(t, Supported(JSON))
		require.True(t, Supported(MessagePack))
		require.False(t, Supported(BlazorPack))
		require.False(t, Supported("xml"))
	})
	t.Run("record types have names from a closed list", func(t *testing.T) {
		names := map[string]bool{}
		for n := range 256 {
			names[Type(n).String()] = true
		}
		require.Len(t, names, 10)
		require.Equal(t, "streamInvocation", StreamInvocation.String())
		require.Equal(t, "unknown", Type(99).String())
	})
	t.Run("a protocol of unknown layout is neither cut, read nor written", func(t *testing.T) {
		_, _, _, err := Cut("custom", []byte{1, 2}, 10)
		require.ErrorIs(t, err, ErrProtocol)
		_, err = Parse("custom", []byte(`{"type":6}`))
		require.ErrorIs(t, err, ErrProtocol)
		_, err = Peek("custom", []byte(`{"type":6}`))
		require.ErrorIs(t, err, ErrProtocol)
		_, err = AppendInvocation(nil, "custom", "", "m", nil)
		require.ErrorIs(t, err, ErrProtocol)
		_, err = FrameCompletion("custom", "0", []byte(`{"type":3,"invocationId":"0"}`))
		require.ErrorIs(t, err, ErrProtocol)
		_, err = NewInvocation("custom", "m", nil)
		require.ErrorIs(t, err, ErrProtocol)
		require.Empty(t, AppendPing(nil, "custom"))
		require.Empty(t, AppendClose(nil, "custom", "bye", true))
		require.Empty(t, AppendCompletion(nil, "custom", "0"))
		require.Empty(t, AppendCompletionError(nil, "custom", "0", "bad"))
		require.Empty(t, AppendCompletionResult(nil, "custom", "0", nil))
	})
	t.Run("C80 blazorpack has the layout of messagepack", func(t *testing.T) {
		for _, v := range vectors {
			if want, ok := write(t, MessagePack, v.message); ok {
				got, _ := write(t, BlazorPack, v.message)
				require.Equal(t, want, got, v.name)
			}
		}
		framed := unhex(t, "09950380a13003a26f6b")
		got, err := FrameCompletion(BlazorPack, "0", framed[1:])
		require.NoError(t, err)
		require.Equal(t, framed, got)
	})
}

func nested(open, inner, closing string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(closing, n)
}
