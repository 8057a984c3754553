package hubserver

import (
	"context"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Groups is the way to the groups of a hub. A group exists as long as it has members. All
// its methods wait until the gateway has acknowledged, for ten seconds at most
// (ErrTimeout): what is sent afterwards, from wherever, sees the change. They may be used
// concurrently.
type Groups struct{ hub *Hub }

// Add adds a connection to a group, until it ends or leaves. ErrNoClient says that it
// does not exist.
func (g Groups) Add(ctx context.Context, connectionID, group string) error {
	return g.change(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.JoinGroupWithAck{ConnectionID: connectionID, Group: group, AckID: ackID}
	})
}

// Remove removes a connection from a group, whether or not it is in. ErrNoClient says
// that it does not exist.
func (g Groups) Remove(ctx context.Context, connectionID, group string) error {
	return g.change(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.LeaveGroupWithAck{ConnectionID: connectionID, Group: group, AckID: ackID}
	})
}

// RemoveFromAll removes a connection from all groups.
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

// Exists asks whether a group has a connection.
func (g Groups) Exists(ctx context.Context, group string) (bool, error) {
	return g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckGroupExistence{Group: group, AckID: ackID}
	})
}

// AddUser adds a user to a group with all connections, present and to come. The
// membership ends after ttl, in whole seconds; 0 means never.
func (g Groups) AddUser(ctx context.Context, user, group string, ttl time.Duration) error {
	_, err := g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.UserJoinGroupWithAck{User: user, Group: group, AckID: ackID,
			TTL: int32(ttl / time.Second), HasTTL: ttl > 0}
	})
	return err
}

// RemoveUser removes a user from a group, whether or not it is in.
func (g Groups) RemoveUser(ctx context.Context, user, group string) error {
	_, err := g.hub.ask(ctx, group, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.UserLeaveGroupWithAck{User: user, Group: group, AckID: ackID}
	})
	return err
}

// RemoveUserFromAll removes a user from all groups.
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
