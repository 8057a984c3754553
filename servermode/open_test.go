package servermode_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestWhatAHubServerLearnsOfAClient(t *testing.T) {
	const (
		nameID = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
		name   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
		role   = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
	)
	open := func(t *testing.T, w *world, id gateway.Identity) *sp.OpenConnection {
		s := w.server(dial{})
		w.connectAs(gatewaytest.Options{ID: "1", User: "ann", Identity: id})
		return s.next(sp.TypeOpenConnection).(*sp.OpenConnection)
	}
	t.Run("H38 H40 claims", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			m := open(t, w, gateway.Identity{TokenClaims: []gateway.Claim{
				{Type: "asrs.s.uid", Value: "ann"}, {Type: "nameid", Value: "n"}, {Type: "unique_name", Value: "Ann"},
				{Type: "role", Value: "admin"}, {Type: "role", Value: "user"}, {Type: "asrs.u.aud", Value: "mine"}, {Type: "age", Value: "7"},
			}})
			require.Equal(t, []sp.Claim{
				{Type: "asrs.s.uid", Value: "ann"}, {Type: "nameid", Value: "n"}, {Type: "unique_name", Value: "Ann"},
				{Type: "role", Value: "admin"}, {Type: "role", Value: "user"}, {Type: "asrs.u.aud", Value: "mine"}, {Type: "age", Value: "7"},
				{Type: nameID, Value: "n"}, {Type: name, Value: "Ann"}, {Type: role, Value: "admin"}, {Type: role, Value: "user"},
			}, m.Claims)
		})
	})
	t.Run("H39 no claims", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			w.connect("1", "")
			require.Empty(t, s.next(sp.TypeOpenConnection).(*sp.OpenConnection).Claims)
		})
	})
	t.Run("H41 H56 query", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			m := open(t, w, gateway.Identity{Query: "hub=chat&asrs.op=%2Fchat&x=a+b%26c&asrs_request_id=r%3D"})
			require.Equal(t, "?hub=chat&asrs.op=%2Fchat&x=a+b%26c&asrs_request_id=r%3D", m.Query)
		})
	})
	t.Run("H43 empty query", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) { require.Empty(t, open(t, w, gateway.Identity{}).Query) })
	})
	t.Run("H42 H55 headers", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			m := open(t, w, gateway.Identity{RemoteAddr: "10.0.0.9", Diagnostic: true, Headers: []gateway.Header{{Name: "User-Agent", Value: "x"}}})
			require.Equal(t, []sp.Header{
				{Name: "Asrs-Instance-Id", Values: []string{"node-a"}}, {Name: "X-Forwarded-For", Values: []string{"10.0.0.9"}},
				{Name: "Asrs-Is-Diagnostic-Client", Values: []string{"true"}}, {Name: "User-Agent", Values: []string{"x"}},
			}, m.Headers)
		})
	})
}
