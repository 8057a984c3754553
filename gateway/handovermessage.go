package gateway

import (
	"encoding/binary"
	"errors"
)

// moveKind says what one node tells another one about a connection that is handed over.
type moveKind byte

const (
	// moveTake: give me the connection with the id texts[0]; data is the client's proof, if it has to
	// have one. The number says what the taker reads: see takesMore.
	moveTake moveKind = iota + 1
	// moveRefused: no, because of the moveRefusal number.
	moveRefused
	// moveNames: it is found by the hub texts[0], the user texts[1] and the groups behind that.
	moveNames
	// moveSwitch: the connection texts[1] leaves the node texts[0], and comes to the one that says this.
	moveSwitch
	// moveCut: what I send from now on is for the taker.
	moveCut
	// moveAlso: it is found by the group texts[0] too. The number is that of moveKnown.
	moveAlso
	// moveKnown: all nodes know that.
	moveKnown
	// moveSession: a piece of the session; number is how many bytes follow in other pieces.
	moveSession
	// moveImported: I have it.
	moveImported
	// moveDone: I have it no more.
	moveDone
	// moveGaveUp: keep it.
	moveGaveUp
	// moveDrains: I am draining, and take nothing.
	moveDrains
	// moveOver: it has moved if number is 1, else it stays; to all nodes.
	moveOver
	// moveGone is never sent: the other node is gone.
	moveGone
)

// takesMore in the number of moveTake: the taker reads what movedSession has behind the facts. A node of before says 0.
const takesMore = 1

// moveRefusal is why a node does not give a connection.
type moveRefusal uint64

const (
	refusedEnded moveRefusal = iota + 1
	refusedStays
	refusedMoving
	refusedUnproven
)

// err is the refusal as an error.
func (r moveRefusal) err() error {
	switch r {
	case refusedStays:
		return ErrStays
	case refusedMoving:
		return ErrMoving
	case refusedUnproven:
		return ErrNotProven
	}
	return ErrConnectionEnded
}

// moveMessage is what nodes say to each other about a connection that is handed over. Which move is
// meant says a number that the taker has made at random.
type moveMessage struct {
	kind   moveKind
	move   uint64
	number uint64
	texts  []string
	data   []byte
}

var errMoveMessage = errors.New("gateway: a malformed message of another node")

func (m moveMessage) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, byte(m.kind)), m.move)
	dst = binary.AppendUvarint(dst, m.number)
	dst = binary.AppendUvarint(dst, uint64(len(m.texts)))
	for _, t := range m.texts {
		dst = appendString(dst, t)
	}
	return append(dst, m.data...)
}

// parseMoveMessage reads what append wrote. The message belongs to the result.
func parseMoveMessage(b []byte) (m moveMessage, err error) {
	if len(b) < 9 {
		return m, errMoveMessage
	}
	m.kind, m.move = moveKind(b[0]), binary.BigEndian.Uint64(b[1:])
	r := *newReader(b[9:])
	m.number = r.Uvarint(1<<64 - 1)
	m.texts = r.strings(nil)
	m.data = r.Rest
	texts := len(m.texts)
	switch m.kind {
	case moveTake, moveAlso:
		r.Failed = r.Failed || texts != 1
	case moveSwitch:
		r.Failed = r.Failed || texts != 2
	case moveNames:
		r.Failed = r.Failed || texts < 2
	default:
		r.Failed = r.Failed || texts != 0
	}
	if r.Failed || m.kind < moveTake || m.kind >= moveGone {
		return moveMessage{}, errMoveMessage
	}
	return m, nil
}
