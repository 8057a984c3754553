package transport

import (
	"errors"
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

// KnowHash is Know for what stands for a token.
func (t *Tokens) KnowHash(hash auth.TokenHash) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return hash != auth.TokenHash{} && slices.Contains(t.hashes[:], hash)
}

// Append appends what stands for the tokens, for another node.
func (t *Tokens) Append(dst []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hashes {
		dst = append(dst, h[:]...)
	}
	return dst
}

var errTokens = errors.New("malformed access tokens of another node")

// Take reads what Append wrote.
func (t *Tokens) Take(b []byte) error {
	const size = len(auth.TokenHash{})
	if len(b) != len(t.hashes)*size {
		return errTokens
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.hashes {
		t.hashes[i] = auth.TokenHash(b[i*size : (i+1)*size])
	}
	return nil
}
