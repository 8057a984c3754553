//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who follows a hub is told of every client of a node that is killed, and only of those.
func TestFollowClientsOfAKilledNode(t *testing.T) {
	threePrograms(t)
	t.Parallel()
	more := []string{"--presence-events", "--cluster-lease=15s"}
	a := startNode(t, "a", "a", "", append(more, "--data-dir="+t.TempDir())...)
	peer := a.clusterStatus().Address
	b, c := startNode(t, "a", "b", peer, more...), startNode(t, "a", "c", peer, more...)
	for _, p := range []*program{a, b, c} {
		p.isMember(2)
	}
	_, next := a.followClients(t, "")
	require.Contains(t, next(), "event: ready")
	lost := make(map[string]bool)
	var last string
	for i := range 20 {
		at := []*program{b, c}[i%2]
		user := fmt.Sprint("u", i)
		at.connect("chat", user)
		last = next()
		require.Contains(t, last, fmt.Sprintf("%q", user))
		if at == b {
			lost[user] = true
		}
	}
	id := regexp.MustCompile(`id: (\S+)`).FindStringSubmatch(last)[1]
	_, again := c.followClients(t, id) // which the other reader's node answers
	b.kill()
	<-b.ended
	for _, next := range []func() string{next, again} {
		gone := make(map[string]bool)
		for range len(lost) {
			event := next()
			require.Contains(t, event, "event: disconnected")
			var d struct{ UserID, Node, Reason string }
			_, data, _ := strings.Cut(event, "data: ")
			require.NoError(t, json.Unmarshal([]byte(data), &d))
			require.Equal(t, []string{"b", "NodeLost"}, []string{d.Node, d.Reason})
			gone[d.UserID] = true
		}
		require.Equal(t, lost, gone)
	}
	c.connect("chat", "afterwards")
	require.Contains(t, next(), `"afterwards"`, "nothing else came")
}
