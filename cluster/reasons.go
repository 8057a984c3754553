package cluster

// ByeReason is why a node ends its session with another one, or refuses one. The list is closed.
type ByeReason string

const (
	// ByeLeaving: the node ends in order.
	ByeLeaving ByeReason = "Leaving"
	// ByeNameInUse: another node of the same name lives.
	ByeNameInUse ByeReason = "NameInUse"
	// ByeCluster: the node belongs to another cluster, or has another secret.
	ByeCluster ByeReason = "AnotherCluster"
	// ByeVersion: there is no version of the protocol that both speak.
	ByeVersion ByeReason = "Version"
	// ByeMalformed: a packet or a frame cannot be read.
	ByeMalformed ByeReason = "Malformed"
	// ByeTooLarge: a frame is larger than the node takes.
	ByeTooLarge ByeReason = "TooLarge"
	// ByeUnknown: a frame is of a type that the version does not have and that may not be ignored.
	ByeUnknown ByeReason = "UnknownFrame"
	// ByeSilent: nothing was heard of the peer for five seconds.
	ByeSilent ByeReason = "Silent"
)

var byeReasons = []ByeReason{ByeLeaving, ByeNameInUse, ByeCluster, ByeVersion, ByeMalformed, ByeTooLarge, ByeUnknown, ByeSilent}

// DropReason is why a command did not get to a peer. The list is closed. Such a command is in no
// hub's books: its deliveries were never attempted.
type DropReason string

const (
	// DropPeerBehind: too much waited for the peer already.
	DropPeerBehind DropReason = "PeerBehind"
	// DropPeerLost: the peer was gone before it acknowledged the command. Commands for one that was gone already
	// are counted for a minute, unless it left or is known to have ended: it may live, and miss them.
	DropPeerLost DropReason = "PeerLost"
)

var dropReasons = []DropReason{DropPeerBehind, DropPeerLost}
