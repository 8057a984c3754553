package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/flight"
)

// trace asks for what has happened, until there is so much.
func (p *program) trace(want int, query string) flight.Answer {
	p.t.Helper()
	var a flight.Answer
	require.Eventually(p.t, func() bool {
		status, text := p.get(p.Admin + "/api/trace?" + query)
		require.Equal(p.t, http.StatusOK, status, text)
		a = flight.Answer{}
		require.NoError(p.t, json.Unmarshal([]byte(text), &a))
		return len(a.Events) >= want
	}, slowPatience, 20*time.Millisecond, "%s: fewer than %d events", query, want)
	return a
}

// kinds are the kinds of events, in order.
func kinds(a flight.Answer) string {
	var list []string
	for i := range a.Events {
		list = append(list, string(a.Events[i].Kind)+" "+string(a.Events[i].What))
	}
	return strings.Join(list, ", ")
}

// Whoever knows a user and a time finds out what became of a message.
func TestTraceOfALostMessage(t *testing.T) {
	t.Parallel()
	p := start(t, "--node=one")
	ann := p.connect("chat", "ann")
	p.connect("chat", "bob")
	send := func(to, id string) {
		path := "/api/hubs/chat" + to + "/:send?api-version=2022-06-01"
		token, err := auth.SignREST(auth.EmulatorKey, p.URL+strings.TrimSuffix(path, "?api-version=2022-06-01"), time.Minute)
		require.NoError(t, err)
		status, _ := p.request(http.MethodPost, p.URL+path, text(1), "Authorization", "Bearer "+token, "Content-Type", "application/json", "X-Request-Id", id)
		require.Equal(t, http.StatusAccepted, status)
	}
	send("/users/ann", "to-ann")
	send("/users/Ann", "wrong-case")
	send("", "to-all")
	send("/users/bob", "to-bob")
	ann.next()
	ann.next()
	a := p.trace(4, "user=ann")
	require.Equal(t, "connection opened, request answered, send sent, send sent", kinds(a))
	require.Equal(t, []flight.NodeAnswer{{Node: "one", Recorded: a.Nodes[0].Recorded}}, a.Nodes)
	sent := a.Events[2]
	if sent.Trace != "to-ann" { // the answer to the request may be written before
		sent = a.Events[1]
	}
	require.Equal(t, "to-ann", sent.Trace)
	require.Equal(t, &flight.Fate{Matched: 1, Written: 1}, sent.Fate)
	require.Len(t, sent.Receivers, 1)
	require.Equal(t, "ann", sent.Receivers[0].User)
	require.Equal(t, "written", sent.Receivers[0].Fate)
	require.Equal(t, "m", sent.Method)
	require.Empty(t, sent.Payload)
	lost := p.trace(2, "user=Ann")
	require.Equal(t, &flight.Fate{}, fateIn(lost), "nobody has this name")

	code, out, stderr := command("trace", p.adminAt(), "--user=Ann", "--since=10m")
	require.Zero(t, code, stderr)
	require.Regexp(t, `send +sent +chat +m to users Ann by=rest bytes=\d+ +matched=0 written=0 queued=0 dropped=0 +wrong-case`, out)
	code, out, stderr = command("trace", p.adminAt(), "--trace=to-ann", "--kind=send")
	require.Zero(t, code, stderr)
	require.Regexp(t, `matched=1 written=1 queued=0 dropped=0 \[ann \S+ written\]`, out)
	status, _ := p.request(http.MethodPost, p.URL+"/api/hubs/chat/:send?api-version=2022-06-01", text(1), "X-Request-Id", "no-token")
	require.Equal(t, http.StatusUnauthorized, status)
	p.trace(1, "trace=no-token")
	code, out, stderr = command("trace", p.adminAt(), "--trace=no-token")
	require.Zero(t, code, stderr)
	require.Contains(t, out, ` text="token refused: TokenMissing"`)
	code, out, _ = command("trace", p.adminAt(), "--trace=to-all", "-o", "json", "--kind=send")
	require.Zero(t, code)
	var e flight.Event
	require.NoError(t, json.Unmarshal([]byte(out), &e), out)
	require.Equal(t, &flight.Fate{Matched: 2, Written: 2}, e.Fate)
	code, _, stderr = command("trace", p.adminAt(), "--user=nobody")
	require.Zero(t, code)
	require.Contains(t, stderr, "nothing was found")
	code, _, _ = command("trace", p.adminAt(), "--since=yesterday")
	require.Equal(t, exitUsage, code)
}

// Who follows is not told of what is older than what was shown first.
func TestTraceIsFollowed(t *testing.T) {
	t.Parallel()
	p := start(t)
	send := func(id string) {
		status, answer := p.rest(http.MethodPost, "/api/hubs/chat/:send", text(1), "Content-Type", "application/json", "X-Request-Id", id)
		require.Equal(t, http.StatusAccepted, status, answer)
	}
	send("older")
	send("last")
	p.trace(2, "kind=send")
	ctx, stop := context.WithCancel(t.Context())
	out, ended := newOutput(), make(chan int)
	go func() {
		ended <- run(ctx, []string{"trace", p.adminAt(), "--kind=send", "--limit=1", "--follow", "-o", "json"}, terminal{out, newOutput()}, nil)
	}()
	out.want(t, "last")
	send("newer")
	out.want(t, "newer")
	stop()
	require.Zero(t, <-ended)
	require.NotContains(t, out.String(), "older")
	require.Equal(t, 1, strings.Count(out.String(), "last"))
}

func fateIn(a flight.Answer) *flight.Fate {
	for i := range a.Events {
		if f := a.Events[i].Fate; f != nil {
			return f
		}
	}
	return nil
}

// Why a client was closed, and why one was refused, is kept with what it did before.
func TestTraceOfAClosedAndARefusedClient(t *testing.T) {
	t.Parallel()
	p := start(t)
	ann := p.connect("chat", "ann")
	p.change(http.MethodPut, "users/ann/groups/room")
	p.change(http.MethodPost, "users/ann/:closeConnections")
	ann.wantClose(false)
	ann.wantEnd()
	a := p.trace(6, "user=ann&kind=connection&kind=command&kind=request")
	require.Contains(t, kinds(a), "command join")
	require.Contains(t, kinds(a), "command close")
	require.Contains(t, kinds(a), "connection closed")
	for i := range a.Events {
		if e := &a.Events[i]; e.What == flight.WhatClosed {
			require.Equal(t, "ClosedByAppServer", e.Reason)
		}
	}
	p.request(http.MethodPost, p.URL+"/client/negotiate?hub=chat", "")
	refused := p.trace(7, "hub=chat")
	last := refused.Events[len(refused.Events)-1]
	require.Equal(t, flight.WhatRefused, last.What)
	require.Equal(t, "TokenMissing", last.Reason)
	_, out, _ := command("trace", p.adminAt(), "--hub=chat")
	require.Contains(t, out, "see="+p.Admin+"/help/errors#client-tokenmissing")
}

// What a client says, and what its webhook answers, is in the trace of its connection.
func TestTraceOfAMessageToAWebhook(t *testing.T) {
	t.Parallel()
	p := start(t, "--upstream=echo", "--trace-payloads")
	ann := p.connect("chat", "ann")
	require.Contains(t, ann.invoke("say", `["a secret word"]`), "a secret word")
	a := p.trace(5, "user=ann")
	for _, want := range []string{"connection opened", "message received", "webhook called", "delivery delivered"} {
		require.Contains(t, kinds(a), want)
	}
	for i := range a.Events {
		if e := &a.Events[i]; e.Kind == flight.KindMessage {
			require.Equal(t, "say", e.Method)
			require.Contains(t, e.Payload, "a secret word")
		}
	}
}

// Any node finds what happened at any other.
func TestTraceOfACluster(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for _, p := range three.each() {
		p.isReady()
	}
	first := three.each()[0]
	ann := first.connect("chat", "ann")
	three.each()[1].sendTo("users/ann/:send", "hello")
	ann.next()
	for _, p := range three.each() {
		var a flight.Answer
		require.Eventually(t, func() bool {
			a = p.trace(2, "user=ann&kind=send")
			return len(a.Nodes) == 3 // which have answered in time
		}, slowPatience, 10*time.Millisecond)
		written := 0
		for i := range a.Events {
			written += a.Events[i].Fate.Written
		}
		require.Equal(t, 1, written)
	}
}
