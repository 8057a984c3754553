package hubserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// ackWait is how long the gateway may take to acknowledge.
const ackWait = 10 * time.Second

// acks are the requests that the gateway has not acknowledged yet.
type acks struct {
	mu      sync.Mutex
	last    int32
	waiting map[int32]pendingAck
}

type pendingAck struct {
	link   *link
	answer chan<- error // has room for the one answer
}

// ask sends a message and waits for its acknowledgement. A negative one returns false.
func (p *pool) ask(ctx context.Context, key string, message func(ackID int32) serviceprotocol.Message) (bool, error) {
	l, err := p.choose(ctx, key)
	if err != nil {
		return false, err
	}
	if err := l.out.room(ctx); err != nil {
		return false, err
	}
	answer := make(chan error, 1)
	id := p.acks.add(pendingAck{l, answer})
	defer p.acks.remove(id)
	if !l.out.put(message(id)) {
		return false, ErrNotConnected
	}
	timer := time.NewTimer(ackWait)
	defer timer.Stop()
	select {
	case err := <-answer:
		if err == errAnswerNo {
			return false, nil
		}
		return err == nil, err
	case <-timer.C:
		return false, ErrTimeout
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// errAnswerNo stands for a negative acknowledgement.
var errAnswerNo = fmt.Errorf("no")

func (a *acks) add(one pendingAck) int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = make(map[int32]pendingAck)
	}
	for {
		// Ids are positive, and start again when they are used up.
		if a.last++; a.last <= 0 {
			a.last = 1
		}
		if _, taken := a.waiting[a.last]; !taken {
			a.waiting[a.last] = one
			return a.last
		}
	}
}

func (a *acks) remove(id int32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
}

func (a *acks) answered(m *serviceprotocol.Ack) {
	a.mu.Lock()
	one, ok := a.waiting[m.AckID]
	delete(a.waiting, m.AckID)
	a.mu.Unlock()
	if !ok {
		return
	}
	switch m.Status {
	case serviceprotocol.AckOK:
		one.answer <- nil
	case serviceprotocol.AckNotFound:
		one.answer <- errAnswerNo
	case serviceprotocol.AckTimeout:
		one.answer <- fmt.Errorf("%w: %s", ErrTimeout, m.Message)
	case serviceprotocol.AckInternalError:
		one.answer <- fmt.Errorf("%w: %s", ErrGateway, m.Message)
	default:
		one.answer <- fmt.Errorf("gateway refused with status %d: %s", m.Status, m.Message)
	}
}

// lost answers what was asked over a connection that is no more.
func (a *acks) lost(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, one := range a.waiting {
		if one.link == l {
			one.answer <- ErrConnectionLost
			delete(a.waiting, id)
		}
	}
}
