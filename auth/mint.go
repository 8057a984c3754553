package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// Mint makes the connection ids of one process, and knows them again: a process that starts under the
// name of another one takes none of that one's ids for its own. It remembers nothing for each id, and
// may be used concurrently.
type Mint struct {
	node string
	key  [32]byte
}

// An id has 128 bits, of which the last 32 are a mark of the process.
const (
	mintedBytes = 16
	mintMark    = 4
)

// NewMint returns the mint of a process that is the node, see NewConnectionID.
func NewMint(node string) *Mint {
	m := &Mint{node: NodeTag(node)}
	_, _ = rand.Read(m.key[:]) // Never fails: it ends the process instead.
	return m
}

// New returns an id as NewConnectionID does.
func (m *Mint) New() string {
	for {
		var id [mintedBytes]byte
		_, _ = rand.Read(id[:mintedBytes-mintMark])
		copy(id[mintedBytes-mintMark:], m.mark(id[:mintedBytes-mintMark]))
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return m.node + text
		}
	}
}

// Made reports whether this mint has made an id, which may have the mark of Sealer.NewMarkedID. Of other
// ids one in four billion is taken for one.
func (m *Mint) Made(id string) bool {
	if len(id) >= len(m.node)+randomIDLength+markLength {
		id = id[:len(id)-markLength]
	}
	if len(id) != len(m.node)+randomIDLength || id[:len(m.node)] != m.node {
		return false
	}
	random, err := base64.RawURLEncoding.Strict().DecodeString(id[len(m.node):])
	if err != nil || len(random) != mintedBytes {
		return false
	}
	return subtle.ConstantTimeCompare(random[mintedBytes-mintMark:], m.mark(random[:mintedBytes-mintMark])) == 1
}

func (m *Mint) mark(random []byte) []byte {
	h := hmac.New(sha256.New, m.key[:])
	h.Write(random)
	return h.Sum(nil)[:mintMark]
}
