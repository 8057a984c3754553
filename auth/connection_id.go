package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// randomIDLength is the length of 128 random bits in base64url.
const randomIDLength = 22

// maxNodeTag bounds the part of a connection id that names the node, in bytes.
const maxNodeTag = 12

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// NewConnectionID returns a new connection id: the node's tag, then 128 random
// bits, all in [A-Za-z0-9_-] without dots, since clients put ids into URLs as
// they are (C04). The random part never begins with a hyphen: an id would look
// like a flag on a command line. A single node may pass "".
func NewConnectionID(node string) string {
	for {
		var random [16]byte
		_, _ = rand.Read(random[:]) // Never fails: it ends the process instead.
		if text := base64.RawURLEncoding.EncodeToString(random[:]); text[0] != '-' {
			return NodeTag(node) + text
		}
	}
}

// NodeOf returns the node tag inside a connection id, "" for an id without one
// or for text that cannot be an id.
func NodeOf(id string) string {
	if len(id) >= randomIDLength+markLength {
		id = id[:len(id)-markLength] // an id of NewMarkedID
	}
	if len(id) < randomIDLength || len(id) > randomIDLength+maxNodeTag || !inIDAlphabet(id) {
		return ""
	}
	return id[:len(id)-randomIDLength]
}

// NodeTag returns the tag that ids made by the node carry: its name if that has
// at most 12 characters of [A-Za-z0-9_-], else 8 characters derived from it.
func NodeTag(node string) string {
	if len(node) <= maxNodeTag && inIDAlphabet(node) {
		return node
	}
	sum := sha256.Sum256([]byte(node))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func inIDAlphabet(s string) bool {
	return strings.Trim(s, idAlphabet) == ""
}
