package main

import (
	"encoding/json"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
)

// oneNode are flags of a cluster that has one node so far.
func oneNode(more ...string) []string {
	return append([]string{"--node=n", "--cluster-listen=127.0.0.1:0", "--cluster-voter=n"}, more...)
}

// clusterStatus is what the admin address says of the nodes.
func (p *program) clusterStatus() (s admin.ClusterStatus) {
	p.t.Helper()
	status, text := p.request(http.MethodGet, p.Admin+"/cluster", "")
	require.Equal(p.t, http.StatusOK, status, text)
	require.NoError(p.t, json.Unmarshal([]byte(text), &s))
	return s
}

// trio is three programs that are one gateway: a, b and c, all of which keep the store.
type trio struct{ a, b, c *program }

// trios bounds how many there are at once. Voters that get no processor for seconds elect somebody else, and until then
// nobody is answered.
var trios = make(chan struct{}, 4)

// threePrograms is for tests with so many. With the race detector they take long: CI looks at them without it. And the NATS
// server has a race of its own: it begins to keep the store while it answers other voters' questions about it.
func threePrograms(t *testing.T) {
	t.Helper()
	if raced && testing.Short() {
		t.Skip("three programs take long with the race detector: it is for runs without -short")
	}
}

// startTrio starts them with further flags.
func startTrio(t *testing.T, more ...string) trio {
	t.Helper()
	threePrograms(t)
	trios <- struct{}{}
	t.Cleanup(func() { <-trios }) // when all have ended
	node := func(name, peer string) *program {
		args := []string{"--node=" + name, "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c"}
		if peer != "" {
			args = append(args, "--cluster-peer="+peer)
		}
		return start(t, append(args, more...)...)
	}
	var all trio
	all.a = node("a", "")
	first := all.a.clusterStatus().Address
	all.b, all.c = node("b", first), node("c", first)
	for _, p := range all.each() {
		p.seesPeers(2)
	}
	for _, p := range all.each() {
		p.isReady()
	}
	return all
}

func (t trio) each() []*program { return []*program{t.a, t.b, t.c} }

// seesPeers waits until so many other nodes get messages of this one.
func (p *program) seesPeers(want int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		up := 0
		for _, peer := range p.clusterStatus().Peers {
			if peer.State == "up" {
				up++
			}
		}
		return up == want
	}, slowPatience, 10*time.Millisecond, "%s does not see %d other nodes", p.URL, want)
}

// isReady waits until the program says that it takes clients.
func (p *program) isReady() {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.status(http.MethodGet, p.Admin+"/readyz", "") == "200" }, slowPatience, 10*time.Millisecond)
}

// A node without its record in the store holds the ends of clients back. If it ended then, nobody would tell of them.
func TestANodeIsReadyWhenItHasItsRecord(t *testing.T) {
	t.Parallel()
	p := start(t, oneNode()...)
	require.Eventually(t, func() bool { return p.status(http.MethodGet, p.Admin+"/readyz", "") == "200" }, slowPatience, time.Millisecond)
	require.Contains(t, p.logs.String(), "this node has its record in the store")
}

// A message that is sent at a node which has not met the others would not reach their clients.
func TestANodeThatHasNotMetTheOthersSendsNothing(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0") // which never says a word
	require.NoError(t, err)
	defer nobody.Close()
	b := start(t, "--node=b", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a", "--cluster-peer="+nobody.Addr().String())
	require.Equal(t, "503", b.restStatus(http.MethodPost, "/api/hubs/chat/:send", `{"target":"news","arguments":[]}`))
	require.Equal(t, "503", b.status(http.MethodGet, b.Admin+"/readyz", ""))
	a := start(t, "--node=a", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a", "--cluster-peer="+b.clusterStatus().Address)
	for _, p := range []*program{a, b} {
		require.Eventually(t, func() bool {
			return p.restStatus(http.MethodPost, "/api/hubs/chat/:send", `{"target":"news","arguments":[]}`) == "202"
		}, slowPatience, 10*time.Millisecond)
	}
}
