package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Wrong tokens that come at once are as many as may come one after the other. Right ones that come at once all pass.
func TestWrongTokensThatComeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looked, wait := atomic.Int64{}, make(chan struct{})
		g := &Guard{Token: "admin", AllowPlain: true, Other: func(token string) (string, error) {
			looked.Add(1)
			<-wait
			if token == "right" {
				return "somebody", nil
			}
			return "", errors.New("wrong")
		}}
		try := func(token string) int {
			r := httptest.NewRequest(http.MethodGet, "/api/settings", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			_, err := g.Admits(r)
			if refused, ok := errors.AsType[*refusedError](err); ok {
				return refused.Status()
			}
			return http.StatusOK
		}
		all := func(token string) map[int]int {
			var mu sync.Mutex
			statuses := make(map[int]int)
			var wg sync.WaitGroup
			for range 10 * wrongBurst {
				wg.Go(func() {
					status := try(token)
					mu.Lock()
					defer mu.Unlock()
					statuses[status]++
				})
			}
			synctest.Wait()
			require.EqualValues(t, wrongBurst, looked.Load())
			close(wait)
			wg.Wait()
			return statuses
		}
		require.Equal(t, map[int]int{http.StatusOK: 10 * wrongBurst}, all("right"))
		require.Empty(t, g.wrong.callers)
		looked.Store(0)
		wait = make(chan struct{})
		require.Equal(t, map[int]int{http.StatusUnauthorized: wrongBurst, http.StatusTooManyRequests: 9 * wrongBurst}, all("guess"))
		require.EqualValues(t, wrongBurst, looked.Load())
	})
}

// Guesses that wait behind right tokens are not more for those having been right.
func TestWrongTokensThatWaitBehindRightOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wrong wrongTokens
		var looked atomic.Int64
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		guess := func(turnsOut chan struct{}) {
			wg.Go(func() {
				if over, ok := wrong.begin(ctx, "somebody"); ok {
					looked.Add(1)
					<-turnsOut
					over(false)
				}
			})
		}
		var rights []func(bool)
		for range wrongBurst {
			over, ok := wrong.begin(ctx, "somebody")
			require.True(t, ok)
			rights = append(rights, over)
		}
		turnsOut := make(chan struct{})
		for range 2 * wrongBurst {
			guess(turnsOut)
		}
		synctest.Wait()
		require.Zero(t, looked.Load())
		for _, over := range rights { // nobody who waited goes on before all have ended
			over(true)
		}
		for range 2 * wrongBurst {
			guess(turnsOut)
		}
		synctest.Wait()
		require.EqualValues(t, wrongBurst, looked.Load())
		cancel() // who has gone waits no longer
		close(turnsOut)
		wg.Wait()
		require.EqualValues(t, wrongBurst, looked.Load())
	})
}

// Of an address that has used up its tries only so many tokens wait, and only while somebody wants the answer.
func TestTokensThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wrong wrongTokens
		for range wrongBurst {
			_, ok := wrong.begin(t.Context(), "somebody")
			require.True(t, ok)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var refused atomic.Int64
		var wg sync.WaitGroup
		for range maxWaiting + 1 {
			wg.Go(func() {
				if _, ok := wrong.begin(ctx, "somebody"); !ok {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		require.EqualValues(t, 1, refused.Load())
		cancel()
		wg.Wait()
		require.EqualValues(t, maxWaiting+1, refused.Load())
	})
}
