package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
)

// adminAt is the flag by which verbs find the program.
func (p *program) adminAt() string { return "--admin=" + strings.TrimPrefix(p.Admin, "http://") }

func TestClusterStatus(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for _, p := range three.each() {
		p.isReady()
	}
	three.b.connect("chat", "ann")
	code, out, stderr := command("cluster", "status", three.b.adminAt())
	require.Zero(t, code, stderr)
	require.Contains(t, out, "asked: node b, other nodes at "+three.b.clusterStatus().Address+"\n")
	for _, line := range []string{`(?m)^a +up +` + version() + ` +\S+ +voter +\d+ +2 `, `(?m)^b +asked +` + version() + ` +\S+ +voter +\d+ +2 `, `(?m)^c +up +` + version()} {
		require.Regexp(t, line, out)
	}
	require.Regexp(t, `store: 3 of 3 voters are there, 2 have to be; 3 copies; [abc] leads`, out)

	code, out, _ = command("cluster", "status", three.b.adminAt(), "--json")
	require.Zero(t, code)
	var status admin.ClusterStatus
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	require.Len(t, status.Peers, 2)
	require.NotZero(t, status.Names, "the client's hub, user and connection")

	t.Run("a voter that is there is not taken out", func(t *testing.T) {
		code, _, stderr := command("cluster", "replace-voter", three.b.adminAt(), "c", "d")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "c is there: end it first")
		code, _, stderr = command("cluster", "replace-voter", three.b.adminAt(), "c", "c")
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "another name")
	})
	t.Run("N37 one that is gone for good is replaced", func(t *testing.T) {
		three.a.change(http.MethodPut, "users/ann/groups/room")
		require.Equal(t, exitOK, three.c.stop())
		three.a.seesPeers(1)
		require.Eventually(t, func() bool {
			code, out, stderr = command("cluster", "replace-voter", three.b.adminAt(), "c", "d")
			return code == exitOK
		}, patience, time.Second, stderr)
		require.Contains(t, out, "c is no voter any more. Start d, and then the others again one by one, with --cluster-voter a,b,d\n")
		d := start(t, "--node=d", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,d", "--cluster-peer="+three.b.clusterStatus().Address)
		d.isReady()
		require.Equal(t, "200", d.restStatus(http.MethodHead, "/api/hubs/chat/users/ann/groups/room", ""))
		require.Eventually(t, func() bool { return d.clusterStatus().Store.There == 3 }, patience, 100*time.Millisecond)
	})
}

// The exit code does not depend on how the status is printed.
func TestClusterStatusOfANodeThatTakesNoClients(t *testing.T) {
	t.Parallel()
	p := start(t, "--node=n", "--cluster-listen=127.0.0.1:0", "--cluster-voter=n,x,y")
	for _, more := range [][]string{nil, {"--json"}} {
		code, out, stderr := command(append([]string{"cluster", "status", p.adminAt()}, more...)...)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "node n takes no clients: joining")
		require.Equal(t, more != nil, json.Valid([]byte(out)))
	}
}

func TestClusterVerbsAtANodeAlone(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, verb := range [][]string{{"status"}, {"export"}, {"replace-voter", "a", "b"}} {
		code, _, stderr := command(append(append([]string{"cluster"}, verb...), p.adminAt())...)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "this node is alone and keeps nothing")
	}
	code, _, stderr := command("cluster", "status", "--admin=127.0.0.1:1")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "this needs the admin address of a node")
}

// What one node keeps moves to a cluster, and from there to others.
func TestN38ExportAndImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alone := start(t, "--data-dir", filepath.Join(dir, "alone"))
	alone.change(http.MethodPut, "users/ann/groups/room")
	alone.change(http.MethodPut, "users/bob/groups/room")
	file := filepath.Join(dir, "export")
	code, _, stderr := command("cluster", "export", alone.adminAt(), "-o", file)
	require.Zero(t, code, stderr)
	code, _, stderr = command("cluster", "export", alone.adminAt(), "-o", file)
	require.Equal(t, exitError, code, "nothing is overwritten: %s", stderr)

	one := start(t, oneNode()...)
	one.isReady()
	one.change(http.MethodPut, "users/bob/groups/other")
	code, out, stderr := command("cluster", "import", one.adminAt(), file)
	require.Zero(t, code, stderr)
	require.Equal(t, "users with memberships: 1 stored, 1 had some already, 0 had none in force any more\n", out)
	require.Equal(t, "200", one.restStatus(http.MethodHead, "/api/hubs/chat/users/ann/groups/room", ""))
	require.Equal(t, "404", one.restStatus(http.MethodHead, "/api/hubs/chat/users/bob/groups/room", ""))

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines[:len(lines)-2], "")), 0o600))
	code, _, stderr = command("cluster", "import", one.adminAt(), file)
	require.Equal(t, exitError, code, "half an export is none")
	require.NotEmpty(t, stderr)
}

// What a node alone keeps in a directory is there after a restart.
func TestDataOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := start(t, "--data-dir", dir)
	before.change(http.MethodPut, "users/ann/groups/room")
	code, status, stderr := command("cluster", "status", before.adminAt())
	require.Equal(t, exitOK, code, stderr)
	require.Regexp(t, `(?s)^asked: a node that is alone\n\nNODE .*\nalone +asked [^\n]*\n\nstore: of this node alone\n$`, status)
	require.Equal(t, exitOK, before.stop())
	after := start(t, "--data-dir", dir)
	ann := after.connect("chat", "ann")
	after.sendTo("groups/room/:send", "hello")
	ann.wants("hello")
}

// Nodes meet in a NATS server of somebody else.
func TestN55NodesThatMeetOutside(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, nil)
	node := func(name string, more ...string) *program {
		return start(t, append([]string{"--node=" + name, "--nats-url", nats.ClientURL(), "--cluster-secret-file=" + secretFile(t, clusterSecret)}, more...)...)
	}
	a, b := node("a"), node("b")
	other := node("a", "--nats-prefix=other") // another cluster may have the same names
	a.seesPeers(1)
	b.isReady()
	ann := b.connect("chat", "ann")
	a.sendTo("users/ann/:send", "hello")
	ann.wants("hello")
	a.change(http.MethodPut, "groups/room/connections/"+ann.id)
	a.sendTo("groups/room/:send", "room")
	ann.wants("room")
	a.change(http.MethodPut, "users/bob/groups/room")
	bob := b.connect("chat", "bob")
	a.sendTo("groups/room/:send", "both")
	bob.wants("both")
	ann.wants("both")
	require.Empty(t, other.clusterStatus().Peers)
	_, out, _ := command("cluster", "status", a.adminAt())
	require.Contains(t, out, "store: kept by the NATS server outside; copies: 1\n")
	require.Zero(t, other.metric(`hubgate_cluster_odd_packets_total{kind="Strangers"}`))
	t.Run("the server is restarted", func(t *testing.T) {
		nats.Shutdown()
		nats.WaitForShutdown()
		require.Equal(t, "503", a.storeOnce())
		require.Equal(t, "200", a.status(http.MethodGet, a.URL+"/api/health", ""))
		_, out, _ := command("cluster", "status", a.adminAt())
		require.Contains(t, out, "store: kept by the NATS server outside, which this node does not reach\n")
	})
}

// A node is not ready before it knows the others, and the store answers.
func TestN2ReadyWhenTheOthersAreKnown(t *testing.T) {
	threePrograms(t)
	t.Parallel()
	lonely := start(t, "--node=a", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c")
	status, why := lonely.get(lonely.Admin + "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status, "there is no majority of voters yet")
	require.Contains(t, why, "joining: ")
	code, out, stderr := command("cluster", "status", lonely.adminAt())
	require.Equal(t, exitError, code, out)
	require.Contains(t, stderr, "node a takes no clients: joining: ")
	second := start(t, "--node=b", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c", "--cluster-peer="+lonely.clusterStatus().Address)
	// Two of three are enough, but are given a minute for the copies of the third.
	third := start(t, "--node=c", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c", "--cluster-peer="+lonely.clusterStatus().Address)
	for _, p := range []*program{lonely, second, third} {
		p.isReady()
	}
}
