package gateway

import (
	"syscall"
	"time"
)

// Transport is how the core reaches one client. The core owns the queue; the
// transport empties it with Conn.Take and feeds what it reads to Conn.Feed.
// Its methods must not block and may be called from any goroutine.
// The transport of a connection may be replaced by another (Conn.Replace) if both have
// Abilities.Returns.
type Transport interface {
	// Name is WebSockets, ServerSentEvents or LongPolling. It is a label: what
	// the core does follows from Abilities.
	Name() string
	// Abilities are constant.
	Abilities() Abilities
	// Wake says that Take has something to give and that nobody is taking.
	Wake()
	// Abort ends the transport at once; what is queued is given up. No lock is
	// held: a transport without a goroutine of its own may call Conn.Ended from it.
	Abort(cause Cause)
}

// Abilities say how a transport differs from a socket that carries anything in
// both directions at any time, which is the zero value.
type Abilities struct {
	// TextOnly: it cannot carry binary hub protocols.
	TextOnly bool
	// Polled: the client fetches what waits and says by that that it is alive.
	// Nobody pings it, and Conn.Attached and Conn.Detached say when it is there.
	Polled bool
	// Returns: a client that loses such a transport may come back with another one (Conn.Replace).
	// When the transport has ended it calls Conn.Lost instead of Conn.Ended, and it is told
	// from others by comparing: it is a pointer, or otherwise comparable.
	Returns bool
	// Numbers: a client whose handshake asks for version 2 of a hub protocol may come back with another
	// such transport (Conn.Return, numbers.go). The transport hands over bytes by Conn.FeedFor, and it is
	// like one with Returns otherwise, whatever its client asked for.
	Numbers bool
	// EarliestClose is how long after the handshake answer a Close record must
	// not be sent yet.
	EarliestClose time.Duration
}

// Names of the transports, as clients write them.
const (
	WebSockets       = "WebSockets"
	ServerSentEvents = "ServerSentEvents"
	LongPolling      = "LongPolling"
)

// DirectTransport is a Transport whose socket takes bytes without a pump: a
// fan-out worker writes to it itself as long as the socket has room.
type DirectTransport interface {
	Transport
	// Raw is the socket, nil if this connection cannot be written to directly
	// (TLS, an operating system without it). It is asked once, when the protocol is
	// known: from Feed or Start, or by the worker if it replaces another transport.
	// Workers write under its Control, one at a time, and never while the pump writes.
	Raw() syscall.RawConn
	// Framing turns records into the bytes of the socket. Equal values produce
	// equal bytes, which is what lets receivers share them.
	Framing() Framing
}

// ProbingTransport is a Transport whose peer answers by itself, whatever the client above it does.
type ProbingTransport interface {
	Transport
	// Probe asks the peer for a sign of life. When one comes, asked for or not, the transport
	// calls Conn.Heard.
	Probe()
}

// Framing turns hub protocol records into a transport's bytes. Implementations
// are comparable.
type Framing interface {
	AppendFrames(dst []byte, records []OutRecord) []byte
}

// OutRecord is one framed hub protocol record on its way to a client.
type OutRecord struct {
	// Bytes are shared by all receivers and never changed.
	Bytes []byte
	// control records (pings, handshake answers, Close) are not deliveries and
	// do not count in the books.
	control bool
	// framed: Bytes are already in the transport's framing.
	framed bool
	// ahead: it does not wait for the client's first word.
	ahead bool
	// sent is the place of its send among those that a pass collects. It says nothing after that.
	sent uint8
	// numbered is how many numbers it takes, for a client whose records are numbered.
	numbered uint32
	// again: it was written to a former transport, and counts in no books any more.
	again bool
}

// Framed reports whether Bytes are already in the transport's framing (a
// WebSocket pong): they are copied between messages instead of being wrapped.
func (r OutRecord) Framed() bool { return r.framed }

// Batch is what Conn.Take hands to a transport.
type Batch struct {
	// Tail are bytes of the transport's framing that a direct write left over;
	// they come first.
	Tail []byte
	// Records follow, in order.
	Records []OutRecord
	// End is set when nothing will ever follow: the transport writes what is in
	// this batch and then ends itself.
	End *Cause

	taken waiting
	// generation is that of the transport that it was taken for.
	generation uint32
}

func (b *Batch) reset() {
	b.Tail, b.Records, b.End, b.taken, b.generation = nil, b.Records[:0], nil, waiting{}, 0
}

// framesAlone reports whether all of the batch are frames of the transport, such as the answer to a
// ping. The client's transport takes them for itself: for the client they are silence.
func (b *Batch) framesAlone() bool {
	if len(b.Tail) > 0 {
		return false
	}
	for _, r := range b.Records {
		if !r.framed {
			return false
		}
	}
	return true
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool { return len(b.Tail) == 0 && len(b.Records) == 0 }
