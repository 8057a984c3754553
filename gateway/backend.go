package gateway

import "github.com/hubgate/hubgate/hubprotocol"

// Backend is the application behind hubs: webhooks or hub servers. It is the
// first of the two seams of the gateway.
type Backend interface {
	// Accept is called once per connection, from its reader, when the client's
	// handshake request was read and its protocol is known to c. The Session it
	// returns handles the connection from then on. An error refuses the client:
	// its text becomes the handshake error. Accept must not block on I/O.
	Accept(c *Conn, h Handshake) (Session, error)
	// Supports says whether clients may speak the named hub protocol (lower case).
	Supports(protocol string) bool
}

// AcceptObserver is an optional ability of a Backend. Accepted is called from the connection's
// reader, without locks, as soon as Conn.Session returns what Accept has returned.
type AcceptObserver interface {
	Accepted(c *Conn)
}

// Handshake is a client's handshake request.
type Handshake struct {
	hubprotocol.HandshakeRequest
	// Raw is the request as it came, with its separator; valid during Accept.
	Raw []byte
}

// Session is the application's side of one connection, from its handshake to
// its end: an application that moves to another process is the session's own
// affair, the connection keeps its groups and its queue. Its methods never
// block. Opened comes first, Closed last, each once; Received is called by one
// goroutine at a time.
type Session interface {
	// Speaker is constant for one session.
	Speaker() Speaker
	// Opened says that multicast may now reach the client.
	Opened()
	// Received hands over one whole record and reports whether it was taken;
	// false means that the session's queue is full (D14). Frame and Body are
	// only valid during the call.
	Received(r Record) (taken bool)
	// Closed says why the connection ended.
	Closed(cause Cause)
}

// Pending is an optional ability of a Session: whether the application still
// has records of the client to answer. Drain closes such a connection last, so
// that what the application has done is not lost on the way back.
type Pending interface {
	Pending() bool
}

// Storing is an optional ability of a Session that the gateway speaks for: whether the record that was not
// taken is on its way into a store, or waits for room. Then nothing more is read from the client until
// Conn.Resume, and the record is handed over again. What the reader holds is not acknowledged to the client.
type Storing interface {
	Storing() bool
}

// Returner is an optional ability of a Session: it is told that its client was away and has come back
// (Conn.Replace without first). The call is ordered with Received, as if it were a record. A client
// that comes back several times in a row is told of each time.
type Returner interface {
	Returned()
}

// Speaker is who speaks the hub protocol with a client: it answers the handshake,
// keeps the connection alive with pings and minds the client's silence.
type Speaker uint8

const (
	// GatewaySpeaks: the gateway does, and parses records; malformed ones close
	// the connection. The reader never stops, but for Storing: for a record that is not taken an
	// invocation is answered with an error and a send closes the client as
	// Throttled (D14).
	GatewaySpeaks Speaker = iota
	// ApplicationSpeaks: the session gives the handshake answer to Conn.Open, and
	// pings are its own affair. Records are handed over unparsed, with only their
	// type and invocation id looked up, the client's pings among them. A record
	// that is not taken waits, and nothing more is read from the client until
	// Conn.Resume.
	ApplicationSpeaks
	// NobodyListens: the gateway speaks as in GatewaySpeaks, but records are handed
	// over unparsed, and one that is not taken is ignored.
	NobodyListens
)

// Record is one hub protocol record from a client.
type Record struct {
	Type hubprotocol.Type
	// InvocationID is raw: JSON text is still escaped.
	InvocationID []byte
	HasID        bool
	// Frame is the record with its framing, Body without. For a protocol whose
	// framing the gateway does not know both are the bytes as they came, and
	// Type is 0.
	Frame, Body []byte
	// Message is the parsed record, nil unless the gateway speaks (GatewaySpeaks).
	Message *hubprotocol.Message
}
