package limits_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/limits"
)

// A user is refused over the bound, others are not; whoever leaves makes room, once (R86).
func TestR86ClientsAreCountedByUserTokenAndClaim(t *testing.T) {
	who := func(id, user, token, tenant string) *gateway.Identity {
		w := &gateway.Identity{ID: id, User: user, Token: token}
		if tenant != "" {
			w.Claims = []gateway.Claim{{Type: "tenant", Value: tenant}}
		}
		return w
	}
	var told []string
	c := limits.NewCounter([]limits.Count{
		{Name: "users", By: limits.By{Kind: "user"}, Max: 2},
		{Name: "tokens", By: limits.By{Kind: "token"}, Max: 3},
		{Name: "tenants", By: limits.By{Kind: "claim", Claim: "tenant"}, Max: 1},
	}, nil, func(rule, _, user string) { told = append(told, rule+" "+user) })
	require.NoError(t, c.Enter(who("1", "ann", "t", ""), false))
	require.NoError(t, c.Enter(who("2", "ann", "t", ""), false))
	require.NoError(t, c.Enter(who("2", "ann", "t", ""), false), "it is counted already")
	require.ErrorContains(t, c.Enter(who("3", "ann", "t", ""), false), `"users"`)
	require.Error(t, c.Enter(who("", "ann", "t", ""), true))
	require.NoError(t, c.Enter(who("4", "", "t", ""), false), "an anonymous client is no user")
	require.ErrorContains(t, c.Enter(who("5", "bob", "t", ""), false), `"tokens"`)
	require.NoError(t, c.Enter(who("6", "bob", "u", "x"), false))
	require.ErrorContains(t, c.Enter(who("7", "bob", "v", "x"), false), `"tenants"`)
	require.Equal(t, []string{"users ann", "users ann", "tokens bob", "tenants bob"}, told)
	c.Leave(who("1", "ann", "t", ""))
	c.Leave(who("1", "ann", "t", ""))
	require.NoError(t, c.Enter(who("8", "ann", "w", ""), false))
	require.Error(t, c.Enter(who("9", "ann", "w", ""), false))
	c.Seen(who("10", "cay", "w", ""))
	c.Seen(who("10", "cay", "w", ""))
	require.NoError(t, c.Enter(who("11", "cay", "w", ""), false))
	require.Error(t, c.Enter(who("12", "cay", "x", ""), false))
}

// A claim that is there and empty is no value that clients have in common: they are not counted, neither in nor out (R86).
func TestR86ClientsWithAnEmptyClaimAreNotCounted(t *testing.T) {
	c := limits.NewCounter([]limits.Count{{Name: "tenants", By: limits.By{Kind: "claim", Claim: "tenant"}, Max: 2}}, nil, func(string, string, string) {})
	for _, id := range []string{"1", "2", "3", "4"} {
		who := &gateway.Identity{ID: id, Claims: []gateway.Claim{{Type: "tenant"}}}
		require.NoError(t, c.Enter(who, false), id)
		if id != "4" {
			c.Leave(who)
		}
	}
	require.NoError(t, c.Enter(&gateway.Identity{ID: "5", Claims: []gateway.Claim{{Type: "tenant"}}}, true))
}
