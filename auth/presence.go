package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// PresenceClaim is the claim that says what its bearer may see of who is connected. Its value is one of
// the rights, several of them with spaces in between, or an array.
const PresenceClaim = "hubgate.presence"

// The rights that PresenceClaim may name.
const (
	// PresenceRead lets its bearer list connections, users and groups, and follow changes.
	PresenceRead = "read"
	// PresenceAddresses shows the addresses of clients too. It includes PresenceRead.
	PresenceAddresses = "addresses"
)

// PresenceRights are what a token lets its bearer see.
type PresenceRights struct {
	Read, Addresses bool
}

// ErrNoPresence says that a token is good, but does not say that its bearer may see who is connected.
var ErrNoPresence = errors.New("the token's claim " + PresenceClaim + " does not name the right " + PresenceRead)

// Presence verifies a token for a request about who is connected to a hub. Path and application are as in
// REST. A token that opens REST for just this path may read, unless claimed asks for
// more: then PresenceClaim has to say so. Addresses need the claim in any case. This is the one place that
// knows who has the right. Errors are of type *TokenError, or ErrNoPresence.
func (v *Verifier) Presence(token, escapedPath, application string, claimed bool) (PresenceRights, error) {
	t, err := v.verify(token)
	if err != nil {
		return PresenceRights{}, err
	}
	if err := v.mayCall(t, http.MethodGet, escapedPath, application); err != nil {
		return PresenceRights{}, err
	}
	rights := PresenceRights{Read: !claimed}
	for _, c := range t.all {
		if c.Type == PresenceClaim {
			words := strings.Fields(c.Value)
			rights.Addresses = rights.Addresses || slices.Contains(words, PresenceAddresses)
			rights.Read = rights.Read || rights.Addresses || slices.Contains(words, PresenceRead)
		}
	}
	if !rights.Read {
		return PresenceRights{}, ErrNoPresence
	}
	return rights, nil
}

// SignPresence is SignREST for a request about who is connected. With addresses the bearer may see those
// of clients.
func SignPresence(key Secret, rawURL string, lifetime time.Duration, addresses bool) (string, error) {
	base, err := signableURL(rawURL)
	if err != nil {
		return "", fmt.Errorf("sign presence token: %w", err)
	}
	right := PresenceRead
	if addresses {
		right = PresenceAddresses
	}
	var m memberList
	m.addLifetime(base, lifetime)
	m.add(PresenceClaim, right)
	return m.sign(key)
}
