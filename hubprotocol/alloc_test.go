package hubprotocol

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoAllocation(t *testing.T) {
	record := []byte(`{"arguments":["` + strings.Repeat("x", 200) + `",{"a":[1]}],"invocationId":"12","target":"m","\u0074ype":1}`)
	framed := append(append([]byte{}, record...), RecordSeparator)
	packedFramed, err := AppendInvocation(nil, MessagePack, "12", "m", unhex(t, "9201a178"))
	require.NoError(t, err)
	packedBody := body(t, MessagePack, packedFramed)
	jsonArguments, packedArguments := []byte(`[1,"x"]`), unhex(t, "9201a178")
	result := []byte(`"\u00e9"`)
	frames, err := NewFrames(map[string][]byte{JSON: framed, BlazorPack: {0}})
	require.NoError(t, err)
	_, ok := frames.For(MessagePack)
	require.True(t, ok)
	dst := make([]byte, 0, 4096)

	for name, call := range map[string]func(){
		"Cut json":          func() { _, _, _, _ = Cut(JSON, framed, 1000) },
		"Cut messagepack":   func() { _, _, _, _ = Cut(MessagePack, packedFramed, 1000) },
		"CutHandshake":      func() { _, _, _ = CutHandshake(framed, 1000) },
		"Peek json":         func() { p, _ := Peek(JSON, record); _ = p.SameID("12") },
		"Peek messagepack":  func() { p, _ := Peek(MessagePack, packedBody); _ = p.SameID("12") },
		"For json":          func() { frames.For(JSON) },
		"For messagepack":   func() { frames.For(MessagePack) },
		"For others":        func() { frames.For(BlazorPack); frames.For("custom") },
		"Size":              func() { frames.Size() },
		"handshake answer":  func() { AppendHandshakeResponse(dst, "no") },
		"json encoders":     func() { allEncoders(dst, JSON, jsonArguments, result) },
		"packed encoders":   func() { allEncoders(dst, MessagePack, packedArguments, packedArguments) },
		"json to packed":    func() { _, _ = AppendJSONAsMessagePack(dst, jsonArguments) },
		"packed to json":    func() { _, _ = AppendMessagePackAsJSON(dst, packedArguments) },
		"unfinished record": func() { _, _, _, _ = Cut(JSON, record, 1000) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, call), name)
	}
}

func allEncoders(dst []byte, protocol string, arguments, result []byte) {
	_, _ = AppendInvocation(dst, protocol, "12", "mé", arguments)
	AppendPing(dst, protocol)
	AppendClose(dst, protocol, "bye", true)
	AppendCompletion(dst, protocol, "12")
	AppendCompletionError(dst, protocol, "12", "bad")
	AppendCompletionResult(dst, protocol, "12", result)
}

func TestLengthsDoNotAllocate(t *testing.T) {
	for _, hostile := range []string{"ddffffffff", "dfffffffff", "c6ffffffff", "dbffffffff", "c9ffffffff01",
		"950180c0a141ddffffffff", "960180c0a14190ddffffffff", "9501dfffffffff", "81a6746172676574dbffffffff"} {
		b := unhex(t, hostile)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, parsed := Parse(MessagePack, b)
		_, converted := AppendMessagePackAsJSON(nil, b)
		_, _, message := ParseMessagePackBody(b)
		_, payloads := ParseOctetStreamBody(b)
		runtime.ReadMemStats(&after)
		for _, err := range []error{parsed, converted, message, payloads} {
			require.ErrorIs(t, err, ErrMalformed, hostile)
		}
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), hostile)
	}
}
