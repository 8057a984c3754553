//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ends is a webhook that counts how often it was told of the end of each client.
type ends struct {
	*httptest.Server
	mu     sync.Mutex
	bodies map[string][]string // by connection
	begun  int                 // of how many beginnings it was told: those clients are noted
}

func newEnds(t *testing.T) *ends {
	e := &ends{bodies: make(map[string][]string)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		if err != nil || r.URL.Path != "/disconnected" {
			e.begun++
			return
		}
		id := r.Header.Get("X-ASRS-Connection-Id")
		e.bodies[id] = append(e.bodies[id], string(body))
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *ends) of(id string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bodies[id]
}

// count is of how many clients it was told.
func (e *ends) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.bodies)
}

// awaitBegun waits until so many clients are noted, and the ends of those that left before.
func (e *ends) awaitBegun(t *testing.T, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.begun == want
	}, patience, 10*time.Millisecond)
}

// startProcesses starts three programs in processes of their own that are one gateway.
func startProcesses(t *testing.T, more ...string) []*program {
	t.Helper()
	if os.Getenv("HUBGATE_LARGE_TESTS") == "" {
		t.Skip("a node is given up after 20 s: set HUBGATE_LARGE_TESTS")
	}
	settings := filepath.Join(t.TempDir(), settingsFileName)
	require.NoError(t, os.WriteFile(settings, []byte("{}"), 0o600))
	var all []*program
	for _, name := range []string{"a", "b", "c"} {
		args := []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--settings", settings,
			"--node=" + name, "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c"}
		if len(all) > 0 {
			args = append(args, "--cluster-peer="+all[0].clusterStatus().Address)
		}
		all = append(all, startProcess(t, append(args, more...), nil))
	}
	for _, p := range all {
		p.isReady()
		p.seesPeers(2)
		require.Eventually(t, func() bool { return !p.clusterStatus().Engine.Fenced }, slowPatience, 10*time.Millisecond)
	}
	return all
}

// leader is the program that leads the voters.
func leader(t *testing.T, all []*program) (at int) {
	t.Helper()
	require.Eventually(t, func() bool {
		name := all[0].clusterStatus().Store.Leader
		at = strings.Index("abc", name)
		return name != "" && at >= 0
	}, slowPatience, 10*time.Millisecond)
	return at
}

// TestN29N30NodeThatIsKilled kills the node that leads the voters, which is the worst one.
func TestN29N30NodeThatIsKilled(t *testing.T) {
	hook := newEnds(t)
	all := startProcesses(t, "--upstream", "chat="+hook.URL+"/{event}")
	victim := leader(t, all)
	other := all[(victim+1)%3]
	var stay, left []*client
	for range 10 {
		c := all[victim].connect("chat", "bob")
		c.leave()
		left = append(left, c)
	}
	require.Eventually(t, func() bool { return hook.count() == len(left) }, patience, 10*time.Millisecond)
	for range 40 {
		stay = append(stay, all[victim].connect("chat", "ann"))
	}
	elsewhere := other.connect("chat", "cid")
	hook.awaitBegun(t, len(left)+len(stay)+1)

	all[victim].kill()
	killed := time.Now()
	other.sendTo("users/cid/:send", "goes on")
	elsewhere.wants("goes on")
	require.Eventually(t, func() bool { return hook.count() == len(left)+len(stay) }, slowPatience, 10*time.Millisecond)
	t.Log("told of all after", time.Since(killed))
	require.Less(t, time.Since(killed), 30*time.Second)
	elsewhere.leave()
	for i, p := range all {
		if i != victim {
			require.Equal(t, exitOK, p.stop())
		}
	}
	for _, c := range stay {
		require.Equal(t, []string{`{"type":11,"error":"NodeLost: the node of the gateway that had the connection is gone."}`}, hook.of(c.id))
	}
	for _, c := range append(left, elsewhere) {
		require.Equal(t, []string{`{"type":11}`}, hook.of(c.id))
	}
}

// TestN33NodeThatHangs stops a node for so long that the others give it up.
func TestN33NodeThatHangs(t *testing.T) {
	hook := newEnds(t)
	all := startProcesses(t, "--upstream", "chat="+hook.URL+"/{event}", "--clients-timeout=2m", "--clients-keep-alive=1m")
	hangs := all[(leader(t, all)+1)%3]
	var clients []*client
	for range 20 {
		clients = append(clients, hangs.connect("chat", "ann"))
	}
	hook.awaitBegun(t, len(clients))
	process, err := os.FindProcess(hangs.pid)
	require.NoError(t, err)
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	defer func() { _ = process.Signal(syscall.SIGCONT) }() // whatever comes
	require.Eventually(t, func() bool { return hook.count() == len(clients) }, slowPatience, 10*time.Millisecond)
	require.NoError(t, process.Signal(syscall.SIGCONT))
	for _, c := range clients {
		require.Contains(t, c.next(), `"allowReconnect":true`)
	}
	require.Eventually(t, func() bool {
		s := hangs.clusterStatus()
		return !s.Engine.Fenced && s.Engine.Lease["Claimed"] == 1
	}, slowPatience, 10*time.Millisecond)
	again := hangs.connect("chat", "ann")
	again.leave()
	require.Eventually(t, func() bool { return hook.count() == len(clients)+1 }, patience, 10*time.Millisecond)
	for _, p := range all {
		require.Equal(t, exitOK, p.stop())
	}
	for _, c := range clients {
		require.Len(t, hook.of(c.id), 1)
	}
}
