package transport

import (
	"slices"
	"sync"

	"github.com/hubgate/hubgate/auth"
)

// Tokens are the two access tokens that were accepted last with a connection. They stay good for
// it: a connection outlives its token and the key that signed it. Two, because some clients post
// with another token than they poll with. The zero value has none; methods may be called
// concurrently.
type Tokens struct {
	mu     sync.Mutex
	hashes [2]auth.TokenHash
}

// Used remembers the token of a request that was accepted.
func (t *Tokens) Used(token string) {
	hash := auth.HashToken(token)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.hashes[:], hash) {
		t.hashes = [2]auth.TokenHash{hash, t.hashes[0]}
	}
}

// Know reports whether the token was used with the connection lately.
func (t *Tokens) Know(token string) bool {
	hash := auth.HashToken(token)
	t.mu.Lock()
	defer t.mu.Unlock()
	return token != "" && slices.Contains(t.hashes[:], hash)
}
