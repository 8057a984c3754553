package clientws

import (
	"encoding/binary"
	"errors"
	"time"
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
	r := homeReader{rest: b}
	m.kind = homeKind(r.byte())
	m.number = r.uvarint()
	m.id = r.text()
	m.until = time.Unix(r.varint(), 0)
	m.state = homeState(r.byte())
	m.owner = r.text()
	m.posted = r.rest
	if r.failed || m.kind < homeAsks || m.kind > homeWants || m.state >= homeLost || (m.kind == homeAnswers) != (m.state != 0) {
		return homeMessage{}, errHomeMessage
	}
	return m, nil
}

// homeReader reads fields. After a failure all that it returns is zero.
type homeReader struct {
	rest   []byte
	failed bool
}

// maxHomeText bounds ids and tags.
const maxHomeText = 256

func (r *homeReader) byte() byte {
	if r.failed || len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *homeReader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	return read(r, n, size)
}

func (r *homeReader) varint() int64 {
	n, size := binary.Varint(r.rest)
	return read(r, n, size)
}

func read[T int64 | uint64](r *homeReader, n T, size int) T {
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *homeReader) text() string {
	n := r.uvarint()
	if r.failed || n > maxHomeText || n > uint64(len(r.rest)) {
		r.failed = true
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}
