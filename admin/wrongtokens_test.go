package admin

import (
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
