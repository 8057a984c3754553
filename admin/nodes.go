package admin

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/poll"
)

// nodesBound is how long other nodes may take to say what they show.
const nodesBound = 1500 * time.Millisecond

// allNodes are this node and the others, as far as their admin addresses show the same things. Its methods may be called
// concurrently.
type allNodes struct {
	mu    sync.Mutex // guards what follows
	name  string
	poll  *poll.Poll // nil for a node alone
	shows map[string]func() (any, error)
}

// JoinNodes has the admin address of this node, which has the name, show what others have too, and tells others what this
// one has, until stop is called. Nothing is asked while nobody looks.
func (a *Admin) JoinNodes(name string, peers gateway.Peers) (stop func()) {
	n := &a.nodes
	p := poll.New(poll.Options{Peers: peers, Topic: gateway.AdminTopic, Answer: n.answer})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.name, n.poll = name, p
	return p.Close
}

// show has nodes that ask be told what show returns.
func (n *allNodes) show(what string, show func() (any, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.shows == nil {
		n.shows = make(map[string]func() (any, error))
	}
	n.shows[what] = show
}

var errNotShown = errors.New("the node has nothing of it")

// here is what this node shows.
func (n *allNodes) here(what string) (any, error) {
	n.mu.Lock()
	show := n.shows[what]
	n.mu.Unlock()
	if show == nil {
		return nil, errNotShown
	}
	return show()
}

// answer is what is said to another node.
func (n *allNodes) answer(_ context.Context, what []byte) ([]byte, error) {
	shown, err := n.here(string(what))
	if err != nil {
		return nil, err
	}
	return json.Marshal(shown)
}

// shownBy is what one node shows, or why it does not.
type shownBy[T any] struct {
	Node string
	What T
	Err  error
}

// gather returns what all nodes show, this one first. A node that does not answer in time is there with its error.
func gather[T any](ctx context.Context, n *allNodes, what string) []shownBy[T] {
	ctx, cancel := context.WithTimeout(ctx, nodesBound)
	defer cancel()
	n.mu.Lock()
	own, others := shownBy[T]{Node: n.name}, n.poll
	n.mu.Unlock()
	if shown, err := n.here(what); err != nil {
		own.Err = err
	} else {
		own.What, _ = shown.(T)
	}
	all := []shownBy[T]{own}
	if others == nil {
		return all
	}
	for _, answer := range others.Ask(ctx, []byte(what)) {
		one := shownBy[T]{Node: answer.Node, Err: answer.Err}
		if one.Err == nil {
			one.Err = json.Unmarshal(answer.Body, &one.What)
		}
		all = append(all, one)
	}
	return all
}

// NodeError is why a node is missing in an answer about all nodes.
type NodeError struct {
	Node  string `json:"node"`
	Error string `json:"error"`
}
