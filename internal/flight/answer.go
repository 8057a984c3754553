package flight

import "time"

// Answer is what the nodes have found.
type Answer struct {
	// Events are in the order of their times, by the clocks of their nodes.
	Events []Event `json:"events"`
	// More: there are older ones that the limit leaves out.
	More bool `json:"more,omitempty"`
	// Nodes are all that were asked, those that did not answer among them.
	Nodes []NodeAnswer `json:"nodes"`
}

// NodeAnswer is what is to be known of the answer of one node.
type NodeAnswer struct {
	Node string `json:"node"`
	// Error is why there is nothing of it.
	Error string `json:"error,omitempty"`
	// Off: the node records nothing.
	Off bool `json:"off,omitempty"`
	// Since is from when on the node has all events; zero if that is from its start on.
	Since time.Time `json:"since,omitzero"`
	// Recorded is how many events it has recorded since its start.
	Recorded uint64 `json:"recorded,omitempty"`
}
