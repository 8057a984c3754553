package settings

import "time"

// REST is for callers of the REST API.
type REST struct {
	// IdempotencyAge is for how long an Idempotency-Key is remembered, up to a day. 0 refuses requests that have one.
	IdempotencyAge time.Duration
}

func defaultREST() REST { return REST{IdempotencyAge: 10 * time.Minute} }

const (
	minIdempotencyAge = time.Second
	maxIdempotencyAge = 24 * time.Hour
)

func (p *problems) checkREST(r REST) {
	if r.IdempotencyAge != 0 {
		p.duration("rest.idempotencyAge", r.IdempotencyAge, minIdempotencyAge, maxIdempotencyAge)
	}
}
