package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/flight"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// A message that has a tracing id is shown under it on the node of its receiver, whichever node it came to, and is found
// by it from any node.
func TestATracingIDIsShownOnTheNodeOfTheReceiver(t *testing.T) {
	t.Parallel()
	args := []string{"--cluster-listen=127.0.0.1:0", "--cluster-voter=a", "--trace-live"}
	a := start(t, append([]string{"--node=a"}, args...)...)
	b := start(t, append([]string{"--node=b", "--cluster-peer=" + a.clusterStatus().Address}, args...)...)
	for _, p := range []*program{a, b} {
		p.seesPeers(1)
		p.isReady()
	}
	ann := b.connect("chat", "ann")
	live, _ := b.lookOn(t, "/livetrace")
	live.say(`{"type":1,"invocationId":"1","target":"startListeningToLogEvents","arguments":[]}`)
	require.JSONEq(t, `{"type":3,"invocationId":"1"}`, live.next())

	sent := func(id string) { // the node that was asked tells too, that it has nobody
		for e := live.event("SentMessage"); e.LogContext["messageTracingId"] != id || !slices.Equal(e.Values[2:4], []string{"1", "1"}); {
			e = live.event("SentMessage")
		}
	}
	const sdk = "18446744073709551614" // as the SDK logs it
	send := serviceprotocol.UserData{User: "ann", TracingID: 18446744073709551614, Payloads: serviceprotocol.Payloads{
		{Protocol: "json", Data: []byte(`{"type":1,"target":"hello","arguments":[]}` + "\x1e")},
	}}
	require.NoError(t, a.hubServerOf(serviceprotocol.KindWeak).WriteMessage(websocket.BinaryMessage, send.Append(nil)))
	require.Contains(t, ann.next(), "hello")
	sent(sdk)

	const rest = "4711"
	status, answer := a.rest(http.MethodPost, "/api/hubs/chat/users/ann/:send?api-version=2022-06-01", `{"target":"again","arguments":[]}`, "X-ASRS-Message-Tracing-Id", rest)
	require.Equal(t, http.StatusAccepted, status, answer)
	require.Contains(t, ann.next(), "again")
	sent(rest)

	for _, id := range []string{sdk, rest} {
		status, text := a.api(http.MethodGet, "/api/trace?kind=send&trace="+id, "")
		require.Equal(t, http.StatusOK, status, text)
		var found flight.Answer
		require.NoError(t, json.Unmarshal([]byte(text), &found))
		require.True(t, slices.ContainsFunc(found.Events, func(e flight.Event) bool { return e.Node == "b" && e.Fate.Written == 1 }), text)
	}
}
