package clientaspnet

import (
	"bytes"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

const (
	// partialGrace and partialRate are how long a message may take: so long, and a second more for
	// each so many bytes of it.
	partialGrace = 30 * time.Second
	partialRate  = 4 << 10
)

var (
	causeSlow = gateway.Cause{Reason: gateway.CloseBadRequest, Text: "A message took too long to arrive."}
	causeSize = gateway.Cause{Reason: gateway.CloseBadRequest, Text: "A message is too large."}
	causeFull = gateway.Cause{Reason: gateway.CloseThrottled, Text: "The gateway holds too many bytes of unfinished messages."}
)

// partials are the messages that come in pieces and have not ended. Those of all clients together have
// a bound; over it the largest is given up, with its client (D20).
type partials struct {
	mu    sync.Mutex
	held  map[*partial]struct{}
	bytes int64
}

// partial is one of them. Its text is the reader's.
type partial struct {
	all   *partials
	conn  *gateway.Conn
	text  *bytes.Buffer
	began time.Time

	// The rest is guarded by partials.mu.

	size  int64
	timer *time.Timer
	// cause is why the connection is closed because of it.
	cause *gateway.Cause
}

func (a *partials) begin(conn *gateway.Conn) *partial {
	p := &partial{all: a, conn: conn, text: transport.BorrowBody(), began: time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil {
		a.held = make(map[*partial]struct{})
	}
	a.held[p] = struct{}{}
	p.timer = time.AfterFunc(partialGrace, p.late)
	return p
}

// add adds a piece. An error is why the connection is closed.
func (p *partial) add(piece []byte, limits Limits) error {
	cause, closed := p.all.grow(p, len(piece), limits)
	for _, other := range closed {
		other.conn.Close(*other.cause)
	}
	if cause != nil {
		return *cause
	}
	p.text.Write(piece)
	return nil
}

// grow counts a piece. It returns the messages that are given up, which may be this one, and why this one
// may not go on.
func (a *partials) grow(p *partial, n int, limits Limits) (cause *gateway.Cause, closed []*partial) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.cause != nil {
		return p.cause, nil
	}
	if p.size+int64(n) > int64(limits.MessageBytes) {
		a.giveUp(p, &causeSize)
		return p.cause, []*partial{p}
	}
	p.size += int64(n)
	a.bytes += int64(n)
	for limits.UnfinishedBytes > 0 && a.bytes > limits.UnfinishedBytes {
		largest := p
		for other := range a.held {
			if other.size > largest.size {
				largest = other
			}
		}
		a.giveUp(largest, &causeFull)
		closed = append(closed, largest)
	}
	return p.cause, closed
}

// giveUp takes a message out of the books; its reader forgets the text as soon as it hears of it. Called
// with mu held.
func (a *partials) giveUp(p *partial, cause *gateway.Cause) {
	p.cause = cause
	a.remove(p)
}

func (a *partials) remove(p *partial) {
	if _, held := a.held[p]; held {
		delete(a.held, p)
		a.bytes -= p.size
		p.timer.Stop()
	}
}

// end takes a message out that is whole, or whose WebSocket has ended. An error is why its connection was
// closed.
func (p *partial) end() error {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	p.all.remove(p)
	if p.cause != nil {
		return *p.cause
	}
	return nil
}

// late is called when the time for a message may have passed.
func (p *partial) late() {
	p.all.mu.Lock()
	_, held := p.all.held[p]
	left := partialGrace + time.Duration(p.size)*time.Second/partialRate - time.Since(p.began)
	switch {
	case held && left > 0:
		p.timer.Reset(left)
		held = false
	case held:
		p.all.giveUp(p, &causeSlow)
	}
	p.all.mu.Unlock()
	if held {
		p.conn.Close(causeSlow)
	}
}
