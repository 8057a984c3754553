package clientws

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/hubgate/hubgate/internal/fields"
)

// homeKind says what one node tells another one about an id.
type homeKind byte

const (
	// homeAsks: may I have the connection of this id?
	homeAsks homeKind = iota + 1
	homeAnswers
	// homeReturns: I do not need it; this was posted to it.
	homeReturns
	// homeEnded: it has ended here.
	homeEnded
	// homeHas: it is here, in case that you do not know.
	homeHas
	// homeLooks: where is it?
	homeLooks
	// homeWants: tell me what you have of mine. Who says so has begun to listen just now.
	homeWants
)

// homeState is the answer to homeAsks.
type homeState byte

const (
	// homeYours: nobody has had it.
	homeYours homeState = iota + 1
	// homeLive: a node has it.
	homeLive
	// homeOver: it has ended.
	homeOver
	// homeLost is never sent: the home is gone.
	homeLost
)

// homeMessage is what nodes say to each other about ids: the kind, the number of the question, the id,
// the seconds of Unix time when its token expires, the state, its owner, and what was posted to it.
type homeMessage struct {
	kind   homeKind
	number uint64
	id     string
	until  time.Time
	homeAnswer
}

var errHomeMessage = errors.New("clientws: a malformed message of another node")

func (m homeMessage) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, byte(m.kind)), m.number)
	dst = append(binary.AppendUvarint(dst, uint64(len(m.id))), m.id...)
	dst = binary.AppendVarint(dst, m.until.Unix())
	dst = append(dst, byte(m.state))
	dst = append(binary.AppendUvarint(dst, uint64(len(m.owner))), m.owner...)
	return append(dst, m.posted...)
}

// parseHomeMessage reads what append wrote. The message belongs to the result.
func parseHomeMessage(b []byte) (m homeMessage, err error) {
	r := fields.Reader{Rest: b}
	m.kind = homeKind(r.Byte())
	m.number = r.Number()
	m.id = r.Text(maxHomeText)
	m.until = time.Unix(r.Varint(), 0)
	m.state = homeState(r.Byte())
	m.owner = r.Text(maxHomeText)
	m.posted = r.Rest
	if r.Failed || m.kind < homeAsks || m.kind > homeWants || m.state >= homeLost || (m.kind == homeAnswers) != (m.state != 0) {
		return homeMessage{}, errHomeMessage
	}
	return m, nil
}

// maxHomeText bounds ids and tags.
const maxHomeText = 256
