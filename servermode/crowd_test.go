package servermode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// crowd attaches clients without goroutines of their own. Each takes about 1.4 KB to announce.
func crowd(t *testing.T, w *world, n int) []*gateway.Conn {
	t.Helper()
	got := &tally{done: make(chan struct{}, 1)}
	got.expect(n)
	conns := make([]*gateway.Conn, n)
	for i := range conns {
		s := &sink{got: got}
		id := gateway.Identity{ID: fmt.Sprint(i), Hub: "chat", Query: "x=" + strings.Repeat("x", 1400)}
		conn, err := w.gw.Attach(id, s)
		require.NoError(t, err)
		s.conn, conns[i] = conn, conn
		require.NoError(t, conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	}
	got.wait()
	return conns
}

// wantLive fails if a client has ended.
func wantLive(t *testing.T, conns []*gateway.Conn) {
	t.Helper()
	for _, c := range conns {
		require.Nil(t, c.CloseRequested(), "client %s", c.Identity().ID)
	}
}

// wantEachOnce checks that every client was announced to exactly one of the hub servers, and
// returns how many each has got.
func wantEachOnce(t *testing.T, clients int, servers ...*hubServer) (shares []int) {
	t.Helper()
	seen := make(map[string]bool)
	for _, s := range servers {
		require.NoError(t, s.end())
		opened := s.take(sp.TypeOpenConnection)
		shares = append(shares, len(opened))
		for _, m := range opened {
			id := m.(*sp.OpenConnection).ConnectionID
			require.False(t, seen[id], "client %s twice", id)
			seen[id] = true
		}
	}
	require.Len(t, seen, clients)
	return shares
}
