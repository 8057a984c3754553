package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// answerBound is how long other nodes may take for an answer.
	answerBound = 5 * time.Second
	// maxAnswering is how many questions of other nodes are answered at a time.
	maxAnswering = 64
	// maxAsked is how often a question is asked while connections go from node to node.
	maxAsked = 3
)

// errBusy is what a node says that answers as many questions as it may, or whose way to the other one is full.
var errBusy = errors.New("the node is busy")

// circle asks the other nodes. It implements gateway.PeerHandler.
type circle struct {
	local *local
	feeds *feeds
	stop  func() // ends the conversation; nil if there are no other nodes

	mu        sync.Mutex // guards what follows
	peers     []gateway.Peer
	next      uint64
	open      map[uint64]*asking
	answering int
	// closed: no more answers. running are the goroutines that make some.
	closed  bool
	running sync.WaitGroup
}

// asking is a question that waits for answers. Guarded by circle.mu.
type asking struct {
	missing []gateway.Peer
	parts   []*answer
	err     error
	done    chan struct{} // closed when nobody is missing
}

func (c *circle) begin(l *local, f *feeds, peers gateway.Peers) {
	c.local, c.feeds, c.open = l, f, make(map[uint64]*asking)
	if peers != nil {
		c.stop = peers.Converse(gateway.PresenceTopic, c)
	}
}

func (c *circle) end() {
	if c.stop != nil {
		c.stop()
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.running.Wait()
}

// ask asks this node and all others, and again while connections go from node to node. A node that is gone has nothing.
// An error that is gateway.ErrIncomplete names those that did not answer.
func (c *circle) ask(ctx context.Context, q *question) (parts []*answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerBound)
	defer cancel()
	until, _ := ctx.Deadline()
	for range maxAsked {
		began := time.Now()
		next, err := c.askOnce(ctx, q)
		switch {
		case err != nil && parts == nil:
			return nil, err
		case err != nil:
			return parts, nil // what all have answered before is better than nothing
		}
		parts = next
		took := time.Since(began)
		// If a connection went from one to another meanwhile, it may be in neither answer.
		if !slices.ContainsFunc(parts, func(a *answer) bool { return a.movedWithin(took) }) || time.Until(until) < took {
			break
		}
	}
	return parts, nil
}

func (c *circle) askOnce(ctx context.Context, q *question) ([]*answer, error) {
	a := &asking{done: make(chan struct{})}
	c.mu.Lock()
	c.next++
	id := c.next
	c.open[id] = a
	message := said{ID: id, Question: q}
	for _, p := range c.peers {
		if p.Send(message.append(saidQuestion)) {
			a.missing = append(a.missing, p)
		}
	}
	alone := len(a.missing) == 0
	if alone {
		close(a.done)
	}
	c.mu.Unlock()
	defer c.forget(id)

	own, err := c.local.answer(ctx, q)
	if err == nil && !alone {
		err = own.fits()
	}
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case a.err != nil:
		return nil, a.err
	case len(a.missing) == 0:
		return append(a.parts, own), nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: %s", gateway.ErrIncomplete, a.names())
}

// names are those that did not answer.
func (a *asking) names() string {
	var list []string
	for _, p := range a.missing {
		list = append(list, p.Name())
	}
	return strings.Join(list, ", ")
}

func (c *circle) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, id)
}

// part takes a peer's answer; nil if it is gone. Called with mu held.
func (c *circle) part(a *asking, of gateway.Peer, part *answer) {
	if a == nil || !slices.Contains(a.missing, of) {
		return
	}
	a.missing = slices.DeleteFunc(a.missing, func(p gateway.Peer) bool { return p == of })
	switch {
	case part == nil:
	case part.Error != "":
		a.err = fmt.Errorf("%w: %s: %s", gateway.ErrIncomplete, of.Name(), part.Error)
	default:
		a.parts = append(a.parts, part)
	}
	if len(a.missing) == 0 {
		close(a.done)
	}
}

// PeerUp implements gateway.PeerHandler.
func (c *circle) PeerUp(p gateway.Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = append(c.peers, p)
	c.feeds.peerUp(p)
}

// PeerGone implements gateway.PeerHandler.
func (c *circle) PeerGone(p gateway.Peer) {
	c.feeds.peerGone(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = slices.DeleteFunc(c.peers, func(one gateway.Peer) bool { return one == p })
	for _, a := range c.open {
		c.part(a, p, nil)
	}
}

// PeerRoom implements gateway.PeerHandler.
func (c *circle) PeerRoom(p gateway.Peer) { c.feeds.source.roomy(peerSink{p}) }

// PeerSaid implements gateway.PeerHandler.
func (c *circle) PeerSaid(p gateway.Peer, message []byte) error {
	if len(message) > 0 && (message[0] == saidFollow || message[0] == saidNews) {
		return c.feeds.peerSaid(p, message[0], message[1:])
	}
	var s said
	kind, err := s.parse(message)
	if err != nil {
		return err
	}
	switch kind {
	case saidQuestion:
		c.asked(p, &s)
	case saidAnswer:
		c.mu.Lock()
		c.part(c.open[s.ID], p, s.Answer)
		c.mu.Unlock()
	}
	return nil
}

// asked has a goroutine answer a question of a peer.
func (c *circle) asked(p gateway.Peer, s *said) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.answering >= maxAnswering {
		p.Send((&said{ID: s.ID, Answer: &answer{Error: errBusy.Error()}}).append(saidAnswer))
		return
	}
	c.answering++
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), answerBound)
		defer cancel()
		a, err := c.local.answer(ctx, s.Question)
		if err == nil {
			err = a.fits()
		}
		if err != nil {
			a = &answer{Error: err.Error()}
		}
		message := (&said{ID: s.ID, Answer: a}).append(saidAnswer)
		if p.Full(len(message)) {
			message = (&said{ID: s.ID, Answer: &answer{Error: errBusy.Error()}}).append(saidAnswer)
		}
		p.Send(message)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.answering--
	})
}
