package hubserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// maxForwarded is how many calls of clients by other hub servers are remembered.
const maxForwarded = 1 << 16

// results are calls of clients' methods whose results are awaited: by this hub server, or by
// another one that calls a client of this one.
type results struct {
	pool   *pool
	prefix string

	mu      sync.Mutex
	count   uint64
	waiting map[string]*pendingResult
	// forwarded are the clients that have to answer calls of other hub servers, by the id of
	// the call.
	forwarded map[string]*session
}

// awaitedResults are the ids of the calls that one client has to answer, so that a client that
// leaves is not searched for among the calls of all others.
type awaitedResults struct {
	waiting   map[string]struct{}
	forwarded map[string]struct{}
	left      bool // it will not answer any more
}

type pendingResult struct {
	connection string
	link       *link
	session    *session    // the client, if it is connected to this hub server
	instance   string      // the gateway node of the client, if that is another
	answer     chan answer // has room for the one answer
}

// answer is a client's completion, or the reason why there is none.
type answer struct {
	protocol string
	result   []byte
	err      error
}

func newResults(p *pool) *results {
	random := make([]byte, 16)
	// crypto/rand.Read does not fail.
	_, _ = rand.Read(random)
	return &results{pool: p, prefix: "-" + hex.EncodeToString(random) + "-",
		waiting: make(map[string]*pendingResult), forwarded: make(map[string]*session)}
}

// Invoke calls a method of one client and waits for its result. Give ctx a deadline: clients
// may never answer.
//
// The error is a *ResultError if the client answered with an error, as clients without the
// method do. It is ErrNoClient if the client is gone, and ErrNotConnected or ErrConnectionLost
// if the gateway is. If ctx ends first, it is the cause of ctx.
func Invoke[T any](ctx context.Context, client Client, target string, arguments ...any) (T, error) {
	var result T
	p, err := client.hub.served()
	if err != nil {
		return result, err
	}
	a, err := p.results.invoke(ctx, client.id, target, arguments)
	if err != nil {
		return result, fmt.Errorf("invoke %q: %w", target, err)
	}
	if err := values.Decode(a.protocol, a.result, &result); err != nil {
		return result, fmt.Errorf("result of %q: %w", target, err)
	}
	return result, nil
}

func (r *results) invoke(ctx context.Context, connection, target string, arguments []any) (answer, error) {
	one := &pendingResult{connection: connection, answer: make(chan answer, 1)}
	names := protocols[:]
	if s := r.pool.session(connection); s != nil && s.speaks() != "" {
		names, one.link, one.session = []string{s.speaks()}, s.link, s
	} else {
		var err error
		if one.link, err = r.pool.choose(ctx, connection); err != nil {
			return answer{}, err
		}
	}
	id, ok := r.add(one)
	if !ok {
		return answer{}, ErrNoClient
	}
	defer r.remove(id)
	payloads, err := encodeInvocation(names, id, target, arguments)
	if err != nil {
		return answer{}, err
	}
	if err := one.link.out.room(ctx); err != nil {
		return answer{}, err
	}
	if !one.link.out.put(&serviceprotocol.ClientInvocation{InvocationID: id, ConnectionID: connection,
		CallerServerID: r.pool.dialer.serverID, Payloads: payloads}) {
		return answer{}, ErrNotConnected
	}
	select {
	case a := <-one.answer:
		return a, a.err
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
}

// add notes a call. It is false if the client has left.
func (r *results) add(one *pendingResult) (id string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	id = one.connection + r.prefix + strconv.FormatUint(r.count, 10)
	if s := one.session; s != nil {
		if s.awaiting.left {
			return "", false
		}
		remember(&s.awaiting.waiting, id)
	}
	r.waiting[id] = one
	return id, true
}

func remember(ids *map[string]struct{}, id string) {
	if *ids == nil {
		*ids = make(map[string]struct{})
	}
	(*ids)[id] = struct{}{}
}

func (r *results) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takeLocked(id)
}

// takeLocked forgets a call and returns it, nil if there is none.
func (r *results) takeLocked(id string) *pendingResult {
	one := r.waiting[id]
	if one == nil {
		return nil
	}
	delete(r.waiting, id)
	if one.session != nil {
		delete(one.session.awaiting.waiting, id)
	}
	return one
}

// settle gives an answer to the caller that waits for it, if accepts agrees.
func (r *results) settle(id string, a answer, accepts func(*pendingResult) bool) {
	if one := r.take(id, accepts); one != nil {
		one.answer <- a
	}
}

// take forgets a call if accepts agrees, and returns it; nil if there is none. It is the caller's to answer.
func (r *results) take(id string, accepts func(*pendingResult) bool) *pendingResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.waiting[id]; one != nil && accepts(one) {
		return r.takeLocked(id)
	}
	return nil
}

// completed takes a completion from a client of this hub server.
func (r *results) completed(s *session, protocol string, body []byte, m *hubprotocol.Message) {
	completion := &serviceprotocol.ClientCompletion{InvocationID: m.InvocationID, ConnectionID: s.id,
		CallerServerID: r.pool.dialer.serverID, Protocol: protocol, ExtensionProtocol: protocol}
	if one := r.take(m.InvocationID, func(one *pendingResult) bool { return one.session == s }); one != nil {
		// Without a payload it only lets the gateway forget the call, before it sees what the caller does next.
		s.link.out.put(completion)
		one.answer <- completionAnswer(protocol, m)
		return
	}
	r.mu.Lock()
	known := r.forwarded[m.InvocationID] == s
	if known {
		delete(r.forwarded, m.InvocationID)
		delete(s.awaiting.forwarded, m.InvocationID)
	}
	r.mu.Unlock()
	if known {
		completion.Payload = values.AppendFramed(nil, protocol, body)
		s.link.out.put(completion)
	}
}

func completionAnswer(protocol string, m *hubprotocol.Message) answer {
	if m.HasError {
		return answer{err: &ResultError{m.Error}}
	}
	return answer{protocol: protocol, result: bytes.Clone(m.Result)}
}

// expect remembers that another hub server awaits an answer from a client of this one.
func (r *results) expect(l *link, m *serviceprotocol.ClientInvocation) {
	s := r.pool.session(m.ConnectionID)
	if s == nil {
		return
	}
	r.mu.Lock()
	full := len(r.forwarded) >= maxForwarded
	if !full && !s.awaiting.left {
		if before := r.forwarded[m.InvocationID]; before != nil {
			delete(before.awaiting.forwarded, m.InvocationID)
		}
		r.forwarded[m.InvocationID] = s
		remember(&s.awaiting.forwarded, m.InvocationID)
	}
	r.mu.Unlock()
	if full {
		l.out.put(&serviceprotocol.ErrorCompletion{InvocationID: m.InvocationID, ConnectionID: m.ConnectionID,
			CallerServerID: r.pool.dialer.serverID, Error: "Too many results are awaited."})
	}
}

// brought takes the completion from a client of another hub server.
func (r *results) brought(m *serviceprotocol.ClientCompletion) {
	a := answer{err: fmt.Errorf("answer in the unknown protocol %q", m.Protocol)}
	if supports(m.Protocol) {
		a = readCompletion(m)
	}
	r.settle(m.InvocationID, a, func(one *pendingResult) bool { return one.connection == m.ConnectionID })
}

func readCompletion(m *serviceprotocol.ClientCompletion) answer {
	_, body, _, err := hubprotocol.Cut(m.Protocol, m.Payload, len(m.Payload))
	if err != nil {
		return answer{err: err}
	}
	if body == nil {
		return answer{err: hubprotocol.ErrMalformed}
	}
	record, err := hubprotocol.Parse(m.Protocol, body)
	if err != nil {
		return answer{err: err}
	}
	if record.Type != hubprotocol.Completion || record.InvocationID != m.InvocationID {
		return answer{err: hubprotocol.ErrMalformed}
	}
	return completionAnswer(m.Protocol, &record)
}

func (r *results) failed(id string, err error) {
	r.settle(id, answer{err: err}, func(*pendingResult) bool { return true })
}

// mapped remembers which gateway node has the client that is to answer.
func (r *results) mapped(m *serviceprotocol.ServiceMapping) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.waiting[m.InvocationID]; one != nil {
		one.instance = m.InstanceID
	}
}

// fail ends all calls for which the condition is true.
func (r *results) fail(err error, condition func(*pendingResult) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, one := range r.waiting {
		if condition(one) {
			r.takeLocked(id)
			one.answer <- answer{err: err}
		}
	}
}

// left ends the calls that a client has to answer, for good.
func (r *results) left(s *session, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.awaiting.left = true
	for id := range s.awaiting.waiting {
		r.takeLocked(id).answer <- answer{err: err}
	}
	for id := range s.awaiting.forwarded {
		delete(r.forwarded, id)
	}
	s.awaiting.forwarded = nil
}
