package servermode

import (
	"encoding/binary"
	"errors"

	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// What the Backends of two nodes say to each other. A client lives on one node, its owner, which has
// its session; its hub server may be connected to another one, the server's node. Numbers are varints,
// texts have their length in front; what is
// about a session says first whether it is said to its owner. "Bytes" are messages of the service protocol as they go to a hub
// server, a "body" is one message without its length, as it came from a hub server.
//
//	Servers   server's node → all     flags, then a change after the other, see serverChange
//	Open      owner → server's node   session, server connection, connection id, bytes
//	Data      both                    session; bytes to, or a body from the hub server
//	Close     both                    session, why; bytes to the hub server, or its text for the client
//	Credit    server's node → owner   session, how many bytes of Data more it may send
//	Stop, Go  server's node → owner   server connection: no Data for any of its clients, or again
//	Busy, Idle owner → server's node  session: the client takes less than it is sent, or has caught up
//	Put       owner → server's node   server connection, bytes
//	Stray     any → owner             hubs, a body: data from a server connection that has not the client
//	Invoke    caller's node → owner   caller's node if another one passes it on, server id, whether it
//	                                  is Weak, hub, a body: ClientInvocation
//	Moved     home → caller's node    hub, invocation id, owner: it has the Invoke now
//	Answer    server's node → owner   server id, hub, a body: what the hub server answers
//	Reply     owner → caller's node   hub, a body: the answer, or where the client is
//	Answered  caller's node → owner   hub, invocation id: nobody waits for an answer any more
//	Park, Unpark owner → server's node session, count: no credit for it, or again
//	Parked    server's node → owner   session, count: all that was said before Park has come
//	Adopt     owner → server's node   session, server connection, connection id: the client is here now
//	After     server's node → next owner  hub, connection id, another message without its session
type peerOp byte

const (
	opServers peerOp = iota + 1
	opOpen
	opData
	opClose
	opCredit
	opStop
	opGo
	opBusy
	opIdle
	opPut
	opStray
	opInvoke
	opAnswer
	opReply
	opAnswered
	opMoved
	opPark
	opParked
	opUnpark
	opAdopt
	opAfter
)

// firstIgnorable is the first of the messages that a node which does not know them may pass over.
const firstIgnorable = 0x80

// closeWhy is why a Close is said.
type closeWhy byte

const (
	// whyOwner: the owner ends the session.
	whyOwner closeWhy = iota
	// whyMoved: so it does, but what the hub server has sent before still counts.
	whyMoved
	// whyServer: the hub server ends its client.
	whyServer
	// whyDuplicate: the hub server has a client of the same id, and has not taken this one.
	whyDuplicate
	// whyLost: the server connection has ended.
	whyLost
	// whyBehind: too much waits for the owner's node.
	whyBehind
	// whyGiven: the owner has given the client to another node.
	whyGiven
	lastWhy = whyGiven
)

// Bounds of texts on the wire.
const (
	maxPeerText  = 64 << 10
	maxPeerHubs  = 256
	maxPeerAgent = 128
)

// errPeer says that another node's words cannot be read.
var errPeer = errors.New("servermode: malformed message of another node")

// appendSession begins a message that is about a session. Its owner has numbered it.
func appendSession(dst []byte, op peerOp, toOwner bool, session uint64) []byte {
	return binary.AppendUvarint(append(dst, byte(op), bit(toOwner)), session)
}

// sessionRoom is more than appendSession appends.
const sessionRoom = 2 + binary.MaxVarintLen64

// readTexts reads a list of limit texts at most.
func readTexts(r *fields.Reader, limit int) []string {
	n := r.Count(limit, 1)
	list := make([]string, 0, n)
	for range n {
		if list = append(list, r.Text(maxPeerText)); r.Failed {
			return nil
		}
	}
	return list
}

// malformed returns an error if a field was malformed.
func malformed(r *fields.Reader) error {
	if r.Failed {
		return errPeer
	}
	return nil
}

// serverChange is what a node tells of one of its server connections.
type serverChange struct {
	kind   changeKind
	number uint64
	// peer is set when it is new.
	peer   peer
	status serverStatus
	// why is set when it is gone.
	why End
}

type changeKind byte

const (
	changeNew changeKind = iota
	changeStatus
	changeGone
	lastChange = changeGone
)

// serverStatus is what changes while a server connection lives.
type serverStatus struct {
	clients int
	fin     int32
	// quiet: its hub server has been silent for a while.
	quiet bool
	// crowded: so much waits for it that it gets no client at all.
	crowded bool
	// came counts the clients that it has ever had. Others are not told, but told anew when it has
	// changed: they count those that they have sent.
	came uint64
}

// serversAnswer is the flag of a Servers that is to be answered with the own list.
const serversAnswer = 1

// maxClients bounds the clients of one server connection, as others are told.
const maxClients = 1 << 30

func (c *serverChange) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, byte(c.kind)), c.number)
	if c.kind == changeGone {
		return fields.AppendText(dst, c.why)
	}
	if c.kind == changeNew {
		p := &c.peer
		dst = fields.AppendText(fields.AppendText(fields.AppendText(dst, p.hub), p.serverID), p.agent[:min(len(p.agent), maxPeerAgent)])
		dst = binary.AppendUvarint(dst, uint64(len(p.homes)))
		for _, home := range p.homes {
			dst = fields.AppendText(dst, home)
		}
		dst = binary.AppendVarint(append(dst, byte(p.kind), bit(p.whole)|bit(p.stateless)<<1), int64(p.level))
	}
	dst = binary.AppendUvarint(dst, uint64(c.status.clients))
	return append(dst, byte(c.status.fin), bit(c.status.quiet), bit(c.status.crowded))
}

func (c *serverChange) read(r *fields.Reader) {
	c.kind = changeKind(r.Uvarint(uint64(lastChange)))
	c.number = r.Number()
	if c.kind == changeGone {
		c.why = End(r.Text(maxPeerAgent))
		return
	}
	if c.kind == changeNew {
		p := &c.peer
		p.hub, p.serverID, p.agent = r.Text(maxPeerText), r.Text(maxPeerText), r.Text(maxPeerAgent)
		p.homes = readTexts(r, maxPeerHubs)
		p.kind = sp.ConnectionKind(r.Uvarint(uint64(sp.KindWeak)))
		flags := r.Uvarint(3)
		p.whole, p.stateless = flags&1 != 0, flags&2 != 0
		p.level = readLevel(r)
		r.Failed = r.Failed || len(p.homes) == 0
	}
	c.status.clients = int(r.Uvarint(maxClients))
	c.status.fin = int32(r.Uvarint(uint64(finMigrate)))
	c.status.quiet, c.status.crowded = r.Uvarint(1) == 1, r.Uvarint(1) == 1
}

func readLevel(r *fields.Reader) int32 {
	n := r.Varint()
	r.Failed = r.Failed || n != int64(int32(n))
	if r.Failed {
		return 0
	}
	return int32(n)
}

func bit(is bool) byte {
	if is {
		return 1
	}
	return 0
}
