package admin

import (
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
)

// wrongTokens slows down who guesses. Its zero value is ready. All methods may be called concurrently.
type wrongTokens struct {
	mu      sync.Mutex
	callers map[string]*tries
}

// tries are those of one address. Guarded by wrongTokens.mu.
type tries struct {
	wrong *rate.Limiter
	// looking is how many tokens are being looked at, each of which may turn out to be wrong. over wakes those who wait
	// until one has turned out.
	looking int
	over    *sync.Cond
}

// begin reports whether a token of the caller is looked at now. Then over is called with what it was. Never more tokens
// are looked at than may still be wrong: further ones wait for those before, so that right ones are not refused.
func (t *wrongTokens) begin(caller string) (over func(right bool), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of(caller)
	for one.wrong.Tokens() < float64(one.looking)+1 {
		if one.looking == 0 {
			return nil, false
		}
		one.over.Wait()
	}
	one.looking++
	return func(right bool) { t.end(caller, one, right) }, true
}

// of returns what is known of a caller. Called with mu held.
func (t *wrongTokens) of(caller string) *tries {
	one := t.callers[caller]
	if one == nil {
		if t.callers == nil || len(t.callers) >= maxCallers {
			t.callers = make(map[string]*tries)
		}
		one = &tries{wrong: rate.NewLimiter(rate.Every(wrongEvery), wrongBurst), over: sync.NewCond(&t.mu)}
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
	if one.looking == 0 && one.wrong.Tokens() >= wrongBurst && t.callers[caller] == one {
		delete(t.callers, caller) // as if it had never been there
	}
	one.over.Broadcast()
}
