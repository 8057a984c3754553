package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/upstream"
)

// nodeHere starts a node in this process.
func nodeHere(t *testing.T, args ...string) (*server, *program) {
	t.Helper()
	cli := new(commands)
	_, err := parseInto(cli, append([]string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--settings=/dev/null"}, args...), terminal{io.Discard, io.Discard})
	require.NoError(t, err)
	s, err := newServer(&cli.Serve.Config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), slowPatience)
		defer cancel()
		require.NoError(t, s.stop(ctx))
	})
	return s, &program{endpoints: s.endpoints, t: t}
}

// onceWelcome is a webhook that takes a client when it is told of it first, after the test has said so, and rejects it
// when it is told again.
type onceWelcome struct {
	*httptest.Server
	first  chan struct{}
	mu     sync.Mutex
	events []string
	known  bool
}

func newOnceWelcome(t *testing.T) *onceWelcome {
	o := &onceWelcome{first: make(chan struct{})}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *onceWelcome) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	<-o.first
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, r.Header.Get("X-ASRS-Event"))
	if o.known && r.Header.Get("X-ASRS-Event") == "connected" {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "not any more")
	}
	o.known = true
}

func (o *onceWelcome) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.events...)
}

// A node that has the events of another one repeats `connected`. If the application rejects the client then, the client
// is closed at the node where it is, as that node would do it, and its end is not told.
func TestD13RejectedClientOfAnotherNode(t *testing.T) {
	t.Parallel()
	hook := newOnceWelcome(t)
	release := sync.OnceFunc(func() { close(hook.first) })
	defer release() // a request that waits keeps the webhook from ending
	outbox := []string{"--upstream=" + hook.URL + "/{event}", "--upstream-outbox"}
	n, first := nodeHere(t, oneNode(outbox...)...)
	first.isReady()
	m, second := nodeHere(t, append(anotherNode(first), outbox...)...)
	first.seesPeers(1)
	second.seesPeers(1)
	second.isReady()
	ann := second.connect("chat", "ann")
	var record []byte
	require.Eventually(t, func() bool {
		list, _, err := n.nodes.deliveries.outbox.Waiting(t.Context(), 1)
		if err != nil || len(list) == 0 {
			return false
		}
		record = list[0].Record
		return true
	}, slowPatience, 10*time.Millisecond)
	release()
	require.Eventually(t, func() bool { return !m.nodes.deliveries.Left() }, slowPatience, 10*time.Millisecond)
	require.NotContains(t, hook.told(), "disconnected")

	d := n.nodes.deliveries
	d.webhooks.Deliver(upstream.Adopted{Number: d.outbox.Put(record, func() {}), Record: record})
	require.JSONEq(t, `{"type":7,"error":"not any more"}`, ann.next())
	ann.wantEnd()
	require.Eventually(t, func() bool { return second.metric(`hubgate_connections`) == 0 }, slowPatience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return !d.Left() && !m.nodes.deliveries.Left() }, slowPatience, 10*time.Millisecond)
	require.NotContains(t, hook.told(), "disconnected")
}
