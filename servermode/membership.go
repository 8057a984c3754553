package servermode

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// ackID is the id of an acknowledgement. The zero value stands for a message that wants none.
type ackID struct {
	id     int32
	wanted bool
}

func acked(id int32) ackID { return ackID{id, true} }

// membership carries out joins, leaves and closes. False means that m is none of these.
func (sc *serverConn) membership(m sp.Message) bool {
	switch m := m.(type) {
	case *sp.JoinGroup:
		sc.join(m.ConnectionID, m.Group, ackID{})
	case *sp.JoinGroupWithAck:
		sc.join(m.ConnectionID, m.Group, acked(m.AckID))
	case *sp.LeaveGroup:
		sc.leave(m.ConnectionID, m.Group, m.All, ackID{})
	case *sp.LeaveGroupWithAck:
		sc.leave(m.ConnectionID, m.Group, m.All, acked(m.AckID))
	case *sp.UserJoinGroup:
		sc.userJoin(m.User, m.Group, m.TTL, m.HasTTL, ackID{})
	case *sp.UserJoinGroupWithAck:
		sc.userJoin(m.User, m.Group, m.TTL, m.HasTTL, acked(m.AckID))
	case *sp.UserLeaveGroup:
		sc.userLeave(m.User, m.Group, m.All, ackID{})
	case *sp.UserLeaveGroupWithAck:
		sc.userLeave(m.User, m.Group, m.All, acked(m.AckID))
	case *sp.CloseConnectionWithAck:
		sc.closeClients(sc.connections(m.ConnectionID), m.Reason, acked(m.AckID))
	case *sp.CloseConnections:
		t := gateway.Target{Kind: gateway.TargetAll, Except: slices.Clone(m.Excluded)}
		sc.closeClients(t, m.Reason, acked(m.AckID))
	case *sp.CloseUserConnections:
		t := users(m.User)
		t.Except = slices.Clone(m.Excluded)
		sc.closeClients(t, m.Reason, acked(m.AckID))
	case *sp.CloseGroupConnections:
		t := groups(m.Group)
		t.Except = slices.Clone(m.Excluded)
		sc.closeClients(t, m.Reason, acked(m.AckID))
	default:
		return false
	}
	return true
}

// question answers questions of the hub server. False means that m is none.
func (sc *serverConn) question(m sp.Message) bool {
	count := func(t gateway.Target, ack int32) {
		sc.start(&gateway.Command{Verb: gateway.VerbCount, Target: t, Any: true}, acked(ack))
	}
	switch m := m.(type) {
	case *sp.CheckConnectionExistence:
		count(sc.connections(m.ConnectionID), m.AckID)
	case *sp.CheckUserExistence:
		count(users(m.User), m.AckID)
	case *sp.CheckGroupExistence:
		count(groups(m.Group), m.AckID)
	case *sp.CheckUserInGroup:
		sc.await(acked(m.AckID), func(ctx context.Context) (bool, error) {
			return sc.b.gw.UserInGroup(ctx, sc.peer.hub, m.User, m.Group)
		})
	case *sp.GroupMemberQuery:
		sc.listMembers(m)
	default:
		return false
	}
	return true
}

// maxMembers is the length of the longest page of members, as in the REST API of Azure SignalR
// Service.
const maxMembers = 200

// listMembers answers with one page of a group's connections, ordered by id. The token for the next
// page is the last id of this one.
func (sc *serverConn) listMembers(m *sp.GroupMemberQuery) {
	size := int(m.Max)
	if size <= 0 || size > maxMembers {
		size = maxMembers
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	r, err := sc.b.gw.Do(ctx, &gateway.Command{Hub: sc.peer.hub, Verb: gateway.VerbList, Target: groups(m.Group),
		Page: gateway.Page{After: m.Token, Max: size + 1}}) // one more, to see whether there is a next page
	if err != nil {
		sc.ack(acked(m.AckID), false, err)
		return
	}
	var page sp.GroupMembers
	for i, member := range r.Members {
		if i == size {
			page.Token = page.Members[size-1].ConnectionID
			break
		}
		page.Members = append(page.Members, sp.GroupMember{ConnectionID: member.ID, UserID: member.User})
	}
	sc.out.put(&sp.Ack{AckID: m.AckID, Status: sp.AckOK, Payload: page.Append(nil)})
}

// start carries out a command. It is acknowledged when it has been applied: messages that come
// later, on any server connection, see its effect (H61).
func (sc *serverConn) start(cmd *gateway.Command, ack ackID) {
	sc.startAll(cmd, func(r gateway.Result, err error) { sc.ack(ack, r.Matched > 0, err) })
}

// startAll carries out a command in each hub to whose clients the connection sends.
func (sc *serverConn) startAll(cmd *gateway.Command, done func(gateway.Result, error)) {
	hubs := sc.serves()
	if len(hubs) > 1 {
		done = allOf(len(hubs), done)
	}
	for _, hub := range hubs {
		in := *cmd
		in.Hub, in.By, in.Trace = hub, gateway.SenderServer, sc.tracing()
		sc.b.gw.Start(context.Background(), &in, done)
	}
}

// allOf calls done when it has been called n times, with the sum of the results and one of the errors.
func allOf(n int, done func(gateway.Result, error)) func(gateway.Result, error) {
	var mu sync.Mutex
	var sum gateway.Result
	var failed error
	return func(r gateway.Result, err error) {
		mu.Lock()
		sum.Add(r)
		if err != nil {
			failed = err
		}
		n--
		last := n == 0
		mu.Unlock()
		if last {
			done(sum, failed)
		}
	}
}

func (sc *serverConn) ack(to ackID, found bool, err error) {
	if !to.wanted {
		return
	}
	m := sp.Ack{AckID: to.id, Status: sp.AckNotFound}
	switch {
	case errors.Is(err, gateway.ErrIncomplete), errors.Is(err, context.DeadlineExceeded):
		m.Status, m.Message = sp.AckTimeout, "Not all nodes of the gateway have answered in time."
	case err != nil:
		m.Status, m.Message = sp.AckInternalError, "The gateway could not carry out the request."
	case found:
		m.Status = sp.AckOK
	}
	sc.out.put(&m)
}

func (sc *serverConn) join(connection, group string, ack ackID) {
	if group == "" {
		sc.ack(ack, false, nil)
		return
	}
	sc.start(&gateway.Command{Verb: gateway.VerbJoin, Target: sc.connections(connection), Group: group}, ack)
}

func (sc *serverConn) leave(connection, group string, all bool, ack ackID) {
	cmd := &gateway.Command{Verb: gateway.VerbLeave, Target: sc.connections(connection), Group: group}
	if all {
		cmd.Verb = gateway.VerbLeaveAll
	}
	sc.start(cmd, ack)
}

// storeTimeout bounds how long the reader waits for the store of user groups.
const storeTimeout = 5 * time.Second

// await carries out a request that needs the store. The reader waits for it, so that the order of
// messages is kept.
func (sc *serverConn) await(ack ackID, do func(context.Context) (bool, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	found, err := do(ctx)
	if err != nil {
		sc.log.Error("request of a hub server failed", "err", err)
	}
	sc.ack(ack, found, err)
}

func (sc *serverConn) userJoin(user, group string, seconds int32, hasTTL bool, ack ackID) {
	if user == "" || group == "" {
		sc.ack(ack, false, nil)
		return
	}
	sc.await(ack, func(ctx context.Context) (bool, error) {
		var ttl *time.Duration
		if hasTTL && seconds >= 0 {
			d := time.Duration(seconds) * time.Second
			ttl = &d
		}
		return true, sc.b.gw.AddUserToGroup(ctx, sc.peer.hub, user, group, ttl)
	})
}

func (sc *serverConn) userLeave(user, group string, all bool, ack ackID) {
	sc.await(ack, func(ctx context.Context) (bool, error) {
		if all {
			return true, sc.b.gw.RemoveUserFromAllGroups(ctx, sc.peer.hub, user)
		}
		return true, sc.b.gw.RemoveUserFromGroup(ctx, sc.peer.hub, user, group)
	})
}

// closeClients closes clients, whichever hub server has them, and tells them the reason (H66). When
// a client learns of it, its id is dead already.
func (sc *serverConn) closeClients(t gateway.Target, reason string, ack ackID) {
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: reason}
	sc.start(&gateway.Command{Verb: gateway.VerbClose, Target: t, Cause: cause}, ack)
}
