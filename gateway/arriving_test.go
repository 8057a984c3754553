package gateway_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store"
)

// slowShelf is a store whose answers arrive after something else has happened.
type slowShelf struct {
	*store.Memory
	reads     int
	meanwhile func()
}

func (s *slowShelf) List(ctx context.Context, hub, user string) ([]gateway.StandingGroup, error) {
	s.reads++
	list, err := s.Memory.List(ctx, hub, user)
	if meanwhile := s.meanwhile; meanwhile != nil {
		s.meanwhile = nil
		meanwhile()
	}
	return list, err
}

// A client that connects is asked for once, and is in the groups that its user is in at the end,
// whatever happened to them between the store's answer and the client's first message.
func TestMembershipsThatChangeWhileAClientConnects(t *testing.T) {
	join := func(group string) func(*node) error {
		return func(n *node) error { return n.AddUserToGroup(context.Background(), "chat", "ann", group, nil) }
	}
	leave := func(group string) func(*node) error {
		return func(n *node) error { return n.RemoveUserFromGroup(context.Background(), "chat", "ann", group) }
	}
	leaveAll := func(n *node) error { return n.RemoveUserFromAllGroups(context.Background(), "chat", "ann") }
	briefly := func(n *node) error {
		ttl := time.Second
		return n.AddUserToGroup(context.Background(), "chat", "ann", "brief", &ttl)
	}
	for name, c := range map[string]struct {
		meanwhile []func(*node) error
		want, not []string
	}{
		"nothing":                  {nil, []string{"old", "older"}, []string{"new"}},
		"it leaves a group":        {[]func(*node) error{leave("old")}, []string{"older"}, []string{"old"}},
		"it joins one":             {[]func(*node) error{join("new")}, []string{"new", "old", "older"}, nil},
		"it leaves and comes back": {[]func(*node) error{leave("old"), join("old")}, []string{"old", "older"}, nil},
		"it joins and leaves":      {[]func(*node) error{join("new"), leave("new")}, []string{"old"}, []string{"new"}},
		"it leaves all":            {[]func(*node) error{join("new"), leaveAll}, nil, []string{"new", "old", "older"}},
		"it leaves all and joins":  {[]func(*node) error{leaveAll, join("new"), join("old")}, []string{"new", "old"}, []string{"older"}},
		"it joins for a while":     {[]func(*node) error{briefly}, []string{"brief", "old"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shelf := &slowShelf{Memory: store.NewMemory(store.MemoryOptions{})}
				n := start(t, func(o *gateway.Options, _ *node) { o.UserGroups = shelf })
				for _, group := range []string{"old", "older"} {
					require.NoError(t, join(group)(n))
				}
				n.connect("other", "bob") // so that the hub is there
				shelf.reads, shelf.meanwhile = 0, func() {
					for _, do := range c.meanwhile {
						require.NoError(t, do(n))
					}
				}
				n.connect("1", "ann")
				for _, group := range c.want {
					require.Equal(t, 1, n.count(groups(group), ""), group)
				}
				for _, group := range c.not {
					require.Zero(t, n.count(groups(group), ""), group)
				}
				time.Sleep(3 * time.Second)
				require.Zero(t, n.count(groups("brief"), ""))
				n.balanced()
				require.Equal(t, 1, shelf.reads, "questions to the store")
			})
		})
	}
}

// A client that goes away while the store is asked leaves nothing behind.
func TestAClientThatEndsWhileTheStoreIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := &slowShelf{Memory: store.NewMemory(store.MemoryOptions{})}
		n := start(t, func(o *gateway.Options, _ *node) { o.UserGroups = shelf })
		require.NoError(t, n.AddUserToGroup(t.Context(), "chat", "ann", "old", nil))
		n.connect("other", "bob")
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Protocol: "-"})
		shelf.meanwhile = func() {
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			require.NoError(t, n.AddUserToGroup(t.Context(), "chat", "ann", "new", nil))
		}
		_ = c.Conn.Feed([]byte(jsonHandshake))
		require.Zero(t, n.count(groups("old", "new"), ""))
		require.Zero(t, n.count(users("ann"), ""))
		n.balanced()
	})
}

// A close of named connections or users does not miss a client for which the store is asked.
func TestACloseWhileTheStoreIsAsked(t *testing.T) {
	for name, target := range map[string]gateway.Target{
		"by connection": {Kind: gateway.TargetConnections, IDs: []string{"1"}},
		"by user":       users("ann"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shelf := &slowShelf{Memory: store.NewMemory(store.MemoryOptions{})}
				n := start(t, func(o *gateway.Options, _ *node) { o.UserGroups = shelf })
				n.connect("other", "bob") // so that the hub is there
				c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Protocol: "-"})
				shelf.meanwhile = func() {
					r, err := n.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbClose, Target: target,
						Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"}})
					require.NoError(t, err)
					require.Equal(t, 1, r.Matched)
				}
				_ = c.Conn.Feed([]byte(jsonHandshake))
				synctest.Wait()
				require.Equal(t, gateway.CloseClosedByAppServer, c.WantEnd(t.Context()).Reason)
				require.Zero(t, n.count(users("ann"), ""))
				n.balanced()
			})
		})
	}
}
