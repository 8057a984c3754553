package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sendOnce sends with a key, and says whether the answer is an earlier one. It comes again while the voters elect somebody.
func (p *program) sendOnce(path, key, body string) (status int, replayed bool) {
	p.t.Helper()
	status, replayed = p.trySendOnce(path, key, body)
	for end := time.Now().Add(slowPatience); status == http.StatusServiceUnavailable && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		status, replayed = p.trySendOnce(path, key, body)
	}
	return status, replayed
}

func (p *program) trySendOnce(path, key, body string) (status int, replayed bool) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.URL+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Authorization", "Bearer "+p.restToken(path))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Idempotency-Replayed") == "true"
}

// A send that is repeated at other nodes reaches clients once.
func TestASendIsRepeatedAtAnotherNode(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for _, p := range three.each() {
		p.isReady()
	}
	ann := three.c.connect("chat", "ann")
	const path = "/api/hubs/chat/users/ann/:send"
	status, replayed := three.a.sendOnce(path, "order-1", `{"target":"once"}`)
	require.Equal(t, http.StatusAccepted, status)
	require.False(t, replayed)
	for _, p := range three.each() {
		status, replayed = p.sendOnce(path, "order-1", `{"target":"once"}`)
		require.Equal(t, http.StatusAccepted, status)
		require.True(t, replayed)
		status, _ = p.sendOnce(path, "order-1", `{"target":"another"}`)
		require.Equal(t, http.StatusUnprocessableEntity, status)
	}
	require.Contains(t, ann.next(), `"target":"once"`)
	status, _ = three.b.sendOnce(path, "order-2", `{"target":"last"}`)
	require.Equal(t, http.StatusAccepted, status)
	require.Contains(t, ann.next(), `"target":"last"`, "nothing came in between")

	// Without a majority nobody knows whether a key was used.
	three.a.stop()
	three.b.stop()
	status, _ = three.c.trySendOnce(path, "order-3", `{"target":"unknown"}`)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotZero(t, three.c.metric(`hubgate_rest_requests_failed_total{reason="StoreUnavailable"}`))
}

// What a node alone keeps in a directory outlives it, keys too.
func TestAKeyOutlivesTheNode(t *testing.T) {
	t.Parallel()
	dir := "--data-dir=" + dataDir(t)
	p := start(t, dir)
	status, replayed := p.sendOnce("/api/hubs/chat/:send", "k", `{"target":"once"}`)
	require.Equal(t, http.StatusAccepted, status)
	require.False(t, replayed)
	require.Zero(t, p.stop())
	p = start(t, dir)
	status, replayed = p.sendOnce("/api/hubs/chat/:send", "k", `{"target":"once"}`)
	require.Equal(t, http.StatusAccepted, status)
	require.True(t, replayed)
}
