package serviceprotocol

// Type is the number that identifies a kind of message.
type Type int32

// The catalogue of messages.
const (
	TypeHandshakeRequest         Type = 1
	TypeHandshakeResponse        Type = 2
	TypePing                     Type = 3
	TypeOpenConnection           Type = 4
	TypeCloseConnection          Type = 5
	TypeConnectionData           Type = 6
	TypeMultiConnectionData      Type = 7
	TypeUserData                 Type = 8
	TypeMultiUserData            Type = 9
	TypeBroadcastData            Type = 10
	TypeJoinGroup                Type = 11
	TypeLeaveGroup               Type = 12
	TypeGroupBroadcastData       Type = 13
	TypeMultiGroupBroadcastData  Type = 14
	TypeServiceError             Type = 15
	TypeUserJoinGroup            Type = 16
	TypeUserLeaveGroup           Type = 17
	TypeJoinGroupWithAck         Type = 18
	TypeLeaveGroupWithAck        Type = 19
	TypeAck                      Type = 20
	TypeCheckUserInGroup         Type = 21
	TypeServiceEvent             Type = 22
	TypeCheckGroupExistence      Type = 23
	TypeCheckConnectionExistence Type = 24
	TypeCheckUserExistence       Type = 25
	TypeUserJoinGroupWithAck     Type = 26
	TypeUserLeaveGroupWithAck    Type = 27
	TypeAccessKeyRequest         Type = 28
	TypeAccessKeyResponse        Type = 29
	TypeCloseConnectionWithAck   Type = 30
	TypeCloseConnections         Type = 31
	TypeCloseUserConnections     Type = 32
	TypeCloseGroupConnections    Type = 33
	TypeClientInvocation         Type = 34
	TypeClientCompletion         Type = 35
	TypeErrorCompletion          Type = 36
	TypeServiceMapping           Type = 37
	TypeConnectionReconnect      Type = 38
	TypeConnectionFlowControl    Type = 39
	TypeGroupMemberQuery         Type = 40
	// TypeRefreshAuth is known by number and name only, and so are, without their numbers, a question for a
	// client's claims and a message that replaces them. All are read as *Unknown.
	TypeRefreshAuth Type = 41
)

// String returns the type's name, for logs and metrics. It is "Unknown" for every number
// that is not in the catalogue, so that the names are a closed list.
func (t Type) String() string {
	if t > 0 && int(t) < len(catalogue) {
		return catalogue[t].name
	}
	return "Unknown"
}

// entry describes a type of the catalogue.
type entry struct {
	name string
	// least is how many elements a message must have, its type among them. The extension
	// map never counts: hub servers always write it where they need it.
	least int
	// fresh makes an empty message; nil if the layout is not known.
	fresh func() Message
}

// fresh makes an empty message of type M.
func fresh[M any, P interface {
	*M
	Message
}]() Message {
	return P(new(M))
}

var catalogue = [...]entry{
	TypeHandshakeRequest:         {"HandshakeRequest", 2, fresh[HandshakeRequest]},
	TypeHandshakeResponse:        {"HandshakeResponse", 2, fresh[HandshakeResponse]},
	TypePing:                     {"Ping", 1, fresh[Ping]},
	TypeOpenConnection:           {"OpenConnection", 3, fresh[OpenConnection]},
	TypeCloseConnection:          {"CloseConnection", 3, fresh[CloseConnection]},
	TypeConnectionData:           {"ConnectionData", 3, fresh[ConnectionData]},
	TypeMultiConnectionData:      {"MultiConnectionData", 3, fresh[MultiConnectionData]},
	TypeUserData:                 {"UserData", 3, fresh[UserData]},
	TypeMultiUserData:            {"MultiUserData", 3, fresh[MultiUserData]},
	TypeBroadcastData:            {"BroadcastData", 3, fresh[BroadcastData]},
	TypeJoinGroup:                {"JoinGroup", 3, fresh[JoinGroup]},
	TypeLeaveGroup:               {"LeaveGroup", 3, fresh[LeaveGroup]},
	TypeGroupBroadcastData:       {"GroupBroadcastData", 4, fresh[GroupBroadcastData]},
	TypeMultiGroupBroadcastData:  {"MultiGroupBroadcastData", 3, fresh[MultiGroupBroadcastData]},
	TypeServiceError:             {"ServiceError", 2, fresh[ServiceError]},
	TypeUserJoinGroup:            {"UserJoinGroup", 3, fresh[UserJoinGroup]},
	TypeUserLeaveGroup:           {"UserLeaveGroup", 3, fresh[UserLeaveGroup]},
	TypeJoinGroupWithAck:         {"JoinGroupWithAck", 4, fresh[JoinGroupWithAck]},
	TypeLeaveGroupWithAck:        {"LeaveGroupWithAck", 4, fresh[LeaveGroupWithAck]},
	TypeAck:                      {"Ack", 4, fresh[Ack]},
	TypeCheckUserInGroup:         {"CheckUserInGroupWithAck", 4, fresh[CheckUserInGroup]},
	TypeServiceEvent:             {"ServiceEvent", 5, fresh[ServiceEvent]},
	TypeCheckGroupExistence:      {"CheckGroupExistenceWithAck", 3, fresh[CheckGroupExistence]},
	TypeCheckConnectionExistence: {"CheckConnectionExistenceWithAck", 3, fresh[CheckConnectionExistence]},
	TypeCheckUserExistence:       {"CheckUserExistenceWithAck", 3, fresh[CheckUserExistence]},
	TypeUserJoinGroupWithAck:     {"UserJoinGroupWithAck", 4, fresh[UserJoinGroupWithAck]},
	TypeUserLeaveGroupWithAck:    {"UserLeaveGroupWithAck", 4, fresh[UserLeaveGroupWithAck]},
	TypeAccessKeyRequest:         {"AccessKeyRequest", 3, fresh[AccessKeyRequest]},
	TypeAccessKeyResponse:        {"AccessKeyResponse", 5, fresh[AccessKeyResponse]},
	TypeCloseConnectionWithAck:   {"CloseConnectionWithAck", 4, fresh[CloseConnectionWithAck]},
	TypeCloseConnections:         {"CloseConnectionsWithAck", 4, fresh[CloseConnections]},
	TypeCloseUserConnections:     {"CloseUserConnectionsWithAck", 5, fresh[CloseUserConnections]},
	TypeCloseGroupConnections:    {"CloseGroupConnectionsWithAck", 5, fresh[CloseGroupConnections]},
	TypeClientInvocation:         {"ClientInvocation", 5, fresh[ClientInvocation]},
	TypeClientCompletion:         {"ClientCompletion", 6, fresh[ClientCompletion]},
	TypeErrorCompletion:          {"ErrorCompletion", 5, fresh[ErrorCompletion]},
	TypeServiceMapping:           {"ServiceMapping", 4, fresh[ServiceMapping]},
	TypeConnectionReconnect:      {"ConnectionReconnect", 2, fresh[ConnectionReconnect]},
	TypeConnectionFlowControl:    {"ConnectionFlowControl", 4, fresh[ConnectionFlowControl]},
	TypeGroupMemberQuery:         {"GroupMemberQuery", 4, fresh[GroupMemberQuery]},
	TypeRefreshAuth:              {"RefreshAuth", 1, nil},
}
