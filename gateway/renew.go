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

// Renew gives the connection what its client has proved anew. It may be called concurrently with everything.
// Errors, with which nothing has changed: ErrConnectionEnded, also for one that is ending, and ErrMoving
// while another node is being given it: that one, or this one again, can renew it in a moment.
func (c *Conn) Renew(r Renewal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.back != nil && c.back.handed, c.life.cause != nil && c.life.cause.Reason == CloseMoved:
		return ErrMoving
	case c.life.cause != nil || c.life.state() >= closing:
		return ErrConnectionEnded
	}
	next := *c.Identity()
	next.Claims, next.TokenClaims, next.CloseAt = r.Claims, r.TokenClaims, r.CloseAt
	c.renewed.Store(&next)
	return nil
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
