package restapi

import (
	"context"

	"github.com/hubgate/hubgate/gateway"
)

// The operations of 2022-06-01. An answer beside an error is not used.

// Health tells whether the node takes clients.
func (s *server) Health(context.Context, HealthRequestObject) (HealthResponseObject, error) {
	return Health200Response{}, s.health()
}

// Broadcast sends to a hub.
func (s *server) Broadcast(ctx context.Context, r BroadcastRequestObject) (BroadcastResponseObject, error) {
	return Broadcast202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).all(r.Params.Excluded), r.ContentType, r.Body)
}

// CloseAll closes a hub's connections.
func (s *server) CloseAll(ctx context.Context, r CloseAllRequestObject) (CloseAllResponseObject, error) {
	_, err := s.close(ctx, at(r.Hub, r.Params.Application).all(r.Params.Excluded), r.Params.Reason)
	return CloseAll204Response{}, err
}

// ConnectionExists answers GET and HEAD.
func (s *server) ConnectionExists(ctx context.Context, r ConnectionExistsRequestObject) (ConnectionExistsResponseObject, error) {
	return ConnectionExists200Response{}, s.exists(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), noConnection)
}

// CloseConnection closes one connection (R29).
func (s *server) CloseConnection(ctx context.Context, r CloseConnectionRequestObject) (CloseConnectionResponseObject, error) {
	n, err := s.close(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.Params.Reason)
	return CloseConnection200Response{}, orMissing(n, err, noConnection)
}

// SendToConnection sends to one connection.
func (s *server) SendToConnection(ctx context.Context, r SendToConnectionRequestObject) (SendToConnectionResponseObject, error) {
	return SendToConnection202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.ContentType, r.Body)
}

// RemoveConnectionFromAllGroups succeeds whether the connection exists or not (R36).
func (s *server) RemoveConnectionFromAllGroups(ctx context.Context, r RemoveConnectionFromAllGroupsRequestObject) (RemoveConnectionFromAllGroupsResponseObject, error) {
	_, err := s.command(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), gateway.Command{Verb: gateway.VerbLeaveAll})
	return RemoveConnectionFromAllGroups200Response{}, err
}

// GroupExists answers GET and HEAD.
func (s *server) GroupExists(ctx context.Context, r GroupExistsRequestObject) (GroupExistsResponseObject, error) {
	return GroupExists200Response{}, s.exists(ctx, at(r.Hub, r.Params.Application).group(r.Group, nil), noGroup)
}

// SendToGroup sends to a group.
func (s *server) SendToGroup(ctx context.Context, r SendToGroupRequestObject) (SendToGroupResponseObject, error) {
	return SendToGroup202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).group(r.Group, r.Params.Excluded), r.ContentType, r.Body)
}

// CloseGroup closes a group's connections.
func (s *server) CloseGroup(ctx context.Context, r CloseGroupRequestObject) (CloseGroupResponseObject, error) {
	_, err := s.close(ctx, at(r.Hub, r.Params.Application).group(r.Group, r.Params.Excluded), r.Params.Reason)
	return CloseGroup204Response{}, err
}

// AddConnectionToGroup fails for unknown connections, with the code that makes
// SDKs ignore it (R28).
func (s *server) AddConnectionToGroup(ctx context.Context, r AddConnectionToGroupRequestObject) (AddConnectionToGroupResponseObject, error) {
	return AddConnectionToGroup200Response{}, s.join(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.Group)
}

// RemoveConnectionFromGroup succeeds whether the connection exists or not (R28).
func (s *server) RemoveConnectionFromGroup(ctx context.Context, r RemoveConnectionFromGroupRequestObject) (RemoveConnectionFromGroupResponseObject, error) {
	_, err := s.changeGroup(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), gateway.VerbLeave, r.Group)
	return RemoveConnectionFromGroup200Response{}, err
}

// UserExists answers GET and HEAD.
func (s *server) UserExists(ctx context.Context, r UserExistsRequestObject) (UserExistsResponseObject, error) {
	return UserExists200Response{}, s.exists(ctx, at(r.Hub, r.Params.Application).user(r.User), noUser)
}

// SendToUser sends to a user's connections.
func (s *server) SendToUser(ctx context.Context, r SendToUserRequestObject) (SendToUserResponseObject, error) {
	return SendToUser202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).user(r.User), r.ContentType, r.Body)
}

// CloseUser closes a user's connections.
func (s *server) CloseUser(ctx context.Context, r CloseUserRequestObject) (CloseUserResponseObject, error) {
	_, err := s.close(ctx, at(r.Hub, r.Params.Application).shortUser(r.User, r.Params.Excluded), r.Params.Reason)
	return CloseUser204Response{}, err
}

// AddUserToGroup adds a user who need not be connected (R32, R33).
func (s *server) AddUserToGroup(ctx context.Context, r AddUserToGroupRequestObject) (AddUserToGroupResponseObject, error) {
	return AddUserToGroup200Response{}, s.addUser(ctx, at(r.Hub, r.Params.Application), r.User, r.Group, r.Params.Ttl)
}

// RemoveUserFromGroup succeeds whether the user was in the group or not.
func (s *server) RemoveUserFromGroup(ctx context.Context, r RemoveUserFromGroupRequestObject) (RemoveUserFromGroupResponseObject, error) {
	return RemoveUserFromGroup204Response{}, s.removeUser(ctx, at(r.Hub, r.Params.Application), r.User, r.Group)
}

// RemoveUserFromAllGroups ends all memberships, live and standing (R35).
func (s *server) RemoveUserFromAllGroups(ctx context.Context, r RemoveUserFromAllGroupsRequestObject) (RemoveUserFromAllGroupsResponseObject, error) {
	return RemoveUserFromAllGroups204Response{}, s.removeUserFromAll(ctx, at(r.Hub, r.Params.Application), r.User)
}

// UserInGroup answers GET and HEAD (R27).
func (s *server) UserInGroup(ctx context.Context, r UserInGroupRequestObject) (UserInGroupResponseObject, error) {
	return UserInGroup200Response{}, s.userInGroup(ctx, at(r.Hub, r.Params.Application), r.User, r.Group)
}
