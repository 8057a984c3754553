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
	begun  int                 // of how many beginnings it was told
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

// awaitBegun waits until it was told of so many beginnings.
func (e *ends) awaitBegun(t *testing.T, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.begun == want
	}, patience, 10*time.Millisecond)
}

func largeTest(t *testing.T) {
	t.Helper()
	if os.Getenv("HUBGATE_LARGE_TESTS") == "" {
		t.Skip("a node is given up after 20 s: set HUBGATE_LARGE_TESTS")
	}
}

// startProcesses starts three programs in processes of their own that are one gateway.
func startProcesses(t *testing.T, more ...string) []*program {
	t.Helper()
	largeTest(t)
	var all []*program
	for _, name := range []string{"a", "b", "c"} {
		peer := ""
		if len(all) > 0 {
			peer = all[0].clusterStatus().Address
		}
		all = append(all, startNode(t, "a,b,c", name, peer, more...))
	}
	for _, p := range all {
		p.isMember(2)
	}
	return all
}

// logged waits until so many clients of the program are noted in the store.
func (p *program) logged(want int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.clusterStatus().Engine.Life["Logged"] == uint64(want) }, slowPatience, 10*time.Millisecond)
}

// startNode starts a program in a process of its own that is a node of a cluster with these voters.
func startNode(t *testing.T, voters, name, peer string, more ...string) *program {
	t.Helper()
	settings := filepath.Join(t.TempDir(), settingsFileName)
	require.NoError(t, os.WriteFile(settings, []byte("{}"), 0o600))
	args := []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--settings", settings,
		"--node=" + name, "--cluster-listen=127.0.0.1:0", "--cluster-voter=" + voters}
	if peer != "" {
		args = append(args, "--cluster-peer="+peer)
	}
	return startProcess(t, append(args, more...), nil)
}

// isMember waits until the program takes clients, with so many other nodes, and has its lease.
func (p *program) isMember(others int) {
	p.t.Helper()
	p.isReady()
	p.seesPeers(others)
	require.Eventually(p.t, func() bool { return !p.clusterStatus().Engine.Fenced }, slowPatience, 10*time.Millisecond)
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
	t.Parallel()
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
	all[victim].logged(len(left) + len(stay))

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
	t.Parallel()
	hook := newEnds(t)
	all := startProcesses(t, "--upstream", "chat="+hook.URL+"/{event}", "--clients-timeout=2m", "--clients-keep-alive=1m")
	hangs := all[(leader(t, all)+1)%3]
	var clients []*client
	for range 20 {
		clients = append(clients, hangs.connect("chat", "ann"))
	}
	hook.awaitBegun(t, len(clients))
	hangs.logged(len(clients))
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

// TestN35MostVotersAreDead kills two of three voters: the ends of clients are held back until one is back.
func TestN35MostVotersAreDead(t *testing.T) {
	largeTest(t)
	hook := newEnds(t)
	at := map[string][]string{}
	for _, name := range []string{"a", "b", "c"} {
		at[name] = []string{"--data-dir=" + t.TempDir(), "--upstream", "chat=" + hook.URL + "/{event}"}
	}
	a := startNode(t, "a,b,c", "a", "", at["a"]...)
	first := a.clusterStatus().Address
	b, c := startNode(t, "a,b,c", "b", first, at["b"]...), startNode(t, "a,b,c", "c", first, at["c"]...)
	d := startNode(t, "a,b,c", "d", first, "--upstream", "chat="+hook.URL+"/{event}")
	for _, p := range []*program{a, b, c, d} {
		p.isMember(3)
	}
	var die, leave []*client
	for range 5 {
		die, leave = append(die, a.connect("chat", "ann")), append(leave, d.connect("chat", "bob"))
	}
	stays := d.connect("chat", "cid")
	hook.awaitBegun(t, len(die)+len(leave)+1)
	a.logged(len(die))
	d.logged(len(leave) + 1)

	a.kill()
	b.kill()
	c.seesPeers(1)
	require.Eventually(t, func() bool { return d.clusterStatus().Engine.Fenced }, slowPatience, 10*time.Millisecond)
	c.sendTo("users/cid/:send", "goes on")
	stays.wants("goes on")
	for _, one := range leave {
		one.leave()
	}
	require.Eventually(t, func() bool { return d.clusterStatus().Engine.Life["Held"] == uint64(len(leave)) }, slowPatience, 10*time.Millisecond)
	late := c.connect("chat", "dan")
	hook.awaitBegun(t, len(die)+len(leave)+2)
	require.Zero(t, hook.count(), "nobody is told while nobody knows who may tell")
	require.Equal(t, map[string]bool{"c": false, "d": false}, map[string]bool{"c": c.clusterStatus().Isolated, "d": d.clusterStatus().Isolated})

	a = startNode(t, "a,b,c", "a", c.clusterStatus().Address, at["a"]...)
	require.Eventually(t, func() bool { return hook.count() == len(die)+len(leave) }, slowPatience, 10*time.Millisecond)
	stays.leave()
	late.leave()
	require.Eventually(t, func() bool { return hook.count() == len(die)+len(leave)+2 }, slowPatience, 10*time.Millisecond)
	for _, p := range []*program{a, d, c} {
		require.Equal(t, exitOK, p.stop())
	}
	for _, one := range append(append(die, leave...), stays, late) {
		require.Len(t, hook.of(one.id), 1)
	}
}

// TestN42NodeThatReachesNobody kills the only other node, which kept the store: until it is back, the node that is left takes
// no clients, for it cannot know whether it is cut off.
func TestN42NodeThatReachesNobody(t *testing.T) {
	largeTest(t)
	hook := newEnds(t)
	dir := []string{"--data-dir=" + t.TempDir(), "--upstream", "chat=" + hook.URL + "/{event}"}
	a := startNode(t, "a", "a", "", dir...)
	b := startNode(t, "a", "b", a.clusterStatus().Address, "--upstream", "chat="+hook.URL+"/{event}")
	a.isMember(1)
	b.isMember(1)
	ann := b.connect("chat", "ann")
	b.logged(1)
	a.kill()
	killed := time.Now()
	require.Contains(t, ann.next(), `"allowReconnect":true`)
	t.Log("closed after", time.Since(killed))
	require.Eventually(t, func() bool { return b.status(http.MethodGet, b.Admin+"/readyz", "") == "503" }, patience, 10*time.Millisecond)
	require.True(t, b.clusterStatus().Isolated)
	require.Zero(t, hook.count(), "the end is held back")
	a = startNode(t, "a", "a", b.clusterStatus().Address, dir...)
	b.isMember(1)
	require.Eventually(t, func() bool { return hook.count() == 1 }, slowPatience, 10*time.Millisecond)
	require.Equal(t, exitOK, b.stop())
	require.Equal(t, exitOK, a.stop())
	require.Len(t, hook.of(ann.id), 1)
}
