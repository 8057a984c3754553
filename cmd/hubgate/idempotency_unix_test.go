//go:build unix

package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A node is killed after it has sent a message and before its caller has the answer, for which it waits: the key is
// held at the other nodes, so that a repeat sends nothing, and is free when the claim of the dead node has ended.
func TestNodeThatIsKilledBetweenASendAndItsAnswer(t *testing.T) {
	threePrograms(t)
	t.Parallel()
	a := startNode(t, "a", "a", "", "--cluster-lease=15s", "--data-dir="+t.TempDir())
	peer := a.clusterStatus().Address
	b, c := startNode(t, "a", "b", peer, "--cluster-lease=15s"), startNode(t, "a", "c", peer, "--cluster-lease=15s")
	for _, p := range []*program{a, b, c} {
		p.isMember(2)
	}
	ann := a.connect("chat", "ann")
	c.connect("chat", "bob")
	require.NoError(t, syscall.Kill(c.pid, syscall.SIGSTOP), "it tells nobody whom it has sent to")
	t.Cleanup(func() { _ = syscall.Kill(c.pid, syscall.SIGCONT) }) // it may be dead

	const path, body = "/api/hubs/chat/:send", `{"target":"once"}`
	req, err := http.NewRequest(http.MethodPost, b.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+b.restToken(path))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "order")
	req.Header.Set("Prefer", "return=representation, wait=10")
	answered := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	require.Contains(t, ann.next(), `"target":"once"`)
	b.kill()
	<-b.ended
	require.Error(t, <-answered, "the node died before it could answer")

	status, _ := a.sendOnce(path, "order", body)
	require.Equal(t, http.StatusConflict, status)
	status, _ = a.sendOnce("/api/hubs/chat/users/ann/:send", "another", `{"target":"last"}`)
	require.Equal(t, http.StatusAccepted, status)
	require.Contains(t, ann.next(), `"target":"last"`, "the repeat was not sent")
	require.Eventually(t, func() bool {
		status, replayed := a.sendOnce(path, "order", body)
		return status == http.StatusAccepted && !replayed
	}, slowPatience, 100*time.Millisecond, "the key is never free")
	require.Contains(t, ann.next(), `"target":"once"`)
	status, replayed := a.sendOnce(path, "order", body)
	require.Equal(t, http.StatusAccepted, status)
	require.True(t, replayed)
}
