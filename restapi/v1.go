package restapi

import (
	"context"

	"github.com/hubgate/hubgate/gateway"
)

// The operations of v1, with its own status codes (R38). Those called Alias
// are paths that only the emulator and samples have.

// V1Health tells whether the node takes clients.
func (s *server) V1Health(context.Context, V1HealthRequestObject) (V1HealthResponseObject, error) {
	return V1Health200Response{}, s.health()
}

// V1Broadcast sends to a hub.
func (s *server) V1Broadcast(ctx context.Context, r V1BroadcastRequestObject) (V1BroadcastResponseObject, error) {
	return V1Broadcast202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).all(r.Params.Excluded), r.ContentType, r.Body)
}

// V1UserExists answers GET and HEAD.
func (s *server) V1UserExists(ctx context.Context, r V1UserExistsRequestObject) (V1UserExistsResponseObject, error) {
	return V1UserExists200Response{}, s.exists(ctx, at(r.Hub, r.Params.Application).user(r.User), noUser)
}

// V1SendToUser sends to a user's connections.
func (s *server) V1SendToUser(ctx context.Context, r V1SendToUserRequestObject) (V1SendToUserResponseObject, error) {
	return V1SendToUser202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).user(r.User), r.ContentType, r.Body)
}

// V1RemoveUserFromAllGroups ends all memberships, live and standing (R35).
func (s *server) V1RemoveUserFromAllGroups(ctx context.Context, r V1RemoveUserFromAllGroupsRequestObject) (V1RemoveUserFromAllGroupsResponseObject, error) {
	return V1RemoveUserFromAllGroups200Response{}, s.removeUserFromAll(ctx, at(r.Hub, r.Params.Application), r.User)
}

// V1ConnectionExists answers GET and HEAD.
func (s *server) V1ConnectionExists(ctx context.Context, r V1ConnectionExistsRequestObject) (V1ConnectionExistsResponseObject, error) {
	return V1ConnectionExists200Response{}, s.exists(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), noConnection)
}

// V1SendToConnection sends to one connection.
func (s *server) V1SendToConnection(ctx context.Context, r V1SendToConnectionRequestObject) (V1SendToConnectionResponseObject, error) {
	return V1SendToConnection202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.ContentType, r.Body)
}

// V1CloseConnection succeeds whether the connection exists or not: v1 has no 404 here.
func (s *server) V1CloseConnection(ctx context.Context, r V1CloseConnectionRequestObject) (V1CloseConnectionResponseObject, error) {
	_, err := s.close(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.Params.Reason)
	return V1CloseConnection202Response{}, err
}

// V1GroupExists answers GET and HEAD.
func (s *server) V1GroupExists(ctx context.Context, r V1GroupExistsRequestObject) (V1GroupExistsResponseObject, error) {
	return V1GroupExists200Response{}, s.exists(ctx, at(r.Hub, r.Params.Application).group(r.Group, nil), noGroup)
}

// V1SendToGroup sends to a group.
func (s *server) V1SendToGroup(ctx context.Context, r V1SendToGroupRequestObject) (V1SendToGroupResponseObject, error) {
	return V1SendToGroup202Response{}, s.send(ctx, at(r.Hub, r.Params.Application).group(r.Group, r.Params.Excluded), r.ContentType, r.Body)
}

// V1AddConnectionToGroup fails for unknown connections.
func (s *server) V1AddConnectionToGroup(ctx context.Context, r V1AddConnectionToGroupRequestObject) (V1AddConnectionToGroupResponseObject, error) {
	return V1AddConnectionToGroup200Response{}, s.join(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.Group)
}

// V1AddConnectionToGroupAlias is V1AddConnectionToGroup.
func (s *server) V1AddConnectionToGroupAlias(ctx context.Context, r V1AddConnectionToGroupAliasRequestObject) (V1AddConnectionToGroupAliasResponseObject, error) {
	return V1AddConnectionToGroupAlias200Response{}, s.join(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), r.Group)
}

// V1RemoveConnectionFromGroup fails for unknown connections, unlike its successor.
func (s *server) V1RemoveConnectionFromGroup(ctx context.Context, r V1RemoveConnectionFromGroupRequestObject) (V1RemoveConnectionFromGroupResponseObject, error) {
	n, err := s.changeGroup(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), gateway.VerbLeave, r.Group)
	return V1RemoveConnectionFromGroup200Response{}, orMissing(n, err, noConnectionToAdd)
}

// V1RemoveConnectionFromGroupAlias is V1RemoveConnectionFromGroup.
func (s *server) V1RemoveConnectionFromGroupAlias(ctx context.Context, r V1RemoveConnectionFromGroupAliasRequestObject) (V1RemoveConnectionFromGroupAliasResponseObject, error) {
	n, err := s.changeGroup(ctx, at(r.Hub, r.Params.Application).connection(r.Connection), gateway.VerbLeave, r.Group)
	return V1RemoveConnectionFromGroupAlias200Response{}, orMissing(n, err, noConnectionToAdd)
}

// V1UserInGroup answers GET and HEAD.
func (s *server) V1UserInGroup(ctx context.Context, r V1UserInGroupRequestObject) (V1UserInGroupResponseObject, error) {
	return V1UserInGroup200Response{}, s.userInGroup(ctx, at(r.Hub, r.Params.Application), r.User, r.Group)
}

// V1UserInGroupAlias is V1UserInGroup.
func (s *server) V1UserInGroupAlias(ctx context.Context, r V1UserInGroupAliasRequestObject) (V1UserInGroupAliasResponseObject, error) {
	return V1UserInGroupAlias200Response{}, s.userInGroup(ctx, at(r.Hub, r.Params.Application), r.User, r.Group)
}

// V1AddUserToGroup adds a user who need not be connected.
func (s *server) V1AddUserToGroup(ctx context.Context, r V1AddUserToGroupRequestObject) (V1AddUserToGroupResponseObject, error) {
	return V1AddUserToGroup202Response{}, s.addUser(ctx, at(r.Hub, r.Params.Application), r.User, r.Group, r.Params.Ttl)
}

// V1AddUserToGroupAlias is V1AddUserToGroup.
func (s *server) V1AddUserToGroupAlias(ctx context.Context, r V1AddUserToGroupAliasRequestObject) (V1AddUserToGroupAliasResponseObject, error) {
	return V1AddUserToGroupAlias202Response{}, s.addUser(ctx, at(r.Hub, r.Params.Application), r.User, r.Group, r.Params.Ttl)
}

// V1RemoveUserFromGroup succeeds whether the user was in the group or not.
func (s *server) V1RemoveUserFromGroup(ctx context.Context, r V1RemoveUserFromGroupRequestObject) (V1RemoveUserFromGroupResponseObject, error) {
	return V1RemoveUserFromGroup202Response{}, s.removeUser(ctx, at(r.Hub, r.Params.Application), r.User, r.Group)
}

// V1RemoveUserFromGroupAlias is V1RemoveUserFromGroup.
func (s *server) V1RemoveUserFromGroupAlias(ctx context.Context, r V1RemoveUserFromGroupAliasRequestObject) (V1RemoveUserFromGroupAliasResponseObject, error) {
	return V1RemoveUserFromGroupAlias202Response{}, s.removeUser(ctx, at(r.Hub, r.Params.Application), r.User, r.Group)
}
