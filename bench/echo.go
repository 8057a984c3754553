package bench

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// echoMethod is what the clients call. It takes one text and returns it.
const echoMethod = "echo"

// echoes is the load of clients that call a method and, as soon as its answer is there, call it
// again. Each client has a slot of its own.
type echoes struct {
	run *run
	// left calls may still begin, unless deadline is set: then they may until it.
	left     atomic.Int64
	deadline atomic.Pointer[time.Time]
	begun    atomic.Int64
}

func (e *echoes) more() bool {
	if deadline := e.deadline.Load(); deadline != nil {
		return time.Now().Before(*deadline)
	}
	return e.left.Add(-1) >= 0
}

// send makes count calls, or as many as fit into duration if that is set, and waits for the last
// answer.
func (e *echoes) send(ctx context.Context, count int, duration time.Duration) (sent int, err error) {
	e.begun.Store(0)
	e.left.Store(int64(count))
	e.deadline.Store(nil)
	if duration > 0 {
		deadline := time.Now().Add(duration)
		e.deadline.Store(&deadline)
	}
	for range e.run.clients {
		slot, err := e.run.tracker.acquire(ctx, e.run.o.Clients.Timeout)
		if err != nil {
			return 0, err
		}
		e.next(slot)
	}
	err = e.wait(ctx)
	return int(e.begun.Load()), err
}

// wait is over when nobody calls any more. Calls go on for as long as they do: only when none begins
// for the time that an answer may take, one is missing.
func (e *echoes) wait(ctx context.Context) error {
	for free := 0; free < len(e.run.clients); {
		begun := e.begun.Load()
		_, err := e.run.tracker.acquire(ctx, e.run.o.Clients.Timeout)
		switch {
		case err == nil:
			free++
		case ctx.Err() != nil || begun == e.begun.Load():
			return err
		}
	}
	for slot := range e.run.clients {
		e.run.tracker.release(slot)
	}
	return nil
}

// next makes the call that follows, or frees the client's slot.
func (e *echoes) next(slot int) {
	if !e.more() {
		e.run.tracker.release(slot)
		return
	}
	e.begun.Add(1)
	e.run.tracker.expect(slot, 1)
	c := e.run.clients[slot]
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	_, _ = c.conn.Write(e.call(c, slot)) // the reader reports a lost client
}

// call frames a call in the client's own buffers.
func (e *echoes) call(c *client, slot int) []byte {
	length := e.run.o.Load.Payload
	record, opcode := c.call[:0], byte(opText)
	switch {
	case e.run.o.Target.Application != "":
		record = appendAspNetCall(record, e.run.o.Target.Hub, e.run.stamps, slot, length)
	case e.run.o.Clients.Protocol == MessagePack:
		opcode = opBinary
		var body []byte
		body = append(body, "\x96\x01\x80\xa11\xa4"+echoMethod+"\x91\xdb"...)
		body = binary.BigEndian.AppendUint32(body, uint32(length))
		body = append(e.run.stamps.appendPayload(body, slot, length), 0x90)
		record = append(binary.AppendUvarint(record, uint64(len(body))), body...)
	default:
		record = append(record, `{"type":1,"invocationId":"1","target":"`+echoMethod+`","arguments":["`...)
		record = e.run.stamps.appendPayload(record, slot, length)
		record = append(record, "\"]}\x1e"...)
	}
	c.call = record
	c.frame = appendMasked(c.frame[:0], opcode, record)
	return c.frame
}
