package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeCluster is a node that sees one other.
type fakeCluster struct {
	why              string
	removed, stored  string
	exporting, asked error
	own              SharedSettings // in place of those that it has
}

func (f *fakeCluster) Stats() ClusterStats {
	s := f.stats()
	if f.own != (SharedSettings{}) {
		s.Settings = f.own
	}
	return s
}

func (f *fakeCluster) stats() ClusterStats {
	return ClusterStats{
		Node: "a", Incarnation: "a-1", Names: 3, Late: 4, Settings: SharedSettings{Known: true, Number: 7}, Lease: 20e9, Unlike: map[string][]string{"b": {"keys", "limits"}}, Odd: OddPackets{Malformed: 5, Strangers: 6},
		Engine: EngineStats{Troubles: map[string]uint64{"Lookup": 7}, Store: map[string]uint64{"Full": 8}, Life: map[string]uint64{"Held": 9}, Fenced: true},
		Peers: []Peer{{Node: "b", State: "up", RoundTrip: 2e6, QueuedBytes: 10, Books: CommandBooks{
			Handed: 20, Acknowledged: 15, Queued: 2, Received: 30, Dropped: map[string]uint64{"PeerLost": 3},
		}}},
		Former: CommandBooks{Handed: 1, Dropped: map[string]uint64{"PeerLost": 1, "PeerBehind": 0}},
	}
}

func (f *fakeCluster) Status(context.Context) ClusterStatus {
	return ClusterStatus{ClusterStats: f.Stats(), NotReady: f.why, Store: StoreStatus{Voters: 3}}
}

func (f *fakeCluster) NotReady(context.Context) string { return f.why }

func (f *fakeCluster) RemoveVoter(_ context.Context, name string) error {
	f.removed = name
	return f.asked
}

func (f *fakeCluster) Settings(context.Context) (SharedText, error) {
	return SharedText{Number: 7, Text: []byte("mode: default\n")}, f.asked
}

func (f *fakeCluster) ChangeSettings(_ context.Context, text []byte, after uint64) (uint64, error) {
	f.stored = fmt.Sprintf("%d: %s", after, text)
	return after + 1, f.asked
}

func (f *fakeCluster) Export(_ context.Context, w io.Writer) (int, error) {
	_, _ = io.WriteString(w, "exported")
	return 1, f.exporting
}

func (f *fakeCluster) Import(_ context.Context, r io.Reader) (Imported, error) {
	text, err := io.ReadAll(r)
	f.stored = string(text)
	return Imported{Users: 1}, errors.Join(err, f.asked)
}

func ask(a *Admin, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestClusterOnTheAdminAddress(t *testing.T) {
	a := New("v1")
	require.Equal(t, http.StatusServiceUnavailable, ask(a, "GET", "/cluster", "").Code, "there is no gateway yet")
	view := &View{}
	a.WatchLive(view)
	w := ask(a, "GET", "/cluster", "")
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Contains(t, w.Body.String(), "this node is alone")

	f := &fakeCluster{why: "joining: soon"}
	a.WatchCluster(f)
	var s ClusterStatus
	require.NoError(t, json.Unmarshal(ask(a, "GET", "/cluster", "").Body.Bytes(), &s))
	require.Equal(t, "joining: soon", s.NotReady)
	require.Equal(t, f.Stats().Peers, s.Peers)

	w = ask(a, "GET", "/cluster", "", "Accept", "text/html,*/*")
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'self'")
	for _, part := range []string{"<td>b</td><td>up</td>", "<td>2ms</td><td>10 B</td>", "store: 0 of 3 voters are there", "takes no clients: joining: soon", "PeerLost 4", "node b has other settings than node a: keys, limits", "<th scope=\"col\">round trip</th>"} {
		require.Contains(t, w.Body.String(), part)
	}

	require.Equal(t, http.StatusOK, ask(a, "DELETE", "/cluster/voters/c", "").Code)
	require.Equal(t, "c", f.removed)
	require.Equal(t, "exported", ask(a, "GET", "/cluster/export", "").Body.String())
	require.JSONEq(t, `{"users":1,"kept":0,"ended":0}`, ask(a, "POST", "/cluster/import", "stored").Body.String())
	require.Equal(t, "stored", f.stored)
	f.asked, f.exporting = errors.New("no majority"), errors.New("no majority")
	for _, w := range []*httptest.ResponseRecorder{ask(a, "DELETE", "/cluster/voters/c", ""), ask(a, "POST", "/cluster/import", "")} {
		require.Equal(t, http.StatusConflict, w.Code)
		require.Equal(t, "no majority\n", w.Body.String())
	}
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { ask(a, "GET", "/cluster/export", "") }, "half an export does not look whole")

	f.removed = ""
	require.Equal(t, http.StatusForbidden, ask(a, "DELETE", "/cluster/voters/c", "", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").Code)
	view.Authorize = func(*http.Request) error { return errors.New("a token is needed") }
	require.Equal(t, http.StatusUnauthorized, ask(a, "DELETE", "/cluster/voters/c", "").Code)
	require.Equal(t, http.StatusUnauthorized, ask(a, "GET", "/cluster", "").Code)
	require.Empty(t, f.removed)
}

// Metrics are sums over the other nodes, and never decrease when one is forgotten.
func TestClusterMetrics(t *testing.T) {
	a := New("v1")
	n := &fakeNode{}
	a.Watch(n)
	_, before := get(t, a, "/metrics")
	require.NotContains(t, before, "hubgate_cluster", "a node alone has none")
	a.WatchCluster(&fakeCluster{})
	_, text := get(t, a, "/metrics")
	for _, line := range []string{
		`nodes{state="up"} 1`, `nodes{state="gone"} 0`, `names 3`, `late_announcements_total 4`, `odd_packets_total{kind="Malformed"} 5`,
		`odd_packets_total{kind="Strangers"} 6`, `troubles_total{reason="Lookup"} 7`, `round_trip_seconds 0.002`, `queued_bytes 10`, `fenced 1`, `unlike_settings 1`, `lease_seconds 20`, `settings_version 7`,
		`commands_handed_total 21`, `commands_acknowledged_total 15`, `commands_waiting 2`, `commands_received_total 30`,
		`commands_dropped_total{reason="PeerLost"} 4`, `commands_dropped_total{reason="PeerBehind"} 0`,
	} {
		require.Contains(t, text, "\nhubgate_cluster_"+line+"\n")
	}
	require.Contains(t, text, "\nhubgate_store_events_total{reason=\"Full\"} 8\n")
	require.Contains(t, text, "\nhubgate_life_events_total{event=\"Held\"} 9\n")
}

func TestReadinessOfOneOfManyNodes(t *testing.T) {
	a := New("v1")
	a.Watch(&fakeNode{})
	f := &fakeCluster{why: "joining: soon"}
	a.WatchCluster(f)
	status, body := get(t, a, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "joining: soon\n", body)
	f.why = ""
	status, body = get(t, a, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready\n", body)
	f.own = SharedSettings{Known: true, Number: 8, Error: "upstream: no such file"}
	status, body = get(t, a, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready, with settings of its own: upstream: no such file\n", body)
	f.own = SharedSettings{Number: 1}
	status, body = get(t, a, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready, with settings of its own: the store has not told which settings the nodes share\n", body)
}
