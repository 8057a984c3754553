package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/azurelog"
)

// tracer looks on at /livetrace.
type tracer struct {
	t       *testing.T
	ws      *websocket.Conn
	records []string
}

// lookOn opens live trace. Without it the status of the refusal is returned.
func (p *program) lookOn(t *testing.T, path string) (*tracer, int) {
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+path, time.Minute)
	require.NoError(t, err)
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+"/livetrace?access_token="+url.QueryEscape(token), nil)
	if err != nil {
		require.NotNil(t, resp, err)
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { ws.Close() })
	l := &tracer{t: t, ws: ws}
	l.say(`{"protocol":"json","version":1}`)
	require.Equal(t, "{}", l.next())
	return l, resp.StatusCode
}

func (l *tracer) say(record string) {
	require.NoError(l.t, l.ws.WriteMessage(websocket.TextMessage, []byte(record+"\x1e")))
}

func (l *tracer) next() string {
	for len(l.records) == 0 {
		require.NoError(l.t, l.ws.SetReadDeadline(time.Now().Add(slowPatience)))
		_, data, err := l.ws.ReadMessage()
		require.NoError(l.t, err)
		for record := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x1e"), "\x1e") {
			if record != `{"type":6}` {
				l.records = append(l.records, record)
			}
		}
	}
	first := l.records[0]
	l.records = l.records[1:]
	return first
}

// event waits for an event of this name.
func (l *tracer) event(name string) azurelog.Trace {
	for {
		if next, e := l.nextEvent(); next == name {
			return e
		}
	}
}

// nextEvent waits for an event.
func (l *tracer) nextEvent() (name string, e azurelog.Trace) {
	for {
		var call struct {
			Target    string
			Arguments []azurelog.Trace
		}
		require.NoError(l.t, json.Unmarshal([]byte(l.next()), &call))
		if call.Target == "logEvent" {
			return azurelog.PropertyOf(call.Arguments[0].EventID).EventName, call.Arguments[0]
		}
	}
}

// Live trace is a hub: who listens gets events, and asks once for what is the same for all of an id.
func TestR89LiveTrace(t *testing.T) {
	t.Parallel()
	p := start(t, "--trace-live")
	l, _ := p.lookOn(t, "/livetrace")
	l.say(`{"type":1,"invocationId":"1","target":"startListeningToLogEvents","arguments":[]}`)
	require.JSONEq(t, `{"type":3,"invocationId":"1"}`, l.next())
	p.connect("chat", "ann")
	e := l.event("ConnectionStarted")
	require.Equal(t, "ann", e.LogContext["userId"])
	require.Equal(t, "chat", e.LogContext["hubName"])
	require.Equal(t, "Websockets", e.LogContext["transportType"])
	p.sendTo("users/ann/:send", "hello")
	require.Contains(t, l.event("SentMessage").Values, "users ann")
	l.say(fmt.Sprintf(`{"type":1,"invocationId":"2","target":"LogProperty","arguments":[%d]}`, e.EventID))
	for {
		if record := l.next(); strings.Contains(record, `"LogProperty"`) {
			require.JSONEq(t, fmt.Sprintf(`{"type":1,"target":"LogProperty","arguments":[{"eventId":%d,"eventName":"ConnectionStarted","template":"Connection {connectionId} started.","logLevel":2}]}`, e.EventID), record)
			break
		}
	}
	l.say(`{"type":1,"invocationId":"3","target":"nothing","arguments":[]}`)
	for {
		if record := l.next(); strings.Contains(record, `"invocationId":"3"`) {
			require.Contains(t, record, "Unknown hub method")
			break
		}
	}
	_, status := p.lookOn(t, "/client")
	require.Equal(t, http.StatusUnauthorized, status, "a token for something else")
	require.Equal(t, "200", p.status(http.MethodPost, p.URL+"/livetrace/negotiate", "", "Authorization", "Bearer "+p.restToken("/livetrace")))
	require.Equal(t, 1.0, p.metric("hubgate_live_trace_watchers"))
}

// What the settings say of live trace holds over the configuration, for those who look on too, and a key that is
// replaced takes away what its tokens opened.
func TestR89LiveTraceEndsWithSettingsAndKeys(t *testing.T) {
	t.Parallel()
	p := start(t, "--trace-live")
	ended := func(l *tracer) {
		t.Helper()
		for !strings.Contains(l.next(), `"type":7`) {
		}
	}
	l, _ := p.lookOn(t, "/livetrace")
	p.set(`{"properties":{"liveTraceConfiguration":{"enabled":"false"}}}`)
	ended(l)
	_, status := p.lookOn(t, "/livetrace")
	require.Equal(t, http.StatusForbidden, status)
	p.set(`{"properties":{"liveTraceConfiguration":{"enabled":null}}}`)
	l, _ = p.lookOn(t, "/livetrace")
	p.set(`{"properties":{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["Trace"]}}}}`)
	ended(l)
	p.set(`{"properties":{"networkACLs":null}}`)
	l, _ = p.lookOn(t, "/livetrace")
	status, answer := p.api(http.MethodPost, "/api/keys/regenerate", `{"keyType":"primary"}`)
	require.Equal(t, http.StatusOK, status, answer)
	ended(l)
}

func TestR89LiveTraceIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	p := start(t)
	_, status := p.lookOn(t, "/livetrace")
	require.Equal(t, http.StatusForbidden, status)
}

// logged returns the records of a file of resource logs, when there is one with the operation.
func logged(t *testing.T, path, operation string) (found []azurelog.Record) {
	t.Helper()
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		found = nil
		done := false
		for line := range strings.Lines(string(text)) {
			var r azurelog.Record
			if json.Unmarshal([]byte(line), &r) == nil {
				found = append(found, r)
				done = done || r.OperationName == operation
			}
		}
		return done
	}, slowPatience, 20*time.Millisecond, operation)
	return found
}

func TestResourceLogs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs")
	p := start(t, "--trace-logs="+path, "--trace-recorder=0")
	ann := p.connect("chat", "ann")
	p.sendTo("users/ann/:send", "hello")
	ann.leave()
	types := map[any]bool{}
	for _, r := range logged(t, path, "ConnectionEnded") {
		types[r.Properties["type"]] = true
		require.Equal(t, "AllLogs", r.Category)
	}
	require.Equal(t, map[any]bool{"ConnectivityLogs": true, "MessagingLogs": true, "HttpRequestLogs": true}, types)
	require.Positive(t, p.metric("hubgate_resource_logs_written_total"))
}

// The settings say which categories resource logs have, from one event to the next.
func TestR89ResourceLogsHaveTheCategoriesOfTheSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs")
	p := start(t, "--trace-logs="+path)
	for user, want := range map[string]struct {
		category string
		lines    int
	}{"eve": {"MessagingLogs", 1}, "fay": {"ConnectivityLogs", 2}, "gil": {"HttpRequestLogs", 1}} {
		var switches []string
		for _, of := range azurelog.Categories {
			switches = append(switches, fmt.Sprintf(`{"name":%q,"enabled":"%t"}`, of, string(of) == want.category))
		}
		p.set(`{"properties":{"resourceLogConfiguration":{"categories":[` + strings.Join(switches, ",") + `]}}}`)
		one := p.connect("chat", user)
		p.sendTo("users/"+user+"/:send", "hello")
		one.leave()
		var found map[any]int
		require.Eventually(t, func() bool {
			found = linesAbout(t, path, user)
			return found[want.category] >= want.lines
		}, slowPatience, 20*time.Millisecond, "%s: %v", user, found)
		require.Len(t, found, 1, "%s: %v", user, found)
	}
}

// linesAbout counts the lines of resource logs that name a user, by category.
func linesAbout(t *testing.T, path, user string) map[any]int {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	found := make(map[any]int)
	for line := range strings.Lines(string(text)) {
		var r azurelog.Record
		if json.Unmarshal([]byte(line), &r) == nil && (strings.Contains(line, `"`+user+`"`) || strings.Contains(line, "/users/"+user) || strings.Contains(line, "users "+user)) {
			found[r.Properties["type"]]++
		}
	}
	return found
}
