package serviceprotocol

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is one message with its bytes. The tables are used by the codec tests and as
// seeds of the fuzz targets.
type vector struct {
	name    string
	hex     string // with the length prefix
	message Message
	// rewritten is what this package writes where that differs: the shorter forms of older
	// writers are read but not written.
	rewritten string
}

// appendixA are the conformance vectors of the hub server protocol.
var appendixA = []vector{
	{"V1 HandshakeRequest, 1.25 form, Default type", "0796010100a00080",
		&HandshakeRequest{Version: 1}, ""},
	{"V2 HandshakeRequest, Weak", "0796010102a00080",
		&HandshakeRequest{Version: 1, Kind: KindWeak}, ""},
	{"V3 HandshakeRequest, 2025 form with AllowStatefulReconnects=true", "0897010100a00080c3",
		&HandshakeRequest{Version: 1, AllowStatefulReconnects: told(true)}, ""},
	{"V4 HandshakeResponse ok, no id", "059402a080c0",
		&HandshakeResponse{}, ""},
	{"V5 HandshakeResponse ok + id srv-1", "0a9402a080a57372762d31",
		&HandshakeResponse{ConnectionID: "srv-1"}, ""},
	{"V6 HandshakeResponse minimal 2-element", "039202a0",
		&HandshakeResponse{}, "059402a080c0"},
	{"V7 HandshakeResponse error", "109402ab6e6f20737563682068756280c0",
		&HandshakeResponse{Error: "no such hub"}, ""},
	{"V8 Ping plain", "029103",
		&Ping{}, ""},
	{"V9 Ping client counters 7/2 from SDK", "1b9503ac23636c69656e74496e487562a137a723636c69656e74a132",
		ClientCountPing(7, 2), ""},
	{"V10 Ping status query from SDK", "0b9303a6737461747573a131",
		StatusQuestionPing(), ""},
	{"V11 Ping status answer active + counts", "369903a6737461747573a131ab636c69656e74636f756e74a23132ab736572766572636f756e74a135a86361706163697479a431303030",
		StatusPing(true, &Load{Clients: 12, Servers: 5, Capacity: 1000}), ""},
	{"V12 Ping fin:1", "119303a873687574646f776ea566696e3a31",
		ShutdownPing(FinMigrate), ""},
	{"V13 Ping finack", "129303a873687574646f776ea666696e61636b",
		FinAckPing(), ""},
	{"V14 Ping rebalance target", "109303a6746172676574a6696e73742d62",
		TargetPing("inst-b"), ""},
	{"V15 Ping servers answer", "259303a773657276657273ba3633383430303030303030303030303030303a615f313b625f32",
		ServersPing(638400000000000000, []string{"b_2", "a_1"}), ""},
	{"V16 Ping offline inst-b", "119303a76f66666c696e65a6696e73742d62",
		OfflinePing("inst-b"), ""},
	{"V17 OpenConnection", "a2019604a2433182d944687474703a2f2f736368656d61732e786d6c736f61702e6f72672f77732f323030352f30352f6964656e746974792f636c61696d732f6e616d656964656e746966696572a27531aa617372732e732e756964a2753182b0417372732d496e7374616e63652d496491a6696e73742d62af582d466f727761726465642d466f7291a831302e302e302e39a93f6875623d636861748103a46a736f6e",
		&OpenConnection{ConnectionID: "C1", Query: "?hub=chat", Protocol: "json",
			Claims: []Claim{
				{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", "u1"}, {"asrs.s.uid", "u1"}},
			Headers: []Header{{HeaderInstanceID, []string{"inst-b"}}, {HeaderForwardedFor, []string{"10.0.0.9"}}}}, ""},
	{"V18 ConnectionData: client's hub handshake", "289406a24331c4207b2270726f746f636f6c223a226a736f6e222c2276657273696f6e223a317d1e80",
		&ConnectionData{ConnectionID: "C1", Payload: []byte("{\"protocol\":\"json\",\"version\":1}\x1e")}, ""},
	{"V19 ConnectionData: app's handshake answer (>=1.26 tags it)", "0d9406a24331c4037b7d1e810501",
		&ConnectionData{ConnectionID: "C1", Payload: []byte("{}\x1e"), Kind: DataHandshake}, ""},
	{"V20 ConnectionData partial chunk", "0e9406a24331c4047b2274798106c3",
		&ConnectionData{ConnectionID: "C1", Payload: []byte("{\"ty"), Partial: true}, ""},
	{"V21 CloseConnection", "089505a24331a08080",
		&CloseConnection{ConnectionID: "C1"}, ""},
	{"V22 CloseConnection with migrate-to", "209505a24331a081af417372732d4d6967726174652d546f91a6737276425f3080",
		&CloseConnection{ConnectionID: "C1", Headers: []Header{{HeaderMigrateTo, []string{"srvB_0"}}}}, ""},
	{"V23 Broadcast json only, exclude C2", "36940a91a2433281a46a736f6ec4277b2274797065223a312c22746172676574223a2274222c22617267756d656e7473223a5b5d7d1e80",
		&BroadcastData{Excluded: []string{"C2"},
			Payloads: Payloads{{"json", []byte("{\"type\":1,\"target\":\"t\",\"arguments\":[]}\x1e")}}}, ""},
	{"V24 GroupBroadcast 7-element", "18970da1679081a46a736f6ec4037b7d1e8091a27539a27531",
		&GroupBroadcastData{Group: "g", Payloads: Payloads{{"json", []byte("{}\x1e")}},
			ExcludedUsers: []string{"u9"}, CallerUser: "u1"}, ""},
	{"V25 JoinGroupWithAck ack 5", "099512a24331a1670580",
		&JoinGroupWithAck{ConnectionID: "C1", Group: "g", AckID: 5}, ""},
	{"V26 LeaveGroupWithAck, all groups", "089513a24331c00680",
		&LeaveGroupWithAck{ConnectionID: "C1", All: true, AckID: 6}, ""},
	{"V27 UserJoinGroupWithAck ttl 10", "0b951aa27531a1670781020a",
		&UserJoinGroupWithAck{User: "u1", Group: "g", AckID: 7, TTL: 10, HasTTL: true}, ""},
	{"V28 Ack Ok", "0695140501a080",
		&Ack{AckID: 5, Status: AckOK}, ""},
	{"V29 Ack NotFound with 1.25 5-element form", "0f95140602a96e6f7420666f756e6480",
		&Ack{AckID: 6, Status: AckNotFound, Message: "not found"}, ""},
	{"V30 Ack 6-element (GroupMemberQuery answer, empty page)", "0b96140801a080c4039290c0",
		&Ack{AckID: 8, Status: AckOK, Payload: []byte("\x92\x90\xc0")}, ""},
	{"V31 Ack 6-element one member C1/u1 + token", "1596140801a080c40d929192a24331a27531a3746f6b",
		&Ack{AckID: 8, Status: AckOK, Payload: []byte("\x92\x91\x92\xa2C1\xa2u1\xa3tok")}, ""},
	{"V32 GroupMemberQuery early form", "08962880a167080ac0",
		&GroupMemberQuery{Group: "g", AckID: 8, Max: 10}, ""},
	{"V33 ClientInvocation", "599622a643312d692d31a24331a47372764181a46a736f6ec43f7b2274797065223a312c22696e766f636174696f6e4964223a2243312d692d31222c22746172676574223a2271222c22617267756d656e7473223a5b5d7d1e80",
		&ClientInvocation{InvocationID: "C1-i-1", ConnectionID: "C1", CallerServerID: "srvA",
			Payloads: Payloads{{"json", []byte("{\"type\":1,\"invocationId\":\"C1-i-1\",\"target\":\"q\",\"arguments\":[]}\x1e")}}}, ""},
	{"V34 ServiceMapping", "149525a643312d692d31a24331a6696e73742d6280",
		&ServiceMapping{InvocationID: "C1-i-1", ConnectionID: "C1", InstanceID: "inst-b"}, ""},
	{"V35 ClientCompletion", "479723a643312d692d31a24331a473727642a46a736f6ec42e7b2274797065223a332c22696e766f636174696f6e4964223a2243312d692d31222c22726573756c74223a317d1e80",
		&ClientCompletion{InvocationID: "C1-i-1", ConnectionID: "C1", CallerServerID: "srvB", Protocol: "json",
			Payload: []byte("{\"type\":3,\"invocationId\":\"C1-i-1\",\"result\":1}\x1e")}, ""},
	{"V36 ErrorCompletion", "179624a643312d692d31a24331a473727641a4676f6e6580",
		&ErrorCompletion{InvocationID: "C1-i-1", ConnectionID: "C1", CallerServerID: "srvA", Error: "gone"}, ""},
	{"V37 FlowControl pause client C1", "109527a24331d200000001d20000000180",
		&ConnectionFlowControl{ConnectionID: "C1", Target: FlowClient, Operation: FlowPause}, ""},
	{"V38 FlowControl offline server (id = cid)", "139527a56369642d31d200000002d20000000480",
		&ConnectionFlowControl{ConnectionID: "cid-1", Target: FlowServer, Operation: FlowOffline}, ""},
	{"V39 ConnectionReconnect", "069326a2433180",
		&ConnectionReconnect{ConnectionID: "C1"}, ""},
	{"V40 ServiceError", "08920fa571756f7461",
		&ServiceError{Message: "quota"}, ""},
	{"V41 AccessKeyResponse", "0f961da26b31a6736563726574c0c080",
		&AccessKeyResponse{KeyID: "k1", AccessKey: "secret"}, ""},
	{"V42 AspNet payload: nested ConnectionData around bus JSON", "319406a0c42b7b2243223a2230222c224d223a5b7b2248223a2243686174222c224d223a2274222c2241223a5b5d7d5d7d80",
		&ConnectionData{Payload: []byte("{\"C\":\"0\",\"M\":[{\"H\":\"Chat\",\"M\":\"t\",\"A\":[]}]}")}, ""},
}

// both are payloads in two protocols.
var both = Payloads{{"json", []byte("{}\x1e")}, {"messagepack", []byte("\x02\x91\x06")}}

// others cover the messages and extension keys that appendixA has no vector of.
var others = []vector{
	{"MultiConnectionData", "26940792a24331a2433282a46a736f6ec4037b7d1eab6d6573736167657061636bc40302910680",
		&MultiConnectionData{Connections: []string{"C1", "C2"}, Payloads: both}, ""},
	{"MultiConnectionData with a filter and tracing", "30940791a2433182a46a736f6ec4037b7d1eab6d6573736167657061636bc4030291068201cfffffffffffffffff04a166",
		&MultiConnectionData{Connections: []string{"C1"}, Payloads: both, Filter: "f", TracingID: math.MaxUint64}, ""},
	{"UserData", "269408a2753182a46a736f6ec4037b7d1eab6d6573736167657061636bc4030291068101cd04d2",
		&UserData{User: "u1", Payloads: both, TracingID: 1234}, ""},
	{"MultiUserData", "26940992a27531a2753282a46a736f6ec4037b7d1eab6d6573736167657061636bc40302910680",
		&MultiUserData{Users: []string{"u1", "u2"}, Payloads: both}, ""},
	{"BroadcastData without payloads", "05940a908080",
		&BroadcastData{}, ""},
	{"JoinGroup", "08940ba24331a16780",
		&JoinGroup{ConnectionID: "C1", Group: "g"}, ""},
	{"LeaveGroup", "0a940ca24331a167810101",
		&LeaveGroup{ConnectionID: "C1", Group: "g", TracingID: 1}, ""},
	{"GroupBroadcastData without a caller", "2a970da16791a2433182a46a736f6ec4037b7d1eab6d6573736167657061636bc4030291068104a16690c0",
		&GroupBroadcastData{Group: "g", Excluded: []string{"C1"}, Payloads: both, Filter: "f"}, ""},
	{"MultiGroupBroadcastData", "24940e92a167a16882a46a736f6ec4037b7d1eab6d6573736167657061636bc40302910680",
		&MultiGroupBroadcastData{Groups: []string{"g", "h"}, Payloads: both}, ""},
	{"UserJoinGroup", "089410a27531a16780",
		&UserJoinGroup{User: "u1", Group: "g"}, ""},
	{"UserJoinGroup with ttl 0", "0a9410a27531a167810200",
		&UserJoinGroup{User: "u1", Group: "g", HasTTL: true}, ""},
	{"UserLeaveGroup", "089411a27531a16780",
		&UserLeaveGroup{User: "u1", Group: "g"}, ""},
	{"UserLeaveGroup, all", "079411a27531c080",
		&UserLeaveGroup{User: "u1", All: true}, ""},
	{"CheckUserInGroup", "0a9515a27531a167ccc880",
		&CheckUserInGroup{User: "u1", Group: "g", AckID: 200}, ""},
	{"ServiceEvent", "10961604a56369642d3103a4736c6f7780",
		&ServiceEvent{Object: EventServerConnection, ID: "cid-1", Kind: EventBufferFull, Message: "slow"}, ""},
	{"CheckGroupExistence", "0a9417a167ce0001117080",
		&CheckGroupExistence{Group: "g", AckID: 70000}, ""},
	{"CheckConnectionExistence", "079418a243310180",
		&CheckConnectionExistence{ConnectionID: "C1", AckID: 1}, ""},
	{"CheckUserExistence", "0d9419a27531ce7fffffff810107",
		&CheckUserExistence{User: "u1", AckID: math.MaxInt32, TracingID: 7}, ""},
	{"UserLeaveGroupWithAck, all", "08951ba27531c00980",
		&UserLeaveGroupWithAck{User: "u1", All: true, AckID: 9}, ""},
	{"UserLeaveGroupWithAck", "09951ba27531a1670980",
		&UserLeaveGroupWithAck{User: "u1", Group: "g", AckID: 9}, ""},
	{"AccessKeyRequest", "08941ca3746f6bc080",
		&AccessKeyRequest{Token: "tok"}, ""},
	{"AccessKeyResponse, error", "0a961dc0c0a154a26e6f80",
		&AccessKeyResponse{ErrorType: "T", Error: "no"}, ""},
	{"CloseConnectionWithAck", "0b951ea24331a36279650380",
		&CloseConnectionWithAck{ConnectionID: "C1", Reason: "bye", AckID: 3}, ""},
	{"CloseConnections", "09951fc00391a2433180",
		&CloseConnections{AckID: 3, Excluded: []string{"C1"}}, ""},
	{"CloseUserConnections", "0f9620a27531a36279650391a2433180",
		&CloseUserConnections{User: "u1", Reason: "bye", AckID: 3, Excluded: []string{"C1"}}, ""},
	{"CloseGroupConnections", "089621a167c0039080",
		&CloseGroupConnections{Group: "g", AckID: 3}, ""},
	{"ClientCompletion with the protocol twice", "1d9723a169a24331a473727642a46a736f6ec4037b7d1e8103a46a736f6e",
		&ClientCompletion{InvocationID: "i", ConnectionID: "C1", CallerServerID: "srvB", Protocol: "json",
			Payload: []byte("{}\x1e"), ExtensionProtocol: "json"}, ""},
	{"ClientCompletion, empty", "149723a169a24331a473727641a46a736f6ec40080",
		&ClientCompletion{InvocationID: "i", ConnectionID: "C1", CallerServerID: "srvA", Protocol: "json", Payload: []byte{}}, ""},
	{"GroupMemberQuery with a token", "1596288101cd04d2a567726f7570010aa5746f6b656e",
		&GroupMemberQuery{Group: "group", AckID: 1, Max: 10, Token: "token", TracingID: 1234}, ""},
	{"ConnectionData, last part", "0d9406a24331c401788201050504",
		&ConnectionData{ConnectionID: "C1", Payload: []byte("x"), Kind: DataClose, TracingID: 5}, ""},
	{"HandshakeRequest, OnDemand, migration", "0796010101a00180",
		&HandshakeRequest{Version: 1, Kind: KindOnDemand, MigrationLevel: 1}, ""},
	{"negative status", "089514ffd1ff38a080",
		&Ack{AckID: -1, Status: -200}, ""},
}

func allVectors() []vector { return append(append([]vector{}, appendixA...), others...) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// cut takes the one body off a frame.
func cut(t testing.TB, framed []byte) []byte {
	t.Helper()
	body, rest, err := Cut(framed, len(framed))
	require.NoError(t, err)
	require.NotNil(t, body, "not complete")
	require.Empty(t, rest)
	return body
}

// parse reads one frame.
func parse(t testing.TB, framed []byte) Message {
	t.Helper()
	message, err := Parse(cut(t, framed))
	require.NoError(t, err)
	return message
}

func TestVectors(t *testing.T) {
	decoder := NewDecoder()
	for _, v := range allVectors() {
		t.Run("H20 "+v.name, func(t *testing.T) {
			framed := unhex(t, v.hex)
			require.Equal(t, v.message, parse(t, framed))
			decoded, err := decoder.Decode(cut(t, framed))
			require.NoError(t, err)
			require.Equal(t, v.message, decoded)

			want := v.hex
			if v.rewritten != "" {
				want = v.rewritten
			}
			require.Equal(t, want, hex.EncodeToString(v.message.Append(nil)))
			require.Equal(t, "ff"+want, hex.EncodeToString(v.message.Append([]byte{0xff})), "behind other bytes")
			require.Equal(t, unhex(t, v.hex), framed, "the input is left alone")
		})
	}
}

func TestEveryTypeHasAVector(t *testing.T) {
	seen := map[Type]bool{}
	for _, v := range allVectors() {
		seen[v.message.Type()] = true
	}
	for i, entry := range catalogue {
		if entry.fresh == nil {
			continue
		}
		require.True(t, seen[Type(i)], entry.name)
		require.Equal(t, Type(i), entry.fresh().Type())
		require.Equal(t, entry.name, Type(i).String())
	}
	require.Equal(t, "Unknown", Type(0).String())
	require.Equal(t, "Unknown", Type(-1).String())
	require.Equal(t, "Unknown", Type(42).String())
	require.Equal(t, "Unknown", Type(math.MaxInt32).String())
}
