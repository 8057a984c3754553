package presence_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/presence"
)

// What is there from the first page to the last is listed once and in order, at whichever node it is,
// while others come and go between the pages.
func TestListIsCompleteWhileClientsComeAndGo(t *testing.T) {
	for _, size := range []int{1, 7, 200} {
		synctest.Test(t, func(t *testing.T) {
			nodes := startNodes(t, 3)
			var stay []string
			for i := range 60 {
				id := fmt.Sprintf("stay%02d", i*7%60)
				nodes[i%3].connect(id, fmt.Sprintf("u%02d", i%20))
				stay = append(stay, id)
			}
			slices.Sort(stay)
			for i := range 30 {
				nodes[i%3].connect(fmt.Sprintf("go%02d", i), "")
			}
			synctest.Wait()
			turn := 0
			got := list[presence.Connection](nodes[1], "connections", size, nil, func() {
				for i := range 3 {
					if c, _ := nodes[i].Lookup(fmt.Sprintf("go%02d", turn*3+i)); c != nil {
						c.Close(gateway.Cause{Reason: gateway.CloseNormal})
					}
					nodes[i].connect(fmt.Sprintf("new%03d%d", 999-turn, i), "")
				}
				turn++
				synctest.Wait()
				time.Sleep(5 * time.Second) // the names of a long listing are kept for less than all of it
			})
			var ids []string
			for _, c := range got {
				ids = append(ids, c.ConnectionId)
			}
			require.True(t, slices.IsSorted(ids))
			require.Len(t, slices.Compact(slices.Clone(ids)), len(ids), "listed twice")
			for _, id := range stay {
				require.Contains(t, ids, id)
			}
		})
	}
}

// A listing of many looks at everything once and goes on from what it has kept.
func TestALongListIsKeptBetweenPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNodes(t, 1)[0]
		for i := range 9000 {
			n.connect(fmt.Sprintf("c%05d", i), "")
		}
		synctest.Wait()
		late := 0
		got := list[presence.Connection](n, "connections", 1000, nil, func() {
			n.connect(fmt.Sprintf("c9%04d", late), "")
			late++
			synctest.Wait()
		})
		require.Len(t, got, 9000, "the names of the first page serve all others")
	})
}

func TestConnectionSaysWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 2)
		began := time.Now()
		nodes[1].connect("one", "ann")
		nodes[1].join("red", "one")
		nodes[1].join("blue", "one")
		for i := range 30 {
			nodes[1].join(fmt.Sprintf("x%02d", i), "one")
		}
		time.Sleep(time.Minute)
		got := list[presence.Connection](nodes[0], "connections", 10, nil, nil)
		require.Len(t, got, 1)
		one := got[0]
		require.Len(t, one.Groups, 20)
		one.Groups = nil
		require.WithinDuration(t, began, one.ConnectedAt, time.Second)
		one.ConnectedAt = time.Time{}
		require.Equal(t, presence.Connection{ConnectionId: "one", UserId: "ann", GroupCount: 32, Transport: "WebSockets", Protocol: "json", Node: "b", State: presence.Open}, one)

		const path = "/hubgate/v1/hubs/CHAT/connections" // letter case is no matter
		require.NotContains(t, nodes[0].ask(path, nil, false).Body.String(), "192.0.2.1")
		require.Contains(t, nodes[0].ask(path, nil, true).Body.String(), `"remoteAddress":"192.0.2.1"`)
		require.Contains(t, nodes[0].ask(path, nil, true).Body.String(), `"count":1`)
	})
}

func TestUsersAndGroupsOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 3)
		for i, n := range nodes {
			for j := range 3 {
				id := fmt.Sprintf("%d-%d", i, j)
				n.connect(id, []string{"ann", "bob", fmt.Sprintf("only%d", i)}[j])
				n.join("all", id)
				if j == 0 {
					n.join(fmt.Sprintf("g%d", i), id)
				}
			}
			n.connect(fmt.Sprintf("%d-anonymous", i), "")
		}
		n := nodes[2]
		for _, size := range []int{1, 2, 100} {
			require.Equal(t, []presence.User{{UserId: "ann", Connections: 3}, {UserId: "bob", Connections: 3}, {UserId: "only0", Connections: 1}, {UserId: "only1", Connections: 1}, {UserId: "only2", Connections: 1}},
				list[presence.User](n, "users", size, nil, nil))
			require.Equal(t, []presence.Group{{Group: "all", Connections: 9}, {Group: "g0", Connections: 1}, {Group: "g1", Connections: 1}, {Group: "g2", Connections: 1}},
				list[presence.Group](n, "groups", size, nil, nil))
			require.Equal(t, []presence.User{{UserId: "ann", Connections: 1}}, list[presence.User](n, "users", size, url.Values{"group": {"g1"}}, nil))
			require.Equal(t, []presence.Group{{Group: "all", Connections: 3}, {Group: "g0", Connections: 1}, {Group: "g1", Connections: 1}, {Group: "g2", Connections: 1}},
				list[presence.Group](n, "groups", size, url.Values{"user": {"ann"}}, nil))
			require.Len(t, list[presence.Connection](n, "connections", size, url.Values{"user": {"bob"}}, nil), 3)
			require.Len(t, list[presence.Connection](n, "connections", size, url.Values{"user": {"ann"}, "group": {"g2"}}, nil), 1)
		}
		require.JSONEq(t, `{"connections":12,"users":5,"groups":4}`, n.ask("/hubgate/v1/hubs/chat", nil, false).Body.String())
		require.JSONEq(t, `{"connections":0,"users":0,"groups":0}`, n.ask("/hubgate/v1/hubs/none", nil, false).Body.String())
	})
}

// What a node that does not answer has would be missing. One that is gone has nothing.
func TestANodeThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 3)
		for i, n := range nodes {
			n.connect(fmt.Sprint("c", i), "")
		}
		nodes[2].plug.mesh.mu.Lock()
		nodes[2].plug.deaf = true
		nodes[2].plug.mesh.mu.Unlock()
		w := nodes[0].ask("/hubgate/v1/hubs/chat/connections", nil, false)
		status, code := failed(t, w)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, "NodesSilent", code)
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		require.EqualValues(t, 1, nodes[0].Failed()[presence.ReasonIncomplete])

		time.AfterFunc(time.Second, nodes[2].plug.gone)
		require.Len(t, list[presence.Connection](nodes[0], "connections", 10, nil, nil), 2)
	})
}

// A client that goes from node to node while they are asked is at one of them for the answer: the node that it comes to
// is asked before that, the node that it comes from after it.
func TestHandedOverDuringAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 3)
		moving := nodes[1].connect("moving", "ann")
		nodes[0].connect("stays", "")
		synctest.Wait()
		nodes[1].plug.mesh.mu.Lock()
		nodes[1].plug.slow = time.Second
		nodes[1].plug.mesh.mu.Unlock()
		time.AfterFunc(500*time.Millisecond, func() {
			nodes[2].connect("moving", "ann")
			moving.Conn.Ended(gateway.Cause{Reason: gateway.CloseMoved})
		})
		require.Len(t, list[presence.Connection](nodes[0], "connections", 10, nil, nil), 2)
		began := time.Now()
		require.JSONEq(t, `{"connections":2,"users":1,"groups":0}`, nodes[0].ask("/hubgate/v1/hubs/chat", nil, false).Body.String())
		require.Equal(t, time.Second, time.Since(began), "it is asked once if nothing moves")
	})
}

// While a node hands over all that it has, something moves in each round. What all nodes have answered is not given up for
// a round that does not come to its end.
func TestHandedOverAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 3)
		nodes[0].connect("stays", "")
		nodes[1].plug.mesh.mu.Lock()
		nodes[1].plug.slow = 2 * time.Second
		nodes[1].plug.mesh.mu.Unlock()
		for i := range 60 {
			moving := nodes[2].connect(fmt.Sprint("moving", i), "").Conn
			time.AfterFunc(time.Duration(i)*100*time.Millisecond, func() { moving.Ended(gateway.Cause{Reason: gateway.CloseMoved}) })
		}
		time.Sleep(time.Second)
		began := time.Now()
		w := nodes[0].ask("/hubgate/v1/hubs/chat/connections", nil, false)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.Equal(t, 4*time.Second, time.Since(began), "a third round would not be over in time")
	})
}

func TestWhoMayList(t *testing.T) {
	const path = "/hubgate/v1/hubs/chat/connections"
	plain, err := auth.SignREST(key, "http://localhost"+path, time.Minute)
	require.NoError(t, err)
	elsewhere, err := auth.SignREST(key, "http://localhost/api/hubs/chat/:send", time.Minute)
	require.NoError(t, err)
	claim, err := auth.SignPresence(key, "http://localhost"+path, time.Minute, false)
	require.NoError(t, err)
	for _, test := range []struct {
		access presence.Access
		token  string
		status int
		code   string
	}{
		{presence.AccessOff, claim, 404, "PresenceOff"},
		{presence.AccessKey, plain, 200, ""},
		{presence.AccessKey, elsewhere, 401, ""},
		{presence.AccessClaim, plain, 403, "Forbidden"},
		{presence.AccessClaim, claim, 200, ""},
	} {
		t.Run(string(test.access)+fmt.Sprint(test.status), func(t *testing.T) {
			status, code := failed(t, startNodes(t, 1, test.access)[0].askWith(test.token, path, nil))
			require.Equal(t, test.status, status)
			require.Equal(t, test.code, code)
		})
	}
}

// tokens refuses every token.
type tokens struct{ err error }

func (t tokens) Presence(string, string, string, bool) (auth.PresenceRights, error) {
	return auth.PresenceRights{}, t.err
}

func TestIssuerThatIsDown(t *testing.T) {
	down := &auth.TokenError{Failure: auth.TokenIssuerDown}
	n := startNodes(t, 1)[0]
	e := presence.New(presence.Options{Hub: n.Gateway, Tokens: tokens{down}})
	t.Cleanup(e.Close)
	w := (&node{n.Gateway, e, t, nil, nil}).ask("/hubgate/v1/hubs/chat/connections", nil, false)
	status, code := failed(t, w)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "TokenRefused", code)
	require.Equal(t, fmt.Sprint(down.RetryAfter()), w.Header().Get("Retry-After"))
}

// Nothing is changed here: the answer to other methods says what there is.
func TestOtherMethods(t *testing.T) {
	n := startNodes(t, 1)[0]
	const path = "/hubgate/v1/hubs/chat/connections"
	token, err := auth.SignREST(key, "http://localhost"+path, time.Minute)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	status, code := failed(t, w)
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Equal(t, "MethodNotAllowed", code)
	require.Equal(t, "GET", w.Header().Get("Allow"))
}

func TestWhatIsNotValid(t *testing.T) {
	n := startNodes(t, 1)[0]
	for path, want := range map[string]string{
		"/hubgate/v1/hubs/9x/connections?":                    "InvalidParameter",
		"/hubgate/v1/hubs/chat/connections?maxpagesize=1001":  "InvalidParameter",
		"/hubgate/v1/hubs/chat/connections?maxpagesize=-1":    "InvalidParameter",
		"/hubgate/v1/hubs/chat/users?maxpagesize=x":           "InvalidParameter",
		"/hubgate/v1/hubs/chat/groups?continuationToken=":     "",
		"/hubgate/v1/hubs/chat/groups?continuationToken=AAAA": "InvalidParameter",
		"/hubgate/v1/hubs/chat/groups?user=%FF":               "InvalidParameter",
		"/hubgate/v1/hubs/chat/users?application=1":           "InvalidParameter",
		"/hubgate/v1/hubs/chat/nothing?":                      "UnknownRoute",
		"/hubgate/v1/hubs/chat/connections/one?":              "UnknownRoute",
	} {
		u, err := url.Parse(path)
		require.NoError(t, err)
		_, code := failed(t, n.ask(u.Path, u.Query(), false))
		require.Equal(t, want, code, path)
	}
}
