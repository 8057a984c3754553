package main

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// The bytes that the original was seen to write.
func TestBytesOfTheOriginal(t *testing.T) {
	bus := bus(invocation{H: "Chat", M: "t", A: []any{}})
	require.JSONEq(t, `{"C":"0","M":[{"H":"Chat","M":"t","A":[]}]}`, string(bus))
	require.Equal(t, "319406a0c42b7b2243223a2230222c224d223a5b7b2248223a2243686174222c224d223a2274222c2241223a5b5d7d5d7d80", hex.EncodeToString(nested(bus)))
	handshake := serviceprotocol.HandshakeRequest{Version: serviceprotocol.Version}
	require.Equal(t, "0796010100a00080", hex.EncodeToString(handshake.Append(nil)))
	require.Equal(t, "029103", hex.EncodeToString((&serviceprotocol.Ping{}).Append(nil)))
}

func TestWhatKeysStandFor(t *testing.T) {
	text := []byte(`{}`)
	payloads := serviceprotocol.Payloads{{Protocol: "json", Data: nested(text)}}
	for key, want := range map[string]struct {
		message serviceprotocol.Message
		hub     string
	}{
		"h-ChatHub":         {&serviceprotocol.BroadcastData{Excluded: []string{"C2"}, Payloads: payloads}, "ChatHub"},
		"hc-ChatHub.C1":     {&serviceprotocol.ConnectionData{ConnectionID: "C1", Payload: nested(text)}, ""},
		"hg-ChatHub.a.b-c":  {&serviceprotocol.GroupBroadcastData{Group: "hg-ChatHub.a.b-c", Excluded: []string{"C2"}, Payloads: payloads}, ""},
		"hu-ChatHub.ann.b-": {&serviceprotocol.UserData{User: "ann.b-", Payloads: payloads}, "ChatHub"},
	} {
		m, hub, err := addressed(key, []string{"C2"}, text)
		require.NoError(t, err)
		require.Equal(t, want.message, m, key)
		require.Equal(t, want.hub, hub, key)
	}
	_, _, err := addressed("c-C1", nil, text)
	require.EqualError(t, err, "Message c-C1 is not supported.")
}

func TestResponses(t *testing.T) {
	id := func(text string) *string { return &text }
	for want, r := range map[string]response{
		`{"R":"x","I":null}`:                  {R: "x"},
		`{"I":"0"}`:                           {I: id("0")},
		`{"R":"<ü>","I":"0"}`:                 {I: id("0"), R: "<ü>"},
		`{"S":{"counter":7},"R":0,"I":"3"}`:   {I: id("3"), R: 0, S: map[string]any{"counter": 7}},
		`{"I":"P|4","P":{"I":"4","D":0}}`:     progressOf("4", 0),
		`{"I":"5","E":"bad"}`:                 failure(id("5"), errors.New("bad")),
		`{"I":"6","H":true,"E":"bad","D":{}}`: failure(id("6"), &hubException{"bad", struct{}{}}),
	} {
		require.Equal(t, want, string(encode(r)))
	}
}

func TestRequests(t *testing.T) {
	twelve := "12"
	for text, id := range map[string]*string{
		`{"H":"chathub","M":"Echo","A":["x"],"I":12}`:   &twelve,
		`{"H":"chathub","M":"Echo","A":["x"],"I":"12"}`: &twelve,
		`{"H":"chathub","M":"Echo","A":["x"]}`:          nil,
	} {
		r, err := parseRequest([]byte(text))
		require.NoError(t, err)
		require.Equal(t, id, r.id())
		require.Equal(t, "Echo", r.M)
		require.Len(t, r.A, 1)
	}
	_, err := parseRequest([]byte(`{"H":`))
	require.Error(t, err)
}
