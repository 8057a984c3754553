package admin

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// Of wrong tokens there may be wrongBurst at once from one address, then one in each wrongEvery.
	wrongBurst = 10
	wrongEvery = 6 * time.Second
	// maxCallers bounds the addresses that are remembered for wrong tokens.
	maxCallers = 1024
	// maxWaiting bounds the tokens of one address that wait until they are looked at.
	maxWaiting = 100
)

// wrongTokens slows down who guesses. Its zero value is ready. All methods may be called concurrently.
type wrongTokens struct {
	mu      sync.Mutex
	callers map[string]*tries
}

// tries are those of one address. Guarded by wrongTokens.mu.
type tries struct {
	wrong *rate.Limiter
	// looking is how many tokens are being looked at, each of which may turn out to be wrong. waiting is how many wait
	// until one has turned out: then over is closed.
	looking, waiting int
	over             chan struct{}
}

// begin reports whether a token of the caller is looked at now. Then over is called with what it was. Never more tokens
// are looked at than may still be wrong: further ones wait for those before, so that right ones are not refused. They
// wait until ctx ends, and so many at a time.
func (t *wrongTokens) begin(ctx context.Context, caller string) (over func(right bool), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of(caller)
	for one.wrong.Tokens() < float64(one.looking)+1 {
		if one.looking == 0 || one.waiting == maxWaiting || !t.wait(ctx, one) {
			t.forget(caller, one)
			return nil, false
		}
	}
	one.looking++
	return func(right bool) { t.end(caller, one, right) }, true
}

// wait reports whether a token has turned out before ctx ended. Called with mu held, which it gives up meanwhile.
func (t *wrongTokens) wait(ctx context.Context, one *tries) bool {
	over := one.over
	one.waiting++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		one.waiting--
	}()
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// of returns what is known of a caller. Called with mu held.
func (t *wrongTokens) of(caller string) *tries {
	one := t.callers[caller]
	if one == nil {
		if t.callers == nil || len(t.callers) >= maxCallers {
			t.callers = make(map[string]*tries)
		}
		one = &tries{wrong: rate.NewLimiter(rate.Every(wrongEvery), wrongBurst), over: make(chan struct{})}
		t.callers[caller] = one
	}
	return one
}

func (t *wrongTokens) end(caller string, one *tries, right bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one.looking--
	if !right {
		one.wrong.Allow()
	}
	close(one.over)
	one.over = make(chan struct{})
	t.forget(caller, one)
}

// forget deletes a caller that has none in use and none wrong, as if it had never been there. Called with mu held.
func (t *wrongTokens) forget(caller string, one *tries) {
	if one.looking == 0 && one.waiting == 0 && one.wrong.Tokens() >= wrongBurst && t.callers[caller] == one {
		delete(t.callers, caller)
	}
}
