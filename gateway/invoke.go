package gateway

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Invocations of clients that this node makes itself, for REST callers. The message goes the way of every
// command (VerbInvoke), so that it keeps its place among what is sent to the client, wherever that is. The
// node that has the client notes who waits (Conn.Await) and tells the caller's node what comes of it
// (answerwire.go). The id of an invocation names the node that waits: when the client is handed over
// meanwhile, its next node knows whom to give the answer to.

// invocations are those that wait at this node, by id. It is a PeerHandler.
type invocations struct {
	g      *Gateway
	prefix string
	quit   func() // ends the conversation; nil if there are no other nodes

	mu    sync.Mutex // guards what follows
	last  uint64
	calls map[string]*invocation
	peers map[string]Peer
}

// invocation is one that waits.
type invocation struct {
	id, connection string
	// node is the one that has the client, "" if that is this one or not known.
	node string
	// outcome has room for the first, which counts.
	outcome chan invoked
}

type invoked struct {
	answer Answer
	err    error
}

const (
	// invocationMark begins the ids of invocations that gateways make. Hub servers begin theirs with the id of
	// a connection, and clients count.
	invocationMark = "hubgate:"
	// maxInvocations is how many may wait at one node.
	maxInvocations = 1 << 17
)

func isInvocationID(id string) bool { return strings.HasPrefix(id, invocationMark) }

// invocationNode returns the node that has made an id.
func invocationNode(id string) string {
	node, _, _ := strings.Cut(strings.TrimPrefix(id, invocationMark), ":")
	return node
}

func (v *invocations) begin(g *Gateway) {
	v.g = g
	// The time tells the ids of a node from those that it made before a restart.
	v.prefix = invocationMark + g.opts.Node + ":" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-"
	v.calls, v.peers = make(map[string]*invocation), make(map[string]Peer)
	if peers, ok := g.opts.Backplane.(Peers); ok {
		v.quit = peers.Converse(AnswerTopic, v)
	}
}

func (v *invocations) end() {
	if v.quit != nil {
		v.quit()
	}
}

// Invoke sends a message to one connection and waits for the answer of its client, for as long as the
// context lasts. The command has a Hub and a Target of one connection; message makes the Frames, which have
// the invocation id that it is given.
//
// Errors: those of message, ErrHubBusy as for a send, a *NoAnswer, the context's error, and what the
// backplane reports.
func (g *Gateway) Invoke(ctx context.Context, cmd Command, message func(invocationID string) (*hubprotocol.Frames, error)) (Answer, error) {
	v := &g.invocations
	call, err := v.add(cmd.Target.IDs[0])
	if err != nil {
		return Answer{}, err
	}
	defer v.forget(call)
	cmd.Verb, cmd.Invocation = VerbInvoke, call.id
	if cmd.Frames, err = message(call.id); err != nil {
		return Answer{}, err
	}
	if err := g.admitSend(&cmd); err != nil {
		return Answer{}, err
	}
	g.Start(ctx, &cmd, func(r Result, err error) {
		switch {
		case err != nil:
			call.settle(Answer{}, err)
		case r.Matched == 0:
			call.settle(Answer{}, &NoAnswer{NoConnection, "The connection does not exist."})
		}
	})
	select {
	case o := <-call.outcome:
		return o.answer, o.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// settle ends a call; the first word counts.
func (call *invocation) settle(answer Answer, err error) {
	select {
	case call.outcome <- invoked{answer, err}:
	default:
	}
}

func (v *invocations) add(connection string) (*invocation, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.calls) >= maxInvocations {
		return nil, &NoAnswer{TooManyInvocations, "Too many answers of clients are waited for."}
	}
	v.last++
	call := &invocation{id: v.prefix + strconv.FormatUint(v.last, 36), connection: connection, outcome: make(chan invoked, 1)}
	v.calls[call.id] = call
	return call, nil
}

// forget ends a call, and tells those who would answer it.
func (v *invocations) forget(call *invocation) {
	v.mu.Lock()
	delete(v.calls, call.id)
	p := v.peers[call.node]
	v.mu.Unlock()
	if p != nil {
		p.Send(answerMessage{kind: answerForget, id: call.id, connection: call.connection}.append(nil))
	} else if c, _ := v.g.conns.lookup(call.connection); c != nil {
		c.Forget(call.id)
	}
}

// settle tells a call of this node what came of it. Only the connection that was asked answers.
func (v *invocations) settle(id, connection string, answer Answer, err error) {
	v.mu.Lock()
	call := v.calls[id]
	v.mu.Unlock()
	if call == nil || call.connection != connection {
		return
	}
	if none, ok := errors.AsType[*NoAnswer](err); ok && none.Reason == ConnectionMoved {
		return // its next node has the answer, which names this one
	}
	call.settle(answer, err)
}

// late takes an answer of a client of this node that nobody has announced: it came too late, or the client
// was asked at another node.
func (v *invocations) late(connection, id string, answer Answer) {
	v.tell(invocationNode(id), id, connection, answer, nil)
}

// tell tells a node what came of its call.
func (v *invocations) tell(node, id, connection string, answer Answer, err error) {
	if node == v.g.opts.Node || node == "" {
		v.settle(id, connection, answer, err)
		return
	}
	v.mu.Lock()
	p := v.peers[node]
	v.mu.Unlock()
	if p == nil {
		return
	}
	m := answerMessage{kind: answerCame, id: id, connection: connection, answer: answer}
	if err != nil {
		m.kind, m.none = answerNone, asNoAnswer(err)
	}
	if !p.Send(m.append(nil)) && m.kind == answerCame {
		m.kind, m.none = answerNone, NoAnswer{ConnectionLost, "The answer of the client is too large for the way between the nodes."}
		p.Send(m.append(nil))
	}
}

// invoke asks a client of this worker.
func (w *worker) invoke(c *Conn, cmd *Command) {
	v, from, id := &w.g.invocations, cmd.From, cmd.Invocation
	answered := func(answer Answer, err error) { v.tell(from, id, c.id.ID, answer, err) }
	if _, ok := cmd.Frames.For(c.Protocol()); !ok {
		answered(Answer{}, &NoAnswer{NotConvertible, "The message has no form for the protocol of the client."})
		return
	}
	if err := c.Await(id, answered); err != nil {
		answered(Answer{}, err)
		return
	}
	if !v.has(from, id, c.id.ID) {
		c.Forget(id)
		return
	}
	(&sendOp{to: c.alone(), frames: cmd.Frames, size: cmd.Frames.Size()}).deliverKept(w)
}

// has tells the caller's node that this one has the client. It reports false if it is known that nobody
// waits any more; another node may say so later.
func (v *invocations) has(node, id, connection string) bool {
	v.mu.Lock()
	p, call := v.peers[node], v.calls[id]
	v.mu.Unlock()
	if node == v.g.opts.Node || node == "" {
		return call != nil
	}
	return p != nil && p.Send(answerMessage{kind: answerHas, id: id, connection: connection}.append(nil))
}
