package servermode

import (
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// coreDialect is the dialect of ASP.NET Core SignalR.
type coreDialect struct{}

func (coreDialect) verify(v *auth.Verifier, token, hub string) (*auth.ServerClaims, error) {
	return v.Server(token, hub)
}

func (coreDialect) homes(hub string) (keys []string, whole bool) {
	return []string{strings.ToLower(hub)}, false
}

// refuses: the management library, which sends and has no hubs, connects in every mode (H81).
func (coreDialect) refuses(rules Rules, kind sp.ConnectionKind) bool {
	return rules.Closed && kind != sp.KindWeak
}

func (coreDialect) modeRefusal() string { return refusalTexts[RefusedMode] }

// hubServerAgent is the beginning of the user agent of hub servers in .NET. The management library,
// which has no hubs, has another one.
const hubServerAgent = "Microsoft.Azure.SignalR/"

func (coreDialect) lastResort(agent string) bool { return strings.HasPrefix(agent, hubServerAgent) }

func (coreDialect) handle(sc *serverConn, m sp.Message) {
	switch m := m.(type) {
	case *sp.ConnectionData:
		sc.connectionData(m)
	case *sp.CloseConnection:
		sc.closeConnection(m)
	case *sp.ClientInvocation:
		sc.b.results.invoke(sc, m)
	case *sp.ClientCompletion:
		sc.b.results.complete(sc, m)
	case *sp.ErrorCompletion:
		sc.b.results.fail(sc, m)
	default:
		if !sc.multicast(m) && !sc.membership(m) && !sc.question(m) {
			sc.lose(LossUnexpected, "type", m.Type().String())
		}
	}
}

func (coreDialect) introduce(*session) error { return nil }

// opening: the hub server answers the client's handshake request itself.
func (coreDialect) opening(s *session, from string) []sp.Message {
	open := openMessage(s.conn.Identity(), s.b.opts.Node, from)
	open.Protocol = s.conn.Protocol()
	return []sp.Message{open, &sp.ConnectionData{ConnectionID: s.id(), Payload: []byte(s.request.Value())}}
}

func (coreDialect) opened(*session) {}

func (coreDialect) read(r gateway.Record) (gateway.Record, Loss) { return r, "" }

func (coreDialect) back() []byte { return nil }

func (coreDialect) deliver(s *session, from hubServer, m *sp.ConnectionData) Loss {
	return s.deliver(from, m)
}

func (coreDialect) waitsFor(*session) bool { return true }

func (coreDialect) callError(s *session, id, text string) []byte {
	return hubprotocol.AppendCompletionError(nil, s.conn.Protocol(), id, text)
}

// moves: only hub servers that announce it let clients come from others (H75).
func (coreDialect) moves(Limits) (level int32, ok bool) { return 1, true }
