package gateway

import "time"

// Manner is what the core itself says to the clients of a protocol that it does not know, and what it
// has to know of their records. It is the manner of a protocol, not of a client: one value serves
// all of them. Values are comparable, since connections of equal protocol, framing and Manner share
// bytes. Methods are called by any goroutine, some of them with a lock held: they look at their
// arguments, and do nothing else. What they return is not changed by the core, and must not be changed
// afterwards.
type Manner interface {
	// Ping is the record that keeps a client alive.
	Ping() []byte
	// First is what a client gets before Close if the connection was not open yet, nil for none: a
	// client that has heard no beginning may not understand an end.
	First() []byte
	// Close is the last record that a client gets, nil for none. The connection may not have been
	// open yet. polled says whether the client fetches what waits for it (Abilities.Polled). Close is
	// not called for a cause that the application has told the client itself (Cause.Told).
	Close(cause Cause, polled bool) []byte
	// HasCursor reports whether a record carries the cursor: a client that comes back names the one
	// that it has read last.
	HasCursor(record []byte, cursor string) bool
	// Marked reports whether a record carries a cursor at all. A client that comes back does not
	// miss a record without one (the answer to a call that it has given up) when it is kept no more.
	Marked(record []byte) bool
	// KeepAlive is the time from one Ping to the next, whatever else is sent. Clients of polled
	// transports get none.
	KeepAlive() time.Duration
	// Away is how long a client may be without a transport, or the client of a polled transport
	// without a poll.
	Away() time.Duration
}

// MannerTransport is a Transport whose clients speak a protocol that the core does not know.
type MannerTransport interface {
	Transport
	// Manner is asked once, in Conn.Start. Before that it may be asked when the connection has to
	// be closed.
	Manner() Manner
}

// mannerOf returns the transport's Manner, nil if it has none.
func mannerOf(t Transport) Manner {
	if m, ok := t.(MannerTransport); ok {
		return m.Manner()
	}
	return nil
}

// manner returns the Manner of the connection's protocol, nil if it has none or the protocol is not
// known yet.
func (c *Conn) manner() Manner {
	if l := c.channel.spoken.Load(); l != nil {
		return l.manner
	}
	return nil
}
