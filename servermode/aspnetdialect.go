package servermode

import (
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// aspnetDialect is the dialect of ASP.NET SignalR.
type aspnetDialect struct{}

func (aspnetDialect) verify(v *auth.Verifier, token, hub string) (*auth.ServerClaims, error) {
	return v.AspNetServer(token, hub)
}

// homes returns the applications that the name may begin with: it is that of the application, an
// underscore and that of the hub. The connections of the application itself name it twice. An
// application's name may have underscores; a longer one comes before a shorter one, since names of
// hubs rarely have any.
func (aspnetDialect) homes(hub string) (keys []string, whole bool) {
	hub = strings.ToLower(hub)
	if half := len(hub) / 2; len(hub)%2 == 1 && hub[half] == '_' && hub[:half] == hub[half+1:] {
		return appendApplication(nil, hub, half), true
	}
	for i := len(hub) - 1; i >= 0; i-- {
		if hub[i] == '_' {
			keys = appendApplication(keys, hub, i)
		}
	}
	return keys, false
}

// appendApplication appends the key of the application whose name ends at border, if a hub's follows.
func appendApplication(keys []string, hub string, border int) []string {
	key, err := hubname.ApplicationKey(hub[:border])
	if err != nil || hubname.Check(hub[border+1:]) != nil {
		return keys
	}
	return append(keys, key)
}

// refuses: nobody can send to clients of a generation that Serverless mode does not have.
func (aspnetDialect) refuses(rules Rules, _ sp.ConnectionKind) bool { return rules.Closed }

func (aspnetDialect) modeRefusal() string {
	return "The application is in Serverless mode, which ASP.NET SignalR does not have. " +
		"Switch it to Default or Classic mode."
}

// lastResort: there is no management library, whatever connects has hubs.
func (aspnetDialect) lastResort(string) bool { return true }

// Groups of the gateway's hub that are an application. Each of the other names of the service
// protocol is one of these, so that none can stand for another.
//
// declaredGroup holds the clients that declared the hub with that key, userGroup those of one user
// among them, and namedGroup the members of a group as hub servers name it.
func declaredGroup(hub string) string   { return "h:" + hub }
func userGroup(hub, user string) string { return "u:" + hub + ":" + user }
func namedGroup(name string) string     { return "g:" + name }

// introduce puts the client into the groups that broadcasts and sends to users go to (H86). They are
// joined in order with what is sent to the client.
func (aspnetDialect) introduce(s *session) error {
	groups, err := ownGroups(s.conn.Identity())
	if err != nil {
		return gateway.Cause{Reason: gateway.CloseBadRequest, Text: "The connection data is not valid."}
	}
	s.state = stateOpen // hub servers answer no handshake
	for _, group := range groups {
		s.join(group)
	}
	return nil
}

// ownGroups are the groups that a client is in as long as it lives.
func ownGroups(id *gateway.Identity) (groups []string, err error) {
	hubs, err := declaredHubs(id)
	for _, hub := range hubs {
		groups = append(groups, declaredGroup(hub))
		if id.User != "" {
			groups = append(groups, userGroup(hub, id.User))
		}
	}
	return groups, err
}

// ExpectedGroups implements gateway.GroupExpecter: a hub server may send to a client's groups, by any
// node, as soon as it has heard of the client.
func (b *Backend) ExpectedGroups(c *gateway.Conn) []string {
	if dialectOf(c.Identity().Hub) != (aspnetDialect{}) {
		return nil
	}
	groups, _ := ownGroups(c.Identity()) // Accept will refuse what is not valid
	return groups
}

// declaredHubs returns the keys of the hubs that a client has declared in its query. A hub with a name
// that none can have is left to the hub server to refuse.
func declaredHubs(id *gateway.Identity) ([]string, error) {
	application, _ := hubname.Application(id.Hub)
	query, _ := url.ParseQuery(id.Query) // what is not valid is not there
	names, err := aspnetprotocol.ParseConnectionData(query.Get("connectionData"))
	if err != nil {
		return nil, err
	}
	keys := names[:0]
	for _, name := range names {
		if key, err := hubname.Key(application, name); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (s *session) join(group string) {
	s.b.gw.Apply(&gateway.Command{Hub: s.hub(), Verb: gateway.VerbJoin,
		Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{s.id()}}, Group: group}, nil)
}

// opening is one message (H84). A client that has lost its hub server is a new one for the next.
func (aspnetDialect) opening(s *session, _ string) []sp.Message {
	return []sp.Message{openMessage(s.conn.Identity(), s.b.opts.Node, "")}
}

// opened opens the client: hub servers say nothing if they accept it, and perhaps much later that
// they do not.
func (aspnetDialect) opened(s *session) { s.conn.Open(aspnetprotocol.Init) }

// read makes a client's text an invocation, and drops what is none: above all the text that only the
// gateway may say.
func (aspnetDialect) read(r gateway.Record) (gateway.Record, Loss) {
	call, err := aspnetprotocol.ParseCall(r.Body)
	if err != nil {
		return r, LossUnexpected
	}
	r.Type = hubprotocol.Invocation
	r.InvocationID, r.HasID = []byte(call.ID), call.HasID
	return r, ""
}

func (aspnetDialect) back() []byte { return []byte(aspnetprotocol.ReconnectText) }

func (aspnetDialect) callError(_ *session, id, text string) []byte {
	return aspnetprotocol.AppendHubError(nil, id, text)
}

// moves: a hub server ends a client that moves, and the next one gets a new one. That is better than
// losing the client only where clients are kept at all when their hub server is lost.
func (aspnetDialect) moves(l Limits) (level int32, ok bool) { return 0, l.Grace > 0 }
