package azurelog

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/flight"
)

// Every event has a category, a name and values for its template.
func TestEveryEventHasWords(t *testing.T) {
	for _, kind := range flight.Kinds {
		for _, what := range flight.Whats {
			for _, reason := range []string{"", "ok", "timeout", "SlowClient"} {
				e := &flight.Event{Kind: kind, What: what, Outcome: flight.Outcome{Reason: reason}}
				p := PropertyOf(idOf(e))
				require.NotNil(t, p)
				require.Contains(t, Categories, CategoryOf(e))
				require.NotEmpty(t, p.EventName)
				_, text := values(e, p.Template)
				require.NotContains(t, text, "{")
			}
		}
	}
	for id := range properties[1:] {
		require.Equal(t, id+1, properties[id+1].EventID)
	}
	require.Nil(t, PropertyOf(0))
	require.Nil(t, PropertyOf(len(properties)))
}

func TestRecords(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	e := &flight.Event{Time: at, Kind: flight.KindConnection, What: flight.WhatClosed, Subject: flight.Subject{Hub: "chat", User: "ann", Connection: "c1"},
		Outcome: flight.Outcome{Reason: "SlowClient", Text: "too slow"}, Way: flight.Way{Transport: "WebSockets", Remote: "10.0.0.1"}}
	text, err := json.Marshal(RecordOf(e, "/SUBSCRIPTIONS/X", "here"))
	require.NoError(t, err)
	require.JSONEq(t, `{"time":"2026-01-02T03:04:05.0000006Z","level":"Warning","resourceId":"/SUBSCRIPTIONS/X","location":"here","category":"AllLogs",
		"operationName":"ConnectionAborted","callerIpAddress":"10.0.0.1","properties":{"message":"Connection c1 was aborted. SlowClient too slow",
		"type":"ConnectivityLogs","collection":"Connection","connectionId":"c1","userId":"ann","hubName":"chat","transportType":"Websockets","connectionType":"Client"}}`, string(text))
	request := &flight.Event{Time: at, Kind: flight.KindRequest, What: flight.WhatAnswered, Outcome: flight.Outcome{Status: 503, Took: time.Millisecond}, Way: flight.Way{URL: "POST /api"}}
	r := RecordOf(request, "", "")
	require.Equal(t, "Error", r.Level)
	require.Equal(t, "POST", r.Properties["httpMethod"])
	require.Equal(t, 503, r.Properties["httpStatusCode"])
	require.Equal(t, "HttpRequestLogs", r.Properties["type"])
}

func TestTraces(t *testing.T) {
	e := &flight.Event{Kind: flight.KindSend, What: flight.WhatSent, Subject: flight.Subject{Hub: "chat", Trace: "t"}, Message: flight.Message{Method: "news"},
		Send: flight.Send{To: "users", Names: []string{"ann"}, Fate: &flight.Fate{Matched: 1, Written: 1}}}
	got := TraceOf(e)
	require.Equal(t, []string{"t", "users ann", "1", "1", "0", "0", "news"}, got.Values)
	require.Equal(t, "chat", got.LogContext["hubName"])
	require.Equal(t, "SentMessage", PropertyOf(got.EventID).EventName)
}
