package gateway

// Topic says which parts of nodes talk with each other: each talks with its like.
type Topic int

const (
	// BackendTopic is for the Backends of nodes.
	BackendTopic Topic = iota
	// HomeTopic is for those who know by an id where its connection is.
	HomeTopic
	// QuotaTopic is for what bounds over all nodes are compared with.
	QuotaTopic
	// MoveTopic is for the cores: they hand connections over.
	MoveTopic
	// AnswerTopic is for the cores: clients answer invocations of other nodes.
	AnswerTopic
	// PresenceTopic is for those who list what nodes have.
	PresenceTopic
	// TraceTopic is for those who search in what has happened on nodes.
	TraceTopic
	// FaultTopic is for those who inject faults.
	FaultTopic
	// FirewallTopic is for those who bound what clients do that have something in common.
	FirewallTopic
	// WatchTopic is for those who show what happens, LiveTraceTopic for live trace.
	WatchTopic
	LiveTraceTopic
	// AdminTopic is for those who ask what the admin addresses of nodes show, LogoutTopic for sessions of browsers
	// that have ended.
	AdminTopic
	LogoutTopic
	// Topics is how many there are.
	Topics
)

// Peers is the optional ability of a Backplane to take messages from a part of one node to the same
// part of others. What they say is no business of the core or of the Backplane.
//
// Messages of one part to its like arrive in the order in which they were sent, exactly once,
// and in order with the Commands that the sender's gateway has handed over before and after: both
// take the same way. All that ends at a moment that both sides see, with the words PeerGone.
type Peers interface {
	// Converse has the handler hear of the other nodes, beginning with those that are there, until
	// stop is called. There is one handler at a time for each topic. What comes for a node that has none is
	// dropped, but in the first seconds of a node: then it waits for the handler.
	Converse(about Topic, h PeerHandler) (stop func())
}

// Peer is another node, from PeerUp to PeerGone. A node that comes back is another Peer. Its methods
// may be called concurrently, with locks held, and do not wait.
type Peer interface {
	// Name is the tag of the node, as in its connection ids.
	Name() string
	// Send hands over a message, which belongs to the Peer from then on. False means that the node is
	// gone, or takes no message of that size. A message is taken whatever waits already: whoever
	// sends much asks Full first.
	Send(message []byte) bool
	// Full reports whether a message of so many bytes should not be sent now. PeerRoom is called
	// when it may be tried again.
	Full(size int) bool
}

// Silent is an optional ability of a Peer: whether nothing has been heard of the node for some seconds, or there are
// signs that it is not there. It may be about to be gone, so that new work is better given to others.
type Silent interface {
	Silent() bool
}

// PeerHandler hears what other nodes do and say. Its methods are called for one event of a Peer at a
// time. They must not wait, because Commands of the same node wait for them.
type PeerHandler interface {
	// PeerUp is the first word about a Peer, PeerGone the last one. What was sent before PeerGone may
	// not have arrived.
	PeerUp(p Peer)
	PeerGone(p Peer)
	// PeerRoom says that a Peer that was full is not.
	PeerRoom(p Peer)
	// PeerSaid gives the handler a message. An error ends the conversation: both sides hear
	// PeerGone, and perhaps PeerUp a moment later.
	PeerSaid(p Peer, message []byte) error
}
