package auth

import (
	"crypto/sha256"
	"sync"
)

// cachedTokens bounds how many verified tokens are remembered.
const cachedTokens = 4096

// TokenHash stands for a token, so that nobody who has to recognize one keeps it.
type TokenHash [sha256.Size]byte

// HashToken returns what stands for the token. No token has the zero TokenHash.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// tokenCache remembers verified tokens in two generations of half the capacity:
// when the young one is full it becomes the old one and the old one is
// forgotten. A token found in the old one moves to the young one. The zero
// value is ready to use.
type tokenCache struct {
	mu         sync.Mutex
	young, old map[TokenHash]*verified
}

func (c *tokenCache) get(key TokenHash) (*verified, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.young[key]; ok {
		return t, true
	}
	t, ok := c.old[key]
	if ok {
		c.putLocked(key, t)
	}
	return t, ok
}

func (c *tokenCache) put(key TokenHash, t *verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(key, t)
}

func (c *tokenCache) putLocked(key TokenHash, t *verified) {
	if len(c.young) >= cachedTokens/2 || c.young == nil {
		c.old, c.young = c.young, make(map[TokenHash]*verified)
	}
	c.young[key] = t
}
