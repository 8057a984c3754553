package servermode

import (
	"slices"
	"strings"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// handle carries out what hub servers of ASP.NET SignalR send. They use any connection of the
// application for any of its clients.
func (d aspnetDialect) handle(sc *serverConn, m sp.Message) {
	switch m := m.(type) {
	case *sp.ConnectionData:
		d.connectionData(sc, m)
	case *sp.CloseConnection:
		d.closeConnection(sc, m)
	case *sp.JoinGroup:
		d.join(sc, m.ConnectionID, m.Group, ackID{})
	case *sp.JoinGroupWithAck:
		d.join(sc, m.ConnectionID, m.Group, acked(m.AckID))
	case *sp.LeaveGroup:
		d.leave(sc, m, m.ConnectionID, m.Group, m.All, ackID{})
	case *sp.LeaveGroupWithAck:
		d.leave(sc, m, m.ConnectionID, m.Group, m.All, acked(m.AckID))
	default:
		if !d.multicast(sc, m) {
			d.meaningless(sc, m)
		}
	}
}

// multicast carries out messages to clients (H86). False means that m is none.
func (d aspnetDialect) multicast(sc *serverConn, m sp.Message) bool {
	switch m := m.(type) {
	case *sp.BroadcastData:
		// Not to all clients of the application: to those that declared the hub of the connection.
		t := groups(declaredGroup(sc.peer.hub))
		t.Except = slices.Clone(m.Excluded)
		d.send(sc, t, m.Payloads, m.Filter)
	case *sp.UserData:
		d.send(sc, groups(userGroup(sc.peer.hub, m.User)), m.Payloads, m.Filter)
	case *sp.MultiUserData:
		d.send(sc, groups(each(distinct(m.Users), func(user string) string { return userGroup(sc.peer.hub, user) })...), m.Payloads, m.Filter)
	case *sp.GroupBroadcastData:
		t := groups(namedGroup(m.Group))
		t.Except, t.ExceptUsers = slices.Clone(m.Excluded), slices.Clone(m.ExcludedUsers)
		d.send(sc, t, m.Payloads, m.Filter)
	case *sp.MultiGroupBroadcastData:
		d.send(sc, groups(each(slices.Clone(m.Groups), namedGroup)...), m.Payloads, m.Filter)
	case *sp.MultiConnectionData:
		d.send(sc, sc.connections(distinct(m.Connections)...), m.Payloads, m.Filter)
	default:
		return false
	}
	return true
}

// each replaces every name by what change makes of it.
func each(names []string, change func(string) string) []string {
	for i := range names {
		names[i] = change(names[i])
	}
	return names
}

func (d aspnetDialect) send(sc *serverConn, t gateway.Target, payloads sp.Payloads, filter string) {
	if filter != "" {
		sc.lose(LossFilter)
		return
	}
	payload, ok := payloads.For(hubprotocol.JSON)
	if !ok || len(payload) == 0 {
		sc.lose(LossNoPayload)
		return
	}
	frame, err := sc.b.unwrap(payload)
	if err != nil {
		sc.lose(LossMalformedRecord, "err", err)
		return
	}
	frames, err := hubprotocol.NewFrames(map[string][]byte{aspnetprotocol.Name: frame})
	if err != nil {
		sc.lose(LossNoPayload)
		return
	}
	sc.publishAll(t, frames)
}

// unwrap returns the frame for clients that a payload stands for (H85), with a cursor of its own if it
// has messages.
func (b *Backend) unwrap(payload []byte) ([]byte, error) {
	json, err := sp.Unwrap(payload)
	if err != nil {
		return nil, err
	}
	return b.counts.cursors.Frame(json)
}

// connectionData sends data to one client, which another connection may have.
func (d aspnetDialect) connectionData(sc *serverConn, m *sp.ConnectionData) {
	if c := sc.clients.get(m.ConnectionID); c != nil {
		c.receive(sc, m)
		return
	}
	c, ended := sc.b.gw.Lookup(m.ConnectionID)
	switch {
	case ended: // a moment ago: hub servers do not know it yet
	case c != nil:
		if s, ok := c.Session().(*session); ok && slices.Contains(sc.serves(), s.hub()) {
			s.receive(sc, m)
			return
		}
		sc.b.counts.lose(LossUnknownConnection)
	case sc.b.ownerOf(m.ConnectionID) != nil:
		sc.b.ownerOf(m.ConnectionID).stray(sc)
	case sc.b.isElsewhere(m.ConnectionID):
		d.send(sc, sc.connections(m.ConnectionID), sp.Payloads{{Protocol: hubprotocol.JSON, Data: m.Payload}}, "")
	default:
		sc.b.counts.lose(LossUnknownConnection)
	}
}

// waitsFor: a client that is away takes nothing until it comes back.
func (aspnetDialect) waitsFor(s *session) bool { return !s.conn.IsAway() }

// isElsewhere reports whether the id names another node.
func (b *Backend) isElsewhere(id string) bool {
	node := auth.NodeOf(id)
	return node != "" && node != b.opts.Node
}

// ownerOf returns the node that has the client or knows who has: the home of the id, or the node that
// its home, this one, has entrusted with it. It is nil if that node is not there.
func (b *Backend) ownerOf(id string) *peerLink {
	if b.isElsewhere(id) {
		return b.peers.named(auth.NodeOf(id))
	}
	if node := b.gw.Elsewhere(id); node != "" {
		return b.peers.named(node)
	}
	return nil
}

// deliver sends one frame to the client. Whatever connection of the application it comes from, it is
// delivered, but for late answers.
func (aspnetDialect) deliver(s *session, from hubServer, m *sp.ConnectionData) Loss {
	frame, err := s.b.unwrap(m.Payload)
	if err != nil {
		return LossMalformedRecord
	}
	trace := tracingText(m.TracingID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return "" // the client has just ended
	}
	if s.server == from {
		s.incoming.duplicates = 0 // it has the client
	}
	if id := aspnetprotocol.ResponseID(frame); id != nil {
		if s.move != nil && s.move.former == from {
			return LossLateCompletion // the client has been told an error
		}
		call, open := s.calls.removeRaw(aspnetprotocol.Name, id, nil)
		if !open && s.server != from {
			return LossLateCompletion // likewise
		}
		s.conn.SendTraced(frame, trace)
		s.b.answered(&call)
		s.answered()
		return ""
	}
	s.conn.SendTraced(frame, trace)
	return ""
}

// unnamedEnd is what a client is told that its hub server ends without a text.
const unnamedEnd = "The hub server has closed the connection."

// duplicate is the beginning of the text with which a hub server refuses a client that it has already.
const duplicate = "Duplicate connection ID"

// closeConnection ends a client. Its hub server refuses it (perhaps after the client was opened), or
// has no more use for it.
func (d aspnetDialect) closeConnection(sc *serverConn, m *sp.CloseConnection) {
	c := sc.clients.get(m.ConnectionID)
	text := m.Error
	switch {
	case strings.HasPrefix(text, duplicate):
		// The id is that of the client that lives (H88).
		sc.lose(LossDuplicate, "connection", clip(m.ConnectionID))
		if c != nil {
			c.openAgain(sc)
		}
		return
	case text == "":
		text = unnamedEnd
	}
	if c != nil {
		c.closeByServer(sc, text)
		return
	}
	sc.closeClients(sc.connections(m.ConnectionID), text, ackID{})
}

// join and leave answer NotFound for what they cannot do: every other failure makes the application's
// call throw.
func (aspnetDialect) join(sc *serverConn, connection, group string, ack ackID) {
	if group == "" {
		sc.ack(ack, false, nil)
		return
	}
	sc.join(connection, namedGroup(group), ack)
}

func (d aspnetDialect) leave(sc *serverConn, m sp.Message, connection, group string, all bool, ack ackID) {
	if all || group == "" {
		d.meaningless(sc, m) // it would leave the hubs that it declared
		return
	}
	sc.leave(connection, namedGroup(group), false, ack)
}

// meaningless counts a message that hub servers of this dialect do not send. Whoever waits for an
// answer gets one.
func (aspnetDialect) meaningless(sc *serverConn, m sp.Message) {
	sc.lose(LossNoMeaning, "type", m.Type().String())
	if call, ok := m.(*sp.ClientInvocation); ok {
		sc.out.put(&sp.ErrorCompletion{InvocationID: call.InvocationID, ConnectionID: call.ConnectionID,
			CallerServerID: call.CallerServerID, Error: "Clients of ASP.NET SignalR have no results."})
		return
	}
	if id, ok := ackOf(m); ok {
		sc.out.put(&sp.Ack{AckID: id, Status: sp.AckNotFound, Message: "ASP.NET SignalR has no such request."})
	}
}

// ackOf returns the id of the acknowledgement that a message wants, if it wants one.
func ackOf(m sp.Message) (id int32, ok bool) {
	switch m := m.(type) {
	case *sp.LeaveGroupWithAck:
		return m.AckID, true
	case *sp.UserJoinGroupWithAck:
		return m.AckID, true
	case *sp.UserLeaveGroupWithAck:
		return m.AckID, true
	case *sp.CheckUserInGroup:
		return m.AckID, true
	case *sp.CheckGroupExistence:
		return m.AckID, true
	case *sp.CheckConnectionExistence:
		return m.AckID, true
	case *sp.CheckUserExistence:
		return m.AckID, true
	case *sp.CloseConnectionWithAck:
		return m.AckID, true
	case *sp.CloseConnections:
		return m.AckID, true
	case *sp.CloseUserConnections:
		return m.AckID, true
	case *sp.CloseGroupConnections:
		return m.AckID, true
	case *sp.GroupMemberQuery:
		return m.AckID, true
	}
	return 0, false
}
