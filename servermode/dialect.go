package servermode

import (
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// dialect is what differs between the two generations of hub servers, and between their clients:
// those of ASP.NET Core SignalR (coreDialect) and those of ASP.NET SignalR (aspnetDialect). All that
// is not here is common to both.
//
//	                  ASP.NET Core SignalR                 ASP.NET SignalR
//	a client is on    one hub                              one application, and declares hubs of it
//	key of its hub    that of the hub                      that of the application (hubname)
//	server connection for a hub                            for a hub of an application, or for the
//	                                                       application itself; any of them may have
//	                                                       its clients
//	payloads          in the framing of the hub protocol   JSON in a message of its own (unwrapped)
//	handshake         between client and hub server        none: the gateway opens the client
//	broadcast         to all clients of the hub            to a group of those that declared the hub
//	refusal           an error in the handshake            the client is closed, perhaps later
//	Serverless mode   Weak connections may send            has no hub servers
//
// Dialects have no state. Methods with a session hold its lock if they say so.
type dialect interface {
	// verify checks the token of a hub server for the hub that it names.
	verify(v *auth.Verifier, token, hub string) (*auth.ServerClaims, error)
	// homes returns the keys of the hubs whose clients a server connection for that hub may have,
	// none if the name is not valid. whole is set for the connections that get clients first.
	homes(hub string) (keys []string, whole bool)
	// refuses reports whether the rules of a hub refuse server connections of that kind.
	refuses(rules Rules, kind sp.ConnectionKind) bool
	// modeRefusal is what a hub server is told that they refuse.
	modeRefusal() string
	// lastResort reports whether the hub server may get clients although its connection is Weak.
	lastResort(agent string) bool
	// handle carries out a message about clients. It is valid until handle returns.
	handle(sc *serverConn, m sp.Message)

	// introduce does what a client needs that is a receiver from now on, and that no hub server has
	// heard of.
	introduce(s *session) error
	// opening returns the messages that hand a client to a hub server. from is the server id of the
	// one that it had before, "" for none. The session is locked.
	opening(s *session, from string) []sp.Message
	// opened is called once, when a hub server has the client.
	opened(s *session)
	// read looks at a record of the client, and fills in its type and its id if the core could not.
	// With a Loss the record is dropped.
	read(r gateway.Record) (gateway.Record, Loss)
	// back is the payload that tells a hub server that its client has come back on another transport,
	// nil if there is none.
	back() []byte
	// deliver sends the data of a hub server to the client. It returns what was not carried out, ""
	// if everything was. The session is not locked.
	deliver(s *session, from hubServer, m *sp.ConnectionData) Loss
	// waitsFor reports whether a hub server is not read while the client has more to take than its
	// soft bound.
	waitsFor(s *session) bool
	// callError is the record that answers a call of the client with an error. The session is locked.
	callError(s *session, id, text string) []byte
	// moves reports whether clients leave a hub server that wants it before its connection ends, and
	// the lowest migration level of those that they may move to.
	moves(l Limits) (level int32, ok bool)
}

// dialectOf returns the dialect of the clients of a hub, whose key tells it.
func dialectOf(hub string) dialect {
	if _, ok := hubname.Application(hub); ok {
		return aspnetDialect{}
	}
	return coreDialect{}
}
