package servermode

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A client gets the payload of its own protocol, or one that is made from another. Only that one is
// copied: a question may come with payloads for many protocols.
func TestTheFrameOfAQuestion(t *testing.T) {
	asJSON := []byte("{\"type\":1,\"target\":\"ask\",\"arguments\":[]}\x1e")
	packed := []byte{0x07, 0x95, 0x01, 0x80, 0xc0, 0xa1, 'x', 0x90}
	other := bytes.Repeat([]byte("x"), 1<<20)
	all := sp.Payloads{{Protocol: "other", Data: other}, {Protocol: "JSON", Data: asJSON}, {Protocol: "messagepack", Data: packed}}

	require.Equal(t, asJSON, frameFor(all, "json"))
	require.Equal(t, packed, frameFor(all, "messagepack"))
	require.Equal(t, other, frameFor(all, "other"))
	require.Nil(t, frameFor(all, "unknown"))
	require.Nil(t, frameFor(nil, "json"))
	require.Nil(t, frameFor(sp.Payloads{{Protocol: "json"}, {Protocol: "other", Data: other}}, "json"), "an empty payload is none")
	require.Contains(t, string(frameFor(all[1:2], "messagepack")), "ask", "made from JSON")

	got := frameFor(all, "json")
	asJSON[2]++
	require.NotEqual(t, asJSON, got, "a copy: the bytes of a message are valid for a moment only")
	require.EqualValues(t, 1, testing.AllocsPerRun(10, func() { frameFor(all, "json") }))
}
