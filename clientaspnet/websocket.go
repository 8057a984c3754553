package clientaspnet

import (
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// webSocket is the transport webSockets. Each text message is a frame, or a call of the client.
type webSocket struct {
	transport.WebSocket
	*client
	// refusal is all that is said to a client without a connection. Nothing else is set then but h.
	refusal [][]byte
	// partial is the message that has not ended; nil between messages. It is the reader's.
	partial *partial
}

func newWebSocket(cl *client) *webSocket {
	t := &webSocket{client: cl}
	t.Init(t)
	return t
}

// openSocket answers a request for a WebSocket.
func (o *opening) openSocket() error {
	if o.h.cors.Refuses(o.r) {
		return transport.ErrOrigin
	}
	if !transport.IsUpgrade(o.r) {
		return errNoUpgrade
	}
	if err := transport.CheckUpgrade(o.r, o.w.Header()); err != nil {
		return err
	}
	if !o.h.sockets.Begin() {
		return transport.ErrDraining
	}
	switch {
	case o.refusal != nil:
		return o.refuseSocket(newWebSocket(&client{h: o.h}))
	case o.client != nil:
		return o.replaceSocket()
	}
	return o.newSocket()
}

// newSocket makes a connection. It is attached before the upgrade is answered, so that a refusal has a
// status, and started behind it: the socket has to be there.
func (o *opening) newSocket() error {
	cl := &client{h: o.h}
	cl.connecting.Lock()
	defer cl.connecting.Unlock()
	ws := newWebSocket(cl)
	conn, err := o.attach(ws, cl)
	if err != nil {
		o.h.sockets.Done()
		return err
	}
	o.end = ws.Abandon
	unread, err := ws.Upgrade(o.w, o.r, o.h.sendTimeout)
	if err != nil {
		return err
	}
	_ = cl.start(conn) // a refusal is what the client is told next
	ws.Start(nil, unread)
	return nil
}

// replaceSocket gives a connection this transport.
func (o *opening) replaceSocket() error {
	ws := newWebSocket(o.client)
	o.end = ws.Abandon
	unread, err := ws.Upgrade(o.w, o.r, o.h.sendTimeout)
	if err != nil {
		return err
	}
	if refusal := o.replace(ws); refusal != nil {
		ws.refuse(o.framesOf(refusal), unread)
		return nil
	}
	ws.Start(nil, unread)
	return nil
}

func (o *opening) refuseSocket(ws *webSocket) error {
	unread, err := ws.Upgrade(o.w, o.r, o.h.sendTimeout)
	if err != nil {
		return err
	}
	ws.refuse(o.framesOf(o.refusal), unread)
	return nil
}

// refuse says some frames and goodbye.
func (t *webSocket) refuse(frames [][]byte, unread []byte) {
	t.refusal = frames
	t.Wake()
	t.Start(nil, unread)
}

func (t *webSocket) owner() *client { return t.client }

// Abilities implements gateway.Transport.
func (*webSocket) Abilities() gateway.Abilities {
	return gateway.Abilities{TextOnly: true, Returns: true}
}

// Manner implements gateway.MannerTransport.
func (t *webSocket) Manner() gateway.Manner { return manner{t.h} }

// Framing implements gateway.DirectTransport.
func (*webSocket) Framing() gateway.Framing { return transport.TextEach }

// What follows implements transport.Owner.

// refused ends a WebSocket without a connection.
var refused = gateway.Cause{Reason: gateway.CloseNormal}

func (t *webSocket) Take(b *gateway.Batch, limit int) bool {
	if t.refusal == nil {
		return t.conn.Load().TakeFor(t, b, limit)
	}
	for _, frame := range t.refusal {
		b.Records = append(b.Records, gateway.OutRecord{Bytes: frame})
	}
	b.End = &refused
	return true
}

func (t *webSocket) Wrote(b *gateway.Batch, err error) {
	if t.refusal == nil {
		t.conn.Load().Wrote(b, err)
	}
}

func (t *webSocket) SendFrame(frame []byte) {
	if t.refusal == nil {
		t.conn.Load().SendFrameFor(t, frame)
	}
}

func (t *webSocket) Heard() {
	if t.refusal == nil {
		t.conn.Load().HeardFor(t)
	}
}

func (t *webSocket) Close(cause gateway.Cause) {
	if t.refusal == nil {
		t.conn.Load().Close(cause)
	}
}

// Left implements transport.Owner. A client that says goodbye may come back.
func (t *webSocket) Left(cause gateway.Cause, broken bool) bool {
	if t.refusal != nil || !broken {
		return false
	}
	conn := t.conn.Load()
	if conn.Transport() != gateway.Transport(t) {
		return false
	}
	cause.AllowReconnect = false
	conn.Close(cause)
	return true
}

func (t *webSocket) Ended(cause gateway.Cause) {
	t.forget()
	if t.refusal == nil {
		t.lost(t, cause)
	}
}

func (t *webSocket) Gone() { t.h.sockets.Done() }

func (t *webSocket) Panicked(p any) {
	log := t.h.log
	if conn := t.conn.Load(); conn != nil {
		log = conn.Logger()
	}
	t.h.panicked(p, log)
}

// Received implements transport.Owner.
func (t *webSocket) Received(m transport.Message) error {
	if t.refusal != nil {
		return transport.ErrGone
	}
	conn := t.conn.Load()
	if m.Binary {
		return reject(conn, "Messages are text.")
	}
	if t.partial == nil && m.Final {
		return say(conn, m.Bytes)
	}
	if t.partial == nil {
		t.partial = beginPartial(conn)
	}
	if err := t.partial.add(m.Bytes, t.h.options.Limits()); err != nil || !m.Final {
		return err
	}
	p := t.partial
	t.partial = nil
	defer transport.ReturnBody(p.text)
	if err := p.end(); err != nil {
		return err
	}
	return say(conn, p.text.Bytes())
}

// forget gives up the message that has not ended.
func (t *webSocket) forget() {
	if p := t.partial; p != nil {
		t.partial = nil
		_ = p.end()
		transport.ReturnBody(p.text)
	}
}
