package gateway

import "time"

// Renewal is what a client has proved anew, with another token. Its user stays: whose it is and which
// commands find it does not change while it lives.
type Renewal struct {
	// Claims and TokenClaims take the place of those of Identity.
	Claims, TokenClaims []Claim
	// CloseAt takes the place of Identity.CloseAt; zero never closes it.
	CloseAt time.Time
}

// Renew gives the connection what its client has proved anew. False means that it is ending, or about to be
// another node's, and nothing has changed. It may be called concurrently with everything.
func (c *Conn) Renew(r Renewal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.cause != nil || c.life.state() >= closing || c.back != nil && c.back.handed {
		return false
	}
	next := *c.Identity()
	next.Claims, next.TokenClaims, next.CloseAt = r.Claims, r.TokenClaims, r.CloseAt
	c.renewed.Store(&next)
	return true
}

// refresh gives the connection another end, at which it is closed. Its claims stay.
func (c *Conn) refresh(until time.Time) {
	for {
		before := c.renewed.Load()
		next := *c.Identity()
		next.CloseAt = until
		if c.renewed.CompareAndSwap(before, &next) {
			return
		}
	}
}
