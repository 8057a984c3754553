package gateway

import (
	"bytes"
	"errors"
	"strconv"
	"sync"

	"github.com/hubgate/hubgate/hubprotocol"
)

// reader is the receiving side of a connection.
type reader struct {
	// mu makes feeding serial: requests of one client may overlap.
	mu sync.Mutex
	// partial are bytes of a record that has not ended; nil between records.
	partial []byte
	// accounted is what of partial the books know.
	accounted int
	// numbers is that of Conn.back, if it has one.
	numbers *numbers
	// arrival is there while the client is not known everywhere.
	arrival *arrival

	unfinished unfinished // guarded by Conn.mu
}

// Feed takes bytes from the client, in any chunking, and does not keep them.
// It returns a Cause once the connection is ending because of this or earlier
// input; the transport then stops reading and goes on writing until it is told
// to end. Concurrent calls are carried out one after another.
func (c *Conn) Feed(data []byte) error { return c.feed(nil, data) }

// FeedFor is Feed for a transport with Abilities.Numbers. What a former transport still reads is not
// taken: it returns Replaced.
func (c *Conn) FeedFor(t Transport, data []byte) error { return c.feed(t, data) }

// feed is Feed. The transport is nil if it cannot be replaced.
func (c *Conn) feed(t Transport, data []byte) error {
	r := &c.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if t != nil && r.numbers != nil {
		if err := c.readFrom(t); err != nil {
			return err
		}
	}
	c.clocks.lastRead.Store(c.g.now())
	c.shard.books.bytesIn.Add(uint64(len(data)))
	if len(r.partial) > 0 {
		r.partial = append(r.partial, data...)
		if c.stillPartial(len(data)) {
			r.account(c, false)
			return nil
		}
		data = r.partial
	}
	if err := c.enterSession(); err != nil {
		r.partial = nil
		r.account(c, false)
		return err
	}
	defer c.leaveSession() // also when the session panics: it is still told the end
	rest, err := c.consume(data)
	if err != nil {
		rest = nil
	}
	c.keepPartial(rest)
	return err
}

// stillPartial reports whether the newest bytes cannot have ended the record.
// Without it a large record that arrives in small pieces would be searched
// from its start for each of them.
func (c *Conn) stillPartial(newest int) bool {
	r := &c.reader
	return c.life.session != nil && c.Protocol() == hubprotocol.JSON && len(r.partial) <= c.g.opts.Limits().MessageBytes &&
		bytes.IndexByte(r.partial[len(r.partial)-newest:], hubprotocol.RecordSeparator) < 0
}

// keepPartial keeps what follows the last whole record. Most input ends with a
// record, and then an idle connection holds no buffer.
func (c *Conn) keepPartial(rest []byte) {
	r := &c.reader
	if len(rest) == 0 {
		r.partial = nil
		r.account(c, true)
		return
	}
	if len(r.partial) > 0 && &rest[0] == &r.partial[0] {
		r.account(c, false)
		return // nothing was consumed: data is r.partial itself
	}
	r.partial = append([]byte(nil), rest...)
	r.account(c, true)
}

// consume handles every whole record and returns what is left.
func (c *Conn) consume(data []byte) ([]byte, error) {
	if c.life.session == nil {
		var err error
		if data, err = c.handshake(data); err != nil || c.life.session == nil {
			return data, err
		}
		if cause := c.CloseRequested(); cause != nil {
			return nil, *cause // it was closed while the application accepted it
		}
	}
	if c.opaque() {
		return nil, c.pass(data)
	}
	limits := c.g.opts.Limits()
	for len(data) > 0 {
		frame, body, rest, err := hubprotocol.Cut(c.Protocol(), data, limits.MessageBytes)
		if err != nil {
			return nil, c.reject(err)
		}
		if frame == nil {
			return data, nil
		}
		if err := c.record(frame, body); err != nil {
			return nil, err
		}
		if cause := c.CloseRequested(); cause != nil {
			return nil, *cause // what follows a reason to close is not looked at
		}
		data = rest
	}
	return nil, nil
}

// opaque reports whether the framing of the client's protocol is not known.
// Only a session that takes raw records can have accepted such a client.
func (c *Conn) opaque() bool {
	p := c.Protocol()
	return p != hubprotocol.JSON && p != hubprotocol.MessagePack && p != hubprotocol.BlazorPack
}

// pass hands over bytes of an opaque protocol as they came.
func (c *Conn) pass(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	c.shard.books.messagesIn.Add(1)
	if err := c.measure(len(data)); err != nil {
		return err
	}
	_, err := c.deliver(Record{Frame: data, Body: data})
	return err
}

// record handles one whole record.
func (c *Conn) record(frame, body []byte) error {
	c.shard.books.messagesIn.Add(1)
	peeked, err := hubprotocol.Peek(c.Protocol(), body)
	if err != nil {
		return c.reject(err)
	}
	var number uint64
	if c.reader.numbers != nil {
		var done bool
		if number, done, err = c.numbered(peeked.Type, body); done || err != nil {
			return err
		}
	}
	if says(peeked.Type) {
		if err := c.measure(len(frame)); err != nil {
			return err
		}
	}
	rec := Record{Type: peeked.Type, InvocationID: peeked.InvocationID, HasID: peeked.HasID, Frame: frame, Body: body}
	if peeked.Type == hubprotocol.Ping {
		c.clocks.pinged.Store(true)
		if c.life.speaker != ApplicationSpeaks {
			return nil
		}
	}
	if c.life.speaker == GatewaySpeaks {
		m, err := hubprotocol.Parse(c.Protocol(), body)
		if err != nil {
			return c.reject(err)
		}
		rec.Message = &m
	}
	if peeked.Type == hubprotocol.Close {
		// The client leaves. It gets a Close record in return, as from a hub.
		return c.closeNow(Cause{Reason: CloseNormal})
	}
	if peeked.Type != hubprotocol.Completion || !c.answers(&peeked, frame) {
		taken, err := c.deliver(rec)
		if recorder := c.g.opts.Recorder; recorder != nil && taken && peeked.Type != hubprotocol.Ping {
			recorder.Received(c, rec, peeked.Target, true)
		}
		if err != nil {
			return err
		}
	}
	if number == 0 {
		return nil
	}
	c.handedOver(number, len(frame))
	return nil
}

// deliver hands a record to the session; see D14 for when it is full. The error ends the reading. A record
// that was not taken may end nothing.
func (c *Conn) deliver(rec Record) (taken bool, err error) {
	if c.life.session.Received(rec) {
		return true, nil
	}
	switch c.life.speaker {
	case ApplicationSpeaks:
		err = c.deliverLater(rec, true)
		return err == nil, err
	case NobodyListens:
		return false, nil
	}
	if s, ok := c.life.session.(Storing); ok && s.Storing() {
		c.clocks.held.Store(true) // its silence is the gateway's doing
		defer func() {
			c.clocks.lastRead.Store(c.g.now())
			c.clocks.held.Store(false)
		}()
		err = c.deliverLater(rec, false)
		return err == nil, err
	}
	return false, c.refuse(rec)
}

// deliverLater waits until the session takes the record, or until an end of the
// connection is asked for. If nothing has begun with the record (fresh), it is given up when the connection is about to be
// handed over: it does not count then, and the client says it again to the next node.
func (c *Conn) deliverLater(rec Record, fresh bool) error {
	defer c.stopUnfinished(false)
	c.stopUnfinished(true)
	for {
		// Armed before it is tried again: a Resume in between is not missed.
		resume, err := c.armResume()
		if err != nil {
			return err
		}
		if c.life.session.Received(rec) {
			return nil
		}
		if fresh && c.isParking() {
			return Replaced
		}
		<-resume
	}
}

// setParking has a reader that waits for its session give up, or ends that.
func (c *Conn) setParking(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.parks = on; on {
		c.life.wake()
	}
}

func (c *Conn) isParking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.parks
}

func (c *Conn) armResume() (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.cause != nil {
		return nil, *c.life.cause
	}
	if c.life.resume == nil {
		c.life.resume = make(chan struct{}, 1)
	}
	return c.life.resume, nil
}

// LogRecordRefused is the text of the line about a record that the application has no room for.
// A client causes as many of them as it likes.
const LogRecordRefused = "record refused"

// refuse answers a record that the application has no room for.
func (c *Conn) refuse(rec Record) error {
	const text = "The invocation was refused: too many invocations of this connection are waiting."
	if recorder := c.g.opts.Recorder; recorder != nil && rec.Message != nil {
		recorder.Received(c, rec, []byte(rec.Message.Target), false)
	}
	c.Logger().Warn(LogRecordRefused, "reason", string(CloseThrottled), "type", int(rec.Type))
	if rec.HasID && (rec.Type == hubprotocol.Invocation || rec.Type == hubprotocol.StreamInvocation) {
		c.Send(hubprotocol.AppendCompletionError(nil, c.Protocol(), rec.Message.InvocationID, text))
		return nil
	}
	return c.closeNow(Cause{Reason: CloseThrottled, Text: "Too many messages of this connection are waiting.", AllowReconnect: true})
}

// reject closes a connection whose input is malformed or too large.
func (c *Conn) reject(err error) error {
	text := "Connection closed with an error. " + err.Error()
	return c.closeNow(Cause{Reason: CloseBadRequest, Text: text, AllowReconnect: true})
}

func (c *Conn) closeNow(cause Cause) error {
	c.Close(cause)
	return cause
}

// handshake reads the handshake request and opens the session. While the
// request is incomplete the session stays nil and everything is returned.
func (c *Conn) handshake(data []byte) ([]byte, error) {
	limits := c.g.opts.Limits()
	record, rest, err := hubprotocol.CutHandshake(data, limits.HandshakeBytes)
	if err != nil {
		return nil, c.refuseHandshake("Handshake was canceled.")
	}
	if record == nil {
		return data, nil
	}
	request, err := hubprotocol.ParseHandshake(record)
	if err != nil {
		return nil, c.refuseHandshake(err.Error())
	}
	if err := c.checkHandshake(request); err != nil {
		return nil, err
	}
	if !c.mayBeTold() {
		if len(rest) > limits.MessageBytes {
			return nil, c.reject(hubprotocol.ErrTooLarge)
		}
		return data, nil // it is read again when the client is known everywhere
	}
	if err := c.accept(Handshake{request, data[:len(data)-len(rest)]}); err != nil {
		return nil, err
	}
	return rest, nil
}

func (c *Conn) checkHandshake(request hubprotocol.HandshakeRequest) error {
	if err := request.Check(c.g.opts.Backend.Supports); err != nil {
		return c.refuseHandshake(err.Error())
	}
	if c.Transport().Abilities().TextOnly && hubprotocol.Binary(request.Protocol) {
		return c.refuseHandshake("Cannot use the '" + request.Protocol +
			"' protocol on the current transport. The transport does not support 'Binary' transfer format.")
	}
	return nil
}

// accept asks the application for a session. It is the way of every client, with a handshake request
// or without.
func (c *Conn) accept(request Handshake) error {
	c.setProtocol(request.Protocol)
	if !c.beginNumbers(&request) {
		return c.refuseHandshake("The server does not support version " + strconv.Itoa(request.Version) + " of the '" + request.Protocol + "' protocol.")
	}
	session, err := c.g.opts.Backend.Accept(c, request)
	if err != nil {
		if c.manner() == nil && !hubprotocol.Supported(request.Protocol) && request.Protocol != hubprotocol.BlazorPack {
			// In which form a client of a protocol that nobody knows reads its
			// refusal is not known either: like the request, it is text.
			c.channel.spoken.Store(nil)
		}
		var cause Cause
		if errors.As(err, &cause) {
			return c.closeNow(cause)
		}
		return c.refuseHandshake(err.Error())
	}
	c.mu.Lock()
	c.life.session, c.life.speaker = session, session.Speaker()
	c.mu.Unlock()
	if c.life.speaker != ApplicationSpeaks && c.manner() == nil {
		c.Open(handshakeAnswer)
	}
	session.Opened()
	if o, ok := c.g.opts.Backend.(AcceptObserver); ok {
		o.Accepted(c)
	}
	return nil
}

var handshakeAnswer = hubprotocol.AppendHandshakeResponse(nil, "")

func (c *Conn) refuseHandshake(text string) error {
	return c.closeNow(Cause{Reason: CloseHandshakeError, Text: text})
}
