package admin

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/poll"
)

// A fault is the same on all nodes: its hits are added up, and each node's share is there. A node that does not answer is
// named.
func TestFaultsOfAllNodesAreAddedUp(t *testing.T) {
	now := time.Now()
	all := faultsOfAll([]shownBy[[]Fault]{
		{Node: "b", What: []Fault{{Hub: "chat", Kind: "drop", Hits: 3, Until: now.Add(time.Second)}, {Hub: "chat", Kind: "cut", Hits: 1}}},
		{Node: "a", What: []Fault{{Hub: "chat", Kind: "drop", Hits: 2, Until: now}}},
		{Node: "c", Err: poll.ErrNoAnswer},
	})
	require.Equal(t, FaultList{
		Faults: []Fault{
			{Hub: "chat", Kind: "cut", Hits: 1, Nodes: []NodeHits{{"b", 1}}},
			{Hub: "chat", Kind: "drop", Hits: 5, Until: now.Add(time.Second), Nodes: []NodeHits{{"a", 2}, {"b", 3}}},
		},
		Missing: []NodeError{{"c", poll.ErrNoAnswer.Error()}},
	}, all)
}

// However many look at the overview, a node is asked once a second at most.
func TestNodesAreAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n allNodes
		asked := 0
		n.show(shownMetrics, func() (any, error) {
			if asked++; asked == 3 {
				return nil, errors.New("out of order")
			}
			return "up 1\n", nil
		})
		var m nodeMetrics
		for range 5 {
			require.Equal(t, []NodeMetrics{{Metrics: "up 1\n"}}, m.of(&n))
		}
		require.Equal(t, 1, asked)
		time.Sleep(metricsEvery)
		m.of(&n)
		require.Equal(t, 2, asked)
		time.Sleep(metricsEvery)
		require.Equal(t, []NodeMetrics{{Error: "out of order"}}, m.of(&n))
	})
}

// What the pages of the portal draw is among what they are given, and they are given nothing else.
func TestThePortalDrawsWhatItIsGiven(t *testing.T) {
	drawn := make(map[string]bool)
	read := regexp.MustCompile(`\.(?:sum|all|by)\('([a-z_]+)'`)
	pages := os.DirFS(filepath.Join("..", "portal", "web", "src"))
	require.NoError(t, fs.WalkDir(pages, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(filepath.Ext(path), ".js") {
			return err
		}
		text, err := fs.ReadFile(pages, path)
		for _, found := range read.FindAllStringSubmatch(string(text), -1) {
			name := found[1]
			if !strings.HasPrefix(name, "process_") {
				name = "hubgate_" + name
			}
			drawn[name] = true
		}
		return err
	}))
	require.Equal(t, slices.Sorted(maps.Keys(drawn)), overviewFamilies)
}

// Nothing that the overview draws needs to be asked of /metrics.
func TestMetricsOfTheOverview(t *testing.T) {
	a := New("1")
	a.WatchManagement(&Management{Guard: &Guard{Token: "admin", AllowPlain: true}})
	r := httptest.NewRequest(http.MethodGet, "/api/nodes/metrics", nil)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	r.Header.Set("Authorization", "Bearer admin")
	w = httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	var answer struct{ Nodes []NodeMetrics }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.Len(t, answer.Nodes, 1)
	require.Contains(t, answer.Nodes[0].Metrics, "hubgate_build_info{")
	require.NotContains(t, answer.Nodes[0].Metrics, "go_goroutines")
}
