package gateway_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// silentStore answers nothing while it is down.
type silentStore struct {
	gateway.UserGroups
	down atomic.Bool
	// listed is called behind each list that it gives.
	listed func()
}

func (s *silentStore) List(ctx context.Context, hub, user string) ([]gateway.StandingGroup, error) {
	if s.down.Load() {
		return nil, errors.New("the store does not answer")
	}
	list, err := s.UserGroups.List(ctx, hub, user)
	if s.listed != nil {
		s.listed()
	}
	return list, err
}

func TestAClientThatComesWhileTheStoreIsAwayJoinsItsGroupsLater(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		var shelf silentStore
		n := start(t, func(o *gateway.Options, _ *node) {
			shelf.UserGroups = o.UserGroups
			o.UserGroups = &shelf
		})
		for _, group := range []string{"stays", "ends", "taken"} {
			require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", group, nil))
		}
		until := 30 * time.Second
		require.NoError(t, n.AddUserToGroup(ctx, "chat", "ann", "ends", &until))
		shelf.down.Store(true)
		client, other := n.connect("1", "ann"), n.connect("2", "ann")
		client.Want(ctx, "{}")
		other.Want(ctx, "{}")
		count := func(group string) int {
			return n.do(gateway.Command{Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetAll}, Group: group}).Matched
		}
		time.Sleep(10 * time.Second)
		require.Zero(t, count("stays"))
		other.Leave()
		// A membership that ends while the store's answer is on its way does not come back.
		first := true
		shelf.listed = func() {
			if first {
				first = false
				require.NoError(t, n.RemoveUserFromGroup(ctx, "chat", "ann", "taken"))
			}
		}
		shelf.down.Store(false)
		time.Sleep(3 * time.Second)
		require.Equal(t, 1, count("stays"))
		require.Equal(t, 1, count("ends"))
		require.Zero(t, count("taken"))
		time.Sleep(30 * time.Second)
		require.Equal(t, 1, count("stays"))
		require.Zero(t, count("ends"))
		require.NoError(t, n.Check())
	})
}
