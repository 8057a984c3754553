// Package poll asks the other nodes a question, and gathers what they answer. Nothing is asked or sent while nobody
// asks.
package poll

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
)

const (
	// answerBound is how long this node may take for an answer to another one.
	answerBound = 5 * time.Second
	// maxAnswering is how many questions of other nodes are answered at a time.
	maxAnswering = 4
	// maxRefusal bounds what is said instead of an answer, in bytes.
	maxRefusal = 1 << 10
)

// MaxText bounds what is asked and what is answered, in bytes.
const MaxText = 1 << 20

// The errors of an Answer that nobody gave.
var (
	ErrNoAnswer = errors.New("the node did not answer in time")
	ErrGone     = errors.New("the node is gone")

	errBusy     = errors.New("the node answers as many questions as it may")
	errNoRoom   = errors.New("the answer has no room on the way back: too much waits there, or it is too large for it")
	errNotTaken = errors.New("the node took no question: it is gone, or the question is too large for it")
	errLarge    = errors.New("the question or the answer is too large")
	errSaid     = errors.New("poll: malformed message of another node")
)

// Options are what a Poll is made of.
type Options struct {
	// Peers reaches the other nodes; nil is a node alone.
	Peers gateway.Peers
	// Topic is what nodes talk about. A Poll is the only one that does.
	Topic gateway.Topic
	// Answer answers a question of another node. It is called concurrently. The error is for people.
	Answer func(ctx context.Context, question []byte) ([]byte, error)
}

// Answer is what one other node answers, or why it does not.
type Answer struct {
	Node string
	Body []byte
	Err  error
}

// Poll asks, and answers what others ask. Make one with New; Close ends it. All methods may be called concurrently.
type Poll struct {
	answer func(ctx context.Context, question []byte) ([]byte, error)
	stop   func() // ends the conversation
	// life ends the answers under way; end ends it, with mu held.
	life context.Context
	end  context.CancelFunc

	mu        sync.Mutex // guards what follows
	peers     []gateway.Peer
	last      uint64
	open      map[uint64]*asking
	answering int
	running   sync.WaitGroup
}

// asking is a question that waits for answers. Guarded by Poll.mu.
type asking struct {
	missing []gateway.Peer
	answers []Answer
	done    chan struct{} // closed when nobody is missing
}

// New returns a Poll that answers from now on.
func New(o Options) *Poll {
	p := &Poll{answer: o.Answer, stop: func() {}, open: make(map[uint64]*asking)}
	p.life, p.end = context.WithCancel(context.Background())
	if o.Peers != nil {
		p.stop = o.Peers.Converse(o.Topic, p)
	}
	return p
}

// Close ends the answers, those under way too.
func (p *Poll) Close() {
	p.stop()
	p.mu.Lock()
	p.end()
	p.mu.Unlock()
	p.running.Wait()
}

// Ask returns an answer of each other node, by name, when all have answered or ctx has ended.
func (p *Poll) Ask(ctx context.Context, question []byte) []Answer {
	a := &asking{done: make(chan struct{})}
	p.mu.Lock()
	p.last++
	id := p.last
	p.open[id] = a
	for _, peer := range p.peers {
		switch {
		case len(question) > MaxText:
			a.answers = append(a.answers, Answer{Node: peer.Name(), Err: errLarge})
		case peer.Send(message(saidQuestion, id, question)):
			a.missing = append(a.missing, peer)
		default:
			a.answers = append(a.answers, Answer{Node: peer.Name(), Err: errNotTaken})
		}
	}
	if len(a.missing) == 0 {
		close(a.done)
	}
	p.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, id)
	for _, peer := range a.missing {
		a.answers = append(a.answers, Answer{Node: peer.Name(), Err: ErrNoAnswer})
	}
	slices.SortFunc(a.answers, func(x, y Answer) int { return strings.Compare(x.Node, y.Node) })
	return a.answers
}

// take takes the answer of a peer. Called with mu held.
func (a *asking) take(of gateway.Peer, answer Answer) {
	if a == nil || !slices.Contains(a.missing, of) {
		return
	}
	a.missing = slices.DeleteFunc(a.missing, func(p gateway.Peer) bool { return p == of })
	answer.Node = of.Name()
	if a.answers = append(a.answers, answer); len(a.missing) == 0 {
		close(a.done)
	}
}

// PeerUp implements gateway.PeerHandler.
func (p *Poll) PeerUp(peer gateway.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers = append(p.peers, peer)
}

// PeerGone implements gateway.PeerHandler.
func (p *Poll) PeerGone(peer gateway.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers = slices.DeleteFunc(p.peers, func(one gateway.Peer) bool { return one == peer })
	for _, a := range p.open {
		a.take(peer, Answer{Err: ErrGone})
	}
}

// PeerRoom implements gateway.PeerHandler.
func (*Poll) PeerRoom(gateway.Peer) {}

// What nodes say to each other begins with one of these bytes, and the number of a question. Nodes of an earlier version
// say other things under 1 and 2.
const (
	saidQuestion byte = iota + 4
	saidAnswer
	// saidRefusal: what follows is why there is no answer.
	saidRefusal
)

func message(kind byte, id uint64, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{kind}, id), body...)
}

// PeerSaid implements gateway.PeerHandler. What nodes of other versions say is passed over.
func (p *Poll) PeerSaid(peer gateway.Peer, said []byte) error {
	in := fields.Reader{Rest: said}
	kind := in.Byte()
	if !in.Failed && (kind < saidQuestion || kind > saidRefusal) {
		return nil
	}
	id := in.Number()
	if in.Failed || len(in.Rest) > MaxText {
		return errSaid
	}
	switch kind {
	case saidQuestion:
		p.asked(peer, id, in.Rest)
	case saidAnswer, saidRefusal:
		answer := Answer{Body: in.Rest}
		if kind == saidRefusal {
			answer = Answer{Err: errors.New(string(in.Rest[:min(len(in.Rest), maxRefusal)]))}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open[id].take(peer, answer)
	}
	return nil
}

// asked has a goroutine answer a question of a peer.
func (p *Poll) asked(peer gateway.Peer, id uint64, question []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil || p.answering >= maxAnswering {
		peer.Send(message(saidRefusal, id, []byte(errBusy.Error())))
		return
	}
	p.answering++
	p.running.Go(func() {
		peer.Send(p.reply(peer, id, question))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.answering--
	})
}

// reply is what is said to a question.
func (p *Poll) reply(peer gateway.Peer, id uint64, question []byte) []byte {
	ctx, cancel := context.WithTimeout(p.life, answerBound)
	defer cancel()
	body, err := p.answer(ctx, question)
	if err == nil && len(body) > MaxText {
		err = errLarge
	}
	if err == nil {
		said := message(saidAnswer, id, body)
		if !peer.Full(len(said)) {
			return said
		}
		err = errNoRoom
	}
	return message(saidRefusal, id, []byte(err.Error()))
}
