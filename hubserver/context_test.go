package hubserver

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("Chat")
		seen := make(chan *Context, 1)
		hub.OnConnected(func(ctx *Context) error { seen <- ctx; return nil })
		g, _ := serve(t, hub)
		g.peer().open("C1", func(m *serviceprotocol.OpenConnection) {
			nameIdentifier := auth.LongClaimType("nameid")
			role := "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
			m.Claims = []serviceprotocol.Claim{{Type: "aud", Value: "x"}, {Type: "asrs.s.aut", Value: "x"},
				{Type: nameIdentifier, Value: "u0"}, {Type: "asrs.s.uid", Value: "u1"},
				{Type: role, Value: "a"}, {Type: role, Value: "b"}, {Type: "asrs.u.exp", Value: "never"}}
			m.Headers = []serviceprotocol.Header{{Name: "x-forwarded-for", Values: []string{"10.0.0.9"}}, {Name: "Cookie", Values: []string{"a", "b"}}}
			m.Query = "?hub=chat&room=a%20b&room=c"
		})
		ctx := <-seen
		require.Equal(t, "C1", ctx.ConnectionID())
		require.Equal(t, "u1", ctx.User())
		require.Equal(t, []string{"a", "b"}, ctx.Claims().Values("role"))
		require.Equal(t, "u0", ctx.Claims().Get("nameid"))
		require.Equal(t, "never", ctx.Claims().Get("exp"))
		require.Len(t, ctx.Claims(), 4)
		require.Equal(t, []string{"a b", "c"}, ctx.Query()["room"])
		require.Equal(t, "10.0.0.9", ctx.Header().Get("X-Forwarded-For"))
		require.Equal(t, []string{"a", "b"}, ctx.Header()["Cookie"])
		require.Equal(t, "json", ctx.Protocol())
		require.Equal(t, hub, ctx.Hub())
		require.Equal(t, "Chat", hub.Name())
		require.Empty(t, ctx.MigratedFrom())
	})
	t.Run("user without the system claim", func(t *testing.T) {
		for _, name := range []string{"nameid", "sub", auth.LongClaimType("sub")} {
			require.Equal(t, "u", readOpened(&serviceprotocol.OpenConnection{Claims: []serviceprotocol.Claim{{Type: name, Value: "u"}}}).user)
		}
		require.Empty(t, readOpened(&serviceprotocol.OpenConnection{}).user)
	})
	t.Run("claims under both names count once", func(t *testing.T) {
		claims := Claims{{Type: "role", Value: "a"}, {Type: "role", Value: "b"}, {Type: auth.LongClaimType("role"), Value: "a"},
			{Type: auth.LongClaimType("role"), Value: "b"}, {Type: auth.LongClaimType("unique_name"), Value: "Ann"}}
		require.Equal(t, []string{"a", "b"}, claims.Values("role"))
		require.Equal(t, []string{"a", "b"}, claims.Values(auth.LongClaimType("role")))
		require.Equal(t, "Ann", claims.Get("name"))
		require.Empty(t, claims.Values("email"))
	})
}
