package cluster

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxTag bounds the tag of a node, in bytes; it is part of connection ids.
const maxTag = 12

// Inc is one incarnation of a node: its tag, and 64 random bits that are new at every start. The
// zero Inc is no node.
type Inc struct {
	Tag    string
	Random uint64
}

// NewInc returns a new incarnation of the node with a tag.
func NewInc(tag string) Inc {
	var random [8]byte
	_, _ = rand.Read(random[:]) // Never fails: it ends the process instead.
	return Inc{Tag: tag, Random: binary.BigEndian.Uint64(random[:])}
}

// errInc says that a text is no incarnation.
var errInc = errors.New("cluster: no incarnation of a node")

// ParseInc reads what Inc.String wrote.
func ParseInc(text string) (Inc, error) {
	at := strings.LastIndexByte(text, '-')
	if at < 0 || len(text)-at != 17 || !validTag(text[:at]) {
		return Inc{}, errInc
	}
	random, err := strconv.ParseUint(text[at+1:], 16, 64)
	if err != nil {
		return Inc{}, errInc
	}
	return Inc{Tag: text[:at], Random: random}, nil
}

// String returns the tag, a hyphen and 16 hexadecimal digits. It has only letters, digits, hyphens
// and underscores, so that it may be a part of a subject or of a file's name.
func (i Inc) String() string { return fmt.Sprintf("%s-%016x", i.Tag, i.Random) }

func (i Inc) before(other Inc) bool {
	if i.Tag != other.Tag {
		return i.Tag < other.Tag
	}
	return i.Random < other.Random
}

// validTag reports whether a tag can be part of a connection id.
func validTag(tag string) bool {
	if tag == "" || len(tag) > maxTag {
		return false
	}
	for _, c := range []byte(tag) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Carrier takes packets from node to node. It may lose any of them without a word, but it neither
// changes nor doubles them, and what it takes from one node to another arrives in the order in
// which it was sent. Packets to all nodes have an order of their own. Its methods may be called
// concurrently.
type Carrier interface {
	// Open makes this process reachable as a node until close is called. Receive is called with
	// each packet for it, and owns the packet. It is called for one packet of a sender at a time,
	// but for packets to all nodes; it does not wait for anything. A Carrier that learns that a node is not there calls it with
	// that node and a nil packet; it may be wrong. Receive is not called any more when close has
	// returned.
	Open(self Inc, receive func(from Inc, packet []byte)) (close func(), err error)
	// Send takes a packet of the node that was opened to another one, or to all others if to is the
	// zero Inc. It may wait for a network to take the packet, and does not keep it. An error is a
	// packet lost.
	Send(to Inc, packet []byte) error
	// Limit is how many bytes a packet may have.
	Limit() int
}
