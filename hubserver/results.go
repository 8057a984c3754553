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
	"github.com/hubgate/hubgate/serviceprotocol"
)

// maxForwarded is how many calls of clients by other hub servers are remembered.
const maxForwarded = 1 << 16

// results are calls of clients' methods whose results are awaited: by this hub server,
// or by another one that calls a client of this one's.
type results struct {
	pool   *pool
	prefix string

	mu      sync.Mutex
	count   uint64
	waiting map[string]*pendingResult
	// forwarded are the connections that answer calls of other hub servers, by the id of
	// the call.
	forwarded map[string]string
}

type pendingResult struct {
	connection string
	link       *link
	local      bool        // the client is this hub server's own
	instance   string      // the gateway node that has the client, if it is another's
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
		waiting: make(map[string]*pendingResult), forwarded: make(map[string]string)}
}

// Invoke calls the method of one client that returns a result, and waits for it. Give ctx
// an end: clients may never answer. The error is a *ResultError if the client answered
// with one, ErrNoClient if the client is gone, ErrNotConnected or ErrConnectionLost if
// the gateway is. A client without the method answers with an error.
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
	if err := decodeValue(a.protocol, a.result, &result); err != nil {
		return result, fmt.Errorf("result of %q: %w", target, err)
	}
	return result, nil
}

func (r *results) invoke(ctx context.Context, connection, target string, arguments []any) (answer, error) {
	one := &pendingResult{connection: connection, answer: make(chan answer, 1)}
	names := protocols[:]
	if s := r.pool.session(connection); s != nil && s.speaks() != "" {
		names, one.link, one.local = []string{s.speaks()}, s.link, true
	} else {
		var err error
		if one.link, err = r.pool.choose(ctx, connection); err != nil {
			return answer{}, err
		}
	}
	id := r.add(one)
	defer r.remove(id)
	payloads, err := encodeInvocation(names, id, target, arguments)
	if err != nil {
		return answer{}, err
	}
	if err := one.link.out.room(ctx); err != nil {
		return answer{}, err
	}
	if !one.link.out.put(&serviceprotocol.ClientInvocation{InvocationID: id, ConnectionID: connection,
		CallerServerID: r.pool.serverID, Payloads: payloads}) {
		return answer{}, ErrNotConnected
	}
	// The client may have gone before the call was in the books.
	if one.local && r.pool.session(connection) == nil {
		return answer{}, ErrNoClient
	}
	select {
	case a := <-one.answer:
		return a, a.err
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
}

func (r *results) add(one *pendingResult) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	id := one.connection + r.prefix + strconv.FormatUint(r.count, 10)
	r.waiting[id] = one
	return id
}

func (r *results) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
}

// settle gives an answer to who waits for it, if accepts agrees.
func (r *results) settle(id string, a answer, accepts func(*pendingResult) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.waiting[id]
	if one == nil || !accepts(one) {
		return false
	}
	delete(r.waiting, id)
	one.answer <- a
	return true
}

// completed takes a completion that a client of this hub server's has sent.
func (r *results) completed(s *session, protocol string, body []byte, m *hubprotocol.Message) {
	completion := &serviceprotocol.ClientCompletion{InvocationID: m.InvocationID, ConnectionID: s.id,
		CallerServerID: r.pool.serverID, Protocol: protocol, ExtensionProtocol: protocol}
	own := func(one *pendingResult) bool { return one.local && one.connection == s.id }
	if r.settle(m.InvocationID, completionAnswer(protocol, m), own) {
		// Without a payload it only lets the gateway forget the call.
		s.link.out.put(completion)
		return
	}
	r.mu.Lock()
	connection, known := r.forwarded[m.InvocationID]
	known = known && connection == s.id
	if known {
		delete(r.forwarded, m.InvocationID)
	}
	r.mu.Unlock()
	if known {
		completion.Payload = framed(protocol, body)
		s.link.out.put(completion)
	}
}

func completionAnswer(protocol string, m *hubprotocol.Message) answer {
	if m.HasError {
		return answer{err: &ResultError{m.Error}}
	}
	return answer{protocol: protocol, result: bytes.Clone(m.Result)}
}

// framed puts the protocol's framing around a record.
func framed(protocol string, body []byte) []byte {
	if protocol == hubprotocol.JSON {
		return append(bytes.Clone(body), hubprotocol.RecordSeparator)
	}
	return serviceprotocol.AppendFrame(nil, body)
}

// expect remembers that another hub server awaits an answer of a client of this one's.
func (r *results) expect(l *link, m *serviceprotocol.ClientInvocation) {
	if r.pool.session(m.ConnectionID) == nil {
		return
	}
	r.mu.Lock()
	full := len(r.forwarded) >= maxForwarded
	if !full {
		r.forwarded[m.InvocationID] = m.ConnectionID
	}
	r.mu.Unlock()
	if full {
		l.out.put(&serviceprotocol.ErrorCompletion{InvocationID: m.InvocationID, ConnectionID: m.ConnectionID,
			CallerServerID: r.pool.serverID, Error: "Too many results are awaited."})
	}
}

// brought takes the completion of another hub server's client.
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

// fail ends all calls that the condition is true for.
func (r *results) fail(err error, condition func(*pendingResult) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, one := range r.waiting {
		if condition(one) {
			delete(r.waiting, id)
			one.answer <- answer{err: err}
		}
	}
}

// left forgets a client of this hub server's.
func (r *results) left(s *session, err error) {
	r.fail(err, func(one *pendingResult) bool { return one.local && one.connection == s.id && one.link == s.link })
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, connection := range r.forwarded {
		if connection == s.id {
			delete(r.forwarded, id)
		}
	}
}
