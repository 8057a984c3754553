package hubprotocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzJSONBody(f *testing.F) {
	for _, c := range jsonBodies {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		target, arguments, err := ParseJSONBody(b)
		if err != nil {
			requireBodyError(t, err)
			return
		}
		require.True(t, json.Valid(bytes.TrimPrefix(b, byteOrderMark)))
		requireMessage(t, JSON, target, arguments)
	})
}

func FuzzMessagePackBody(f *testing.F) {
	f.Add(unhex(f, packedMessage))
	f.Add(unhex(f, "82a6546172676574a16da9617267756d656e7473c0"))
	f.Add(unhex(f, "83a0c0a6746172676574a16da9617267756d656e747391d6ff00000001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		target, arguments, err := ParseMessagePackBody(b)
		if err != nil {
			requireBodyError(t, err)
			return
		}
		requireMessage(t, MessagePack, target, arguments)
	})
}

func requireBodyError(t *testing.T, err error) {
	require.True(t, errors.Is(err, ErrMalformed) || errors.Is(err, ErrTargetMissing) ||
		errors.Is(err, ErrTargetEmpty) || errors.Is(err, ErrArgumentsNotArray))
	require.NotEmpty(t, err.Error())
}

// requireMessage asserts that what a REST body says reaches clients.
func requireMessage(t *testing.T, protocol, target string, arguments []byte) {
	require.NotEmpty(t, target)
	frames, err := NewInvocation(protocol, target, arguments)
	require.NoError(t, err)
	for _, to := range []string{JSON, MessagePack} {
		framed, ok := frames.For(to)
		if !ok {
			require.NotEqual(t, protocol, to)
			continue
		}
		m, err := Parse(to, body(t, to, framed))
		require.NoError(t, err)
		require.Equal(t, Invocation, m.Type)
		require.Equal(t, target, m.Target)
		require.False(t, m.HasID)
	}
}

func FuzzOctetStreamBody(f *testing.F) {
	f.Add(unhex(f, octetJSONOnly))
	f.Add(unhex(f, octetBoth))
	f.Add(unhex(f, "82a6437573746f6dc40100abc40100"))
	f.Fuzz(func(t *testing.T, b []byte) {
		payloads, err := ParseOctetStreamBody(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.LessOrEqual(t, len(payloads), maxPayloads)
		frames, err := NewFrames(payloads)
		require.NoError(t, err)
		for _, protocol := range []string{JSON, MessagePack} {
			got, ok := frames.For(protocol)
			if want, brought := payloads[protocol]; brought {
				require.Equal(t, want, got)
			} else if ok {
				require.True(t, wholeFrames(protocol, got))
			}
		}
	})
}

func FuzzFrameCompletion(f *testing.F) {
	for _, v := range vectors {
		f.Add(JSON, "0", []byte(v.json))
		f.Add(JSON, "0", []byte(" "+v.json+"\x1e\r\n"))
		f.Add(MessagePack, "0", unhex(f, v.packed))
		f.Add(MessagePack, "0", body(f, MessagePack, unhex(f, v.packed)))
	}
	f.Add(MessagePack, "0", unhex(f, "dc00050380a13003a26f6b"))
	f.Add(BlazorPack, "0", unhex(f, "8900950380a13003a26f6b"))
	f.Fuzz(func(t *testing.T, protocol, id string, b []byte) {
		framed, err := FrameCompletion(protocol, id, b)
		if err != nil {
			require.True(t, errors.Is(err, ErrMalformed) || errors.Is(err, ErrProtocol))
			return
		}
		m, err := Parse(protocol, body(t, protocol, framed))
		require.NoError(t, err)
		require.Equal(t, Completion, m.Type)
		require.Equal(t, id, m.InvocationID)
		again, err := FrameCompletion(protocol, id, framed)
		require.NoError(t, err)
		require.Equal(t, framed, again)
	})
}
