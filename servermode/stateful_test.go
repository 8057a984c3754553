package servermode

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestC91HubServersMayForbidStatefulReconnect(t *testing.T) {
	server := func(kind sp.ConnectionKind, stateless bool) *serverConn {
		sc := new(serverConn)
		sc.peer.kind, sc.peer.stateless = kind, stateless
		return sc
	}
	forbids, allows, weak := server(sp.KindDefault, true), server(sp.KindDefault, false), server(sp.KindWeak, false)
	elsewhere := new(remoteServer)
	for name, c := range map[string]struct {
		hub  *hub
		want bool
	}{
		"a hub without any":             {nil, true},
		"one that cannot say":           {&hub{servers: []*serverConn{allows}}, true},
		"one that forbids it":           {&hub{servers: []*serverConn{forbids, weak}}, false},
		"two that do not agree":         {&hub{servers: []*serverConn{forbids, allows}}, true},
		"one on another node allows it": {&hub{servers: []*serverConn{forbids}, remote: []*remoteServer{elsewhere}}, true},
		"the management library":        {&hub{servers: []*serverConn{weak}}, true},
	} {
		b := new(Backend)
		if c.hub != nil {
			b.hubs.hubs = map[string]*hub{"chat": c.hub}
		}
		require.Equal(t, c.want, b.Stateful("chat"), name)
	}
}

func TestC91AHubServersAnswerIsKnownOnOtherNodes(t *testing.T) {
	for _, whole := range []bool{false, true} {
		for _, stateless := range []bool{false, true} {
			sent := serverChange{kind: changeNew, number: 1, peer: peer{hub: "chat", homes: []string{"chat"}, whole: whole, stateless: stateless}}
			var got serverChange
			r := fields.Reader{Rest: sent.append(nil)}
			got.read(&r)
			require.False(t, r.Failed)
			require.Equal(t, []bool{whole, stateless}, []bool{got.peer.whole, got.peer.stateless})
		}
	}
}
