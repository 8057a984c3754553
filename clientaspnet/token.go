package clientaspnet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
)

// given is what a connection token stands for.
type given struct {
	id      string
	owner   string // see ownerMark
	expires time.Time
}

// Connection tokens are sealed for a name that no hub has, so that tokens of ASP.NET Core SignalR open
// nothing here. Whom a token was given to is inside: another user is told so (403), and a node finds out
// where a connection lives whoever asks.
const sealedFor = "aspnet:"

// newToken returns the connection token of a new id.
func (h *Handler) newToken(id string, expires time.Time, key, user string) string {
	return h.options.Sealer.Seal(id+" "+ownerMark(key, user), expires, sealedFor, "")
}

// openToken returns what a connection token stands for. Errors: errNoToken, errToken.
func (h *Handler) openToken(token string) (given, error) {
	if token == "" {
		return given{}, errNoToken
	}
	text, expires, err := h.options.Sealer.Open(token, sealedFor, "")
	if err != nil {
		return given{}, errToken
	}
	id, owner, ok := strings.Cut(text, " ")
	if !ok {
		return given{}, errToken
	}
	return given{id, owner, expires}, nil
}

// ownerMark stands for an application and a user of it.
func ownerMark(key, user string) string {
	h := sha256.New()
	h.Write(binary.AppendUvarint(nil, uint64(len(key))))
	h.Write([]byte(key))
	h.Write([]byte(user))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// former reports whether an id was given out by a process that had the name of this node before. In a
// cluster its tokens still open; what became of its connections nobody knows any more.
func (h *Handler) former(id string) bool { return h.options.Forwarder != nil && !h.mint.Made(id) }

// owner returns the tag of the node on which the connection of a request lives or will live, "" if
// that is this node, or if no node has given out the connection token.
func (h *Handler) owner(c *call) string {
	given, err := h.openToken(c.values.connectionToken.text)
	if err != nil {
		return ""
	}
	if node := auth.NodeOf(given.id); node != h.options.Node {
		return node
	}
	return ""
}
