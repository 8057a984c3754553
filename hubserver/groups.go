package hubserver

import (
	"context"
	"math"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Groups manages the groups of a hub. A group exists as long as it has members.
//
// Each method waits until the gateway has acknowledged the change, for ten seconds at most.
// ErrTimeout means that it has not, ErrGateway that it has failed. Messages that are sent after the
// method has returned, from any server, respect the change. Groups may be used concurrently. To
// send to a group use Clients.InGroup.
type Groups struct{ hub *Hub }

// Add adds a connection to a group. It stays a member until it is removed or ends. ErrNoClient
// means that there is no such connection.
func (g Groups) Add(ctx context.Context, connectionID, group string) error {
	return g.change(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.JoinGroupWithAck{ConnectionID: connectionID, Group: group, AckID: ackID}
	})
}

// Remove removes a connection from a group. It is no error if the connection is not a member.
// ErrNoClient means that there is no such connection.
func (g Groups) Remove(ctx context.Context, connectionID, group string) error {
	return g.change(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.LeaveGroupWithAck{ConnectionID: connectionID, Group: group, AckID: ackID}
	})
}

// RemoveFromAll removes a connection from all its groups. ErrNoClient means that there is no such
// connection.
func (g Groups) RemoveFromAll(ctx context.Context, connectionID string) error {
	return g.change(ctx, connectionID, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.LeaveGroupWithAck{ConnectionID: connectionID, All: true, AckID: ackID}
	})
}

func (g Groups) change(ctx context.Context, key string, message func(ackID int32) serviceprotocol.Message) error {
	ok, err := g.hub.ask(ctx, key, message)
	if err == nil && !ok {
		return ErrNoClient
	}
	return err
}

// Exists asks whether a group has any member.
func (g Groups) Exists(ctx context.Context, group string) (bool, error) {
	return g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckGroupExistence{Group: group, AckID: ackID}
	})
}

// AddUser adds a user to a group: all connections of the user, present and future ones. The
// membership ends after ttl, which is rounded up to whole seconds. 0 means that it does not end.
func (g Groups) AddUser(ctx context.Context, user, group string, ttl time.Duration) error {
	_, err := g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.UserJoinGroupWithAck{User: user, Group: group, AckID: ackID,
			TTL: wholeSeconds(ttl), HasTTL: ttl > 0}
	})
	return err
}

// wholeSeconds rounds up, for 0 seconds would be no membership at all.
func wholeSeconds(d time.Duration) int32 {
	return int32(min((d+time.Second-1)/time.Second, math.MaxInt32))
}

// RemoveUser removes a user from a group. It is no error if the user is not a member.
func (g Groups) RemoveUser(ctx context.Context, user, group string) error {
	_, err := g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.UserLeaveGroupWithAck{User: user, Group: group, AckID: ackID}
	})
	return err
}

// RemoveUserFromAll removes a user from all its groups.
func (g Groups) RemoveUserFromAll(ctx context.Context, user string) error {
	_, err := g.hub.ask(ctx, user, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.UserLeaveGroupWithAck{User: user, All: true, AckID: ackID}
	})
	return err
}

// HasUser asks whether a user is in a group.
func (g Groups) HasUser(ctx context.Context, user, group string) (bool, error) {
	return g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckUserInGroup{User: user, Group: group, AckID: ackID}
	})
}
