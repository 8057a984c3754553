package hubserver

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
	"github.com/hubgate/hubgate/serviceprotocol"
)

const dataInvocation = serviceprotocol.DataInvocation

// upload is a stream from the client, an argument of a call.
type upload struct {
	calls *calls
	call  *call
	id    string
	more  chan struct{} // has a value when items or the end have come

	// Guarded by calls.mu.
	items   [][]byte
	ended   bool
	failure error // of the client's stream
}

// item takes an item of an upload. One that belongs to none comes too late.
func (c *calls) item(m *hubprotocol.Message) {
	c.mu.Lock()
	u := c.uploads[m.InvocationID]
	if u == nil {
		c.mu.Unlock()
		return
	}
	u.items = append(u.items, bytes.Clone(m.Result))
	// An item of no size takes room too.
	c.pending += len(m.Result) + itemCost
	over := c.pending > c.session.pool.hub.maxPending()
	c.mu.Unlock()
	u.wake()
	if over {
		c.flooded()
	}
}

// itemCost is what an item that waits takes beside its bytes.
const itemCost = 32

// uploaded ends an upload, if the completion is for one.
func (c *calls) uploaded(m *hubprotocol.Message) bool {
	c.mu.Lock()
	u := c.uploads[m.InvocationID]
	if u == nil {
		c.mu.Unlock()
		return false
	}
	delete(c.uploads, u.id)
	u.ended = true
	if m.HasError {
		u.failure = Error(m.Error)
	}
	c.mu.Unlock()
	u.wake()
	return true
}

func (u *upload) wake() {
	select {
	case u.more <- struct{}{}:
	default:
	}
}

// forgetLocked drops what the call has not read. calls.mu is held.
func (u *upload) forgetLocked() {
	if u.calls.uploads[u.id] == u {
		delete(u.calls.uploads, u.id)
	}
	for _, item := range u.items {
		u.calls.pending -= len(item) + itemCost
	}
	u.items = nil
}

// take returns the next item, if there is one, and whether no more will come.
func (u *upload) take() (item []byte, ok, ended bool, failure error) {
	u.calls.mu.Lock()
	defer u.calls.mu.Unlock()
	if len(u.items) == 0 {
		return nil, false, u.ended, u.failure
	}
	item = u.items[0]
	u.items = u.items[1:]
	u.calls.pending -= len(item) + itemCost
	return item, true, false, nil
}

// pump gives the items to the channel and closes it, at the stream's end or the call's.
func (u *upload) pump(channel reflect.Value) {
	defer channel.Close()
	done := reflect.ValueOf(u.call.ctx.Done())
	for {
		item, ok, ended, failure := u.take()
		if ok {
			if !u.give(channel, item, done) {
				return
			}
			continue
		}
		if ended {
			if failure != nil {
				u.call.cancel(failure)
			}
			return
		}
		select {
		case <-u.more:
		case <-u.call.ctx.Done():
			return
		}
	}
}

// give reports whether the channel has taken the item.
func (u *upload) give(channel reflect.Value, item []byte, done reflect.Value) bool {
	value := reflect.New(channel.Type().Elem())
	if err := guard(func() error { return values.Decode(u.call.protocol, item, value.Interface()) }); err != nil {
		u.call.cancel(fmt.Errorf("item of %q: %w", u.call.method.name, err))
		return false
	}
	chosen, _, _ := reflect.Select([]reflect.SelectCase{
		{Dir: reflect.SelectSend, Chan: channel, Send: value.Elem()},
		{Dir: reflect.SelectRecv, Chan: done},
	})
	return chosen == 0
}
