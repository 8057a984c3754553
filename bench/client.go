package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// readBuffer is what a client reads at a time. It is all the memory that a
// client has beside its goroutine.
const readBuffer = 4096

// client is one SignalR connection over WebSocket, after its handshake.
type client struct {
	conn    net.Conn
	records recordCounter
	frames  frameReader

	delivered atomic.Uint64
	// closeText is the error of a Close record; owned by the reader.
	closeText string

	writeMu sync.Mutex
	// call and frame are buffers for calls.
	call, frame []byte
}

// observer is told of every delivery.
type observer struct {
	stamps  *stamper
	tracker *tracker
	bytes   *atomic.Uint64
	// again is called instead of freeing a slot; nil if each message is sent by somebody else.
	again func(slot int)
}

// handshake sends the request of the hub protocol and waits for its answer.
// What came behind the answer is given back.
func (c *client) handshake(r *bufio.Reader, protocol Protocol) (rest []byte, err error) {
	request := fmt.Sprintf("{\"protocol\":%q,\"version\":1}\x1e", protocol)
	// Clients send the handshake as text whatever the protocol (C32).
	if _, err := c.conn.Write(appendMasked(nil, opText, []byte(request))); err != nil {
		return nil, err
	}
	return c.first(r, func(record []byte) bool { return string(record) == "{}" })
}

// first waits for the first record, which must be good, and gives back what came behind it.
func (c *client) first(r *bufio.Reader, good func(record []byte) bool) (rest []byte, err error) {
	var answer []byte
	buf := make([]byte, 256)
	for {
		n, err := r.Read(buf)
		if err != nil {
			return nil, err
		}
		err = c.frames.feed(buf[:n], func(piece []byte) { answer = append(answer, piece...) }, c.control)
		if err != nil {
			return nil, err
		}
		record, rest, ok := bytes.Cut(answer, []byte{recordSeparator})
		switch {
		case !ok && len(answer) > maxNegotiateAnswer:
			return nil, errors.New("the handshake answer does not end")
		case !ok:
		case !good(record):
			return nil, fmt.Errorf("handshake refused: %s", printable(record))
		default:
			tail := make([]byte, r.Buffered())
			_, _ = io.ReadFull(r, tail)
			return append(bytes.Clone(rest), c.unframe(tail)...), nil
		}
	}
}

// unframe returns the data of complete frames; the rest stays in c.frames.
func (c *client) unframe(p []byte) (data []byte) {
	_ = c.frames.feed(p, func(piece []byte) { data = append(data, piece...) }, c.control)
	return data
}

// receive reads until the connection ends and returns why.
func (c *client) receive(early []byte, o observer) error {
	var bad error
	onRecord := func(head []byte) {
		if err := c.record(head, o); err != nil && bad == nil {
			bad = err
		}
	}
	onData := func(piece []byte) {
		if err := c.records.feed(piece, onRecord); err != nil && bad == nil {
			bad = err
		}
	}
	onData(early)
	buf := make([]byte, readBuffer)
	for {
		n, err := c.conn.Read(buf)
		o.bytes.Add(uint64(n))
		if feedErr := c.frames.feed(buf[:n], onData, c.control); feedErr != nil || bad != nil {
			return errors.Join(feedErr, bad)
		}
		if err != nil {
			return err
		}
	}
}

// record counts a delivery. An error is the answer to a call that failed.
func (c *client) record(head []byte, o observer) error {
	slot, age, ok := o.stamps.read(head)
	switch {
	case !ok && (isType(head, 3) || bytes.HasPrefix(head, aspNetError)):
		return fmt.Errorf("a call failed: %s", printable(head))
	case !ok:
		if isType(head, 7) || bytes.Contains(head, aspNetEnd) {
			c.closeText = printable(head)
		}
		return nil
	}
	c.delivered.Add(1)
	switch last := o.tracker.arrived(slot, age); {
	case last && o.again != nil:
		o.again(slot)
	case last:
		o.tracker.release(slot)
	}
	return nil
}

// isType looks at the start of a record, of which both protocols have the type first.
func isType(head []byte, kind byte) bool {
	return bytes.HasPrefix(head, []byte{'{', '"', 't', 'y', 'p', 'e', '"', ':', '0' + kind}) ||
		len(head) > 2 && head[0]&0xf0 == 0x90 && head[1] == kind
}

// printable is a record as one may show it, MessagePack included.
func printable(record []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string(record))
}

// control answers pings and ends at a Close frame.
func (c *client) control(opcode byte, payload []byte) error {
	switch opcode {
	case opClose:
		return parseClose(payload)
	case opPing:
		return c.write(appendMasked(nil, opPong, payload))
	}
	return nil
}

func (c *client) write(frame []byte) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	_, err := c.conn.Write(frame)
	return err
}

// pingFrame is the keep-alive record of the hub protocol, framed.
func pingFrame(protocol Protocol) []byte {
	if protocol == MessagePack {
		return appendMasked(nil, opBinary, []byte{0x02, 0x91, 0x06})
	}
	return appendMasked(nil, opText, []byte("{\"type\":6}\x1e"))
}

// contextConn closes conn when ctx ends, until release is called.
func contextConn(ctx context.Context, conn net.Conn) (release func() bool) {
	return context.AfterFunc(ctx, func() { conn.Close() })
}
