package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/internal/filter"
)

// When a client connected is told alike each time, so not more exactly than the clocks are read.
func TestSinceIsInMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, nil).Gateway
		time.Sleep(1_234_567)
		gatewaytest.Connect(t, g, gatewaytest.Options{ID: "ann", Hub: "chat"})
		conns, err := g.Roll(t.Context(), "chat", gateway.Target{Kind: gateway.TargetAll}, "")
		require.NoError(t, err)
		require.Len(t, conns, 1)
		require.Equal(t, 1*time.Millisecond, time.Duration(conns[0].Since().Nanosecond()))
	})
}

func TestRollNamesWhoIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, nil).Gateway
		for i := range 300 {
			gatewaytest.Connect(t, g, gatewaytest.Options{ID: fmt.Sprintf("c%03d", i), Hub: "chat", User: fmt.Sprintf("u%03d", i/2)})
		}
		gatewaytest.Connect(t, g, gatewaytest.Options{ID: "other", Hub: "news"})
		join := func(group string, ids ...string) {
			_, err := g.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Group: group, Target: gateway.Target{Kind: gateway.TargetConnections, IDs: ids}})
			require.NoError(t, err)
		}
		join("red", "c000", "c001", "c002")
		join("blue", "c001")
		ids := func(target gateway.Target, group string) (all []string) {
			conns, err := g.Roll(t.Context(), "chat", target, group)
			require.NoError(t, err)
			for _, c := range conns {
				all = append(all, c.Identity().ID)
			}
			slices.Sort(all)
			return all
		}
		require.Len(t, ids(gateway.Target{Kind: gateway.TargetAll}, ""), 300)
		require.Equal(t, []string{"c000", "c001", "c002"}, ids(gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"red"}}, ""))
		require.Equal(t, []string{"c000", "c001"}, ids(gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"u000"}}, ""))
		require.Equal(t, []string{"c001"}, ids(gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"u000"}}, "blue"))

		ann, err := filter.Parse("userId eq 'u007'")
		require.NoError(t, err)
		require.Equal(t, []string{"c014", "c015"}, ids(gateway.Target{Kind: gateway.TargetAll, Filter: ann}, ""))
		conns, err := g.Roll(t.Context(), "chat", gateway.Target{Kind: gateway.TargetAll}, "")
		require.NoError(t, err)
		groups, err := g.GroupsOf(t.Context(), conns, 1)
		require.NoError(t, err)
		for i, c := range conns {
			want := map[string]int{"c000": 1, "c001": 2, "c002": 1}[c.Identity().ID]
			require.Equal(t, want, groups[i].Count)
			require.Len(t, groups[i].Names, min(want, 1))
		}

		var users, named []string
		g.EachUser("chat", func(user string) { users = append(users, user) })
		g.EachGroup("chat", func(group string) { named = append(named, group) })
		require.Len(t, users, 150)
		require.ElementsMatch(t, []string{"red", "blue"}, named)
		require.Equal(t, 2, g.UserConnections("chat", "u007"))
		require.Equal(t, 3, g.GroupConnections("chat", "red"))
		require.Zero(t, g.UserConnections("none", "u007")+g.GroupConnections("chat", "green"))
	})
}

// While clients come and go on both workers, whoever stays is listed once.
func TestRollWhileClientsComeAndGo(t *testing.T) {
	g := start(t, nil).Gateway
	const stay = 2000
	for i := range stay {
		gatewaytest.Connect(t, g, gatewaytest.Options{ID: fmt.Sprintf("stay%05d", i), Hub: "chat"})
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	ended := sync.OnceValue(func() error {
		close(stop)
		return <-stopped
	})
	defer ended()
	go func() {
		var there []*gatewaytest.Client
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			guest, err := gatewaytest.TryConnect(t, g, gatewaytest.Options{ID: fmt.Sprint("guest", i), Hub: "chat"})
			if err != nil {
				stopped <- err // not by FailNow, which only the goroutine of the test may call
				return
			}
			there = append(there, guest)
			if len(there) > 500 {
				there[0].Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
				there = there[1:]
			}
		}
	}()
	for range 20 {
		conns, err := g.Roll(t.Context(), "chat", gateway.Target{Kind: gateway.TargetAll}, "")
		require.NoError(t, err)
		found := make(map[string]bool, len(conns))
		stays := 0
		for _, c := range conns {
			id := c.Identity().ID
			require.False(t, found[id], "%s is listed twice", id)
			found[id] = true
			if strings.HasPrefix(id, "stay") {
				stays++
			}
		}
		require.Equal(t, stay, stays)
	}
	require.NoError(t, ended())
	g.Close()
	_, err := g.Roll(t.Context(), "chat", gateway.Target{Kind: gateway.TargetAll}, "")
	require.ErrorContains(t, err, "closed")
}
