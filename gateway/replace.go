package gateway

// Replaced is the cause with which a transport is aborted in whose place another one was put. It is
// no end of the connection.
var Replaced = Cause{Reason: CloseNormal, Text: "The client has come back on another transport.", AllowReconnect: true}

// Replace puts t in place of the connection's present transport, which may be lost already. One that
// is still there is aborted with Replaced, and whatever it still does has no effect. Both have
// Abilities.Returns, and t was never given to a connection before. What the client gets on t is
// first, if it is not nil, then every record behind the one that carries the cursor, then what waits:
// each record once and in order. With cursor "0" that is everything from the beginning. What was
// written to the client is kept for that, in small (see replay).
//
// first is for clients that have not heard that they are connected (a fallback): they get it instead of
// what Open was called with. It must not be changed afterwards. With first nil the client has come
// back, and its session is told (Returner).
//
// Replace waits for the worker of the connection, and must not be called from a method of a Transport
// or of a Session. t.Wake may be called before it returns. Errors: ErrConnectionEnded, if the
// connection is ending, has ended, or has a transport that does not return; ErrMissed if records
// behind the cursor are not kept any more, and then the connection ends with CloseMissedMessages. With
// an error t is not the connection's, and none of its methods is called.
func (c *Conn) Replace(t Transport, cursor string, first []byte) error {
	return ErrConnectionEnded
}

// TakeFor is Take for a transport with Abilities.Returns. It returns false if t is not, or no more,
// the connection's transport. Behind a batch that was not written (Wrote with an error) nothing more
// is taken for t, which then calls Lost.
func (c *Conn) TakeFor(t Transport, b *Batch, limit int) bool { return c.Take(b, limit) }

// AttachedFor is Attached for a transport with Abilities.Returns; of a former one it does nothing.
func (c *Conn) AttachedFor(t Transport) { c.Attached() }

// DetachedFor is Detached for a transport with Abilities.Returns; of a former one it does nothing.
func (c *Conn) DetachedFor(t Transport) { c.Detached() }

// SendFrameFor is SendFrame for a transport with Abilities.Returns; a frame of a former one is dropped.
func (c *Conn) SendFrameFor(t Transport, bytes []byte) { c.SendFrame(bytes) }

// HeardFor is Heard for a transport with Abilities.Returns; of a former one it does nothing.
func (c *Conn) HeardFor(t Transport) { c.Heard() }
