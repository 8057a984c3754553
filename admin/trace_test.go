package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/flight"
)

// found is a search that finds nothing, or is refused.
type found struct{ err error }

func (f found) Search(context.Context, *flight.Query) (flight.Answer, error) {
	return flight.Answer{}, f.err
}

// guarded is an admin address whose live view and guard take one token each.
func guarded(guard *Guard) *Admin {
	a := New("1.2.3")
	a.WatchManagement(&Management{Guard: guard})
	a.WatchLive(&View{Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer look" {
			return errors.New("a token, please")
		}
		return nil
	}})
	a.WatchTrace(found{})
	return a
}

func look(a *Admin, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// A wrong token is one wrong token, whoever is asked about it: those that an address has are not used up sooner.
func TestAWrongTokenIsTriedOnce(t *testing.T) {
	for _, path := range []string{"/api/trace", "/watch"} {
		tried := 0
		guard := &Guard{AllowPlain: true, Other: func(string) (string, error) {
			tried++
			return "", errors.New("no")
		}}
		a := guarded(guard)
		for range wrongBurst {
			require.Equal(t, http.StatusUnauthorized, look(a, path, "wrong").Code)
		}
		require.Equal(t, wrongBurst, tried)
		look(a, path, "wrong")
		require.Equal(t, wrongBurst, tried, "it has to wait now")
	}
}

// The live view's token and the manager's both let somebody search; too many searches are told to come again.
func TestWhoMaySearch(t *testing.T) {
	a := guarded(&Guard{Token: "manage", AllowPlain: true})
	require.Equal(t, http.StatusOK, look(a, "/api/trace", "look").Code)
	require.Equal(t, http.StatusOK, look(a, "/api/trace", "manage").Code)
	require.Equal(t, http.StatusUnauthorized, look(a, "/api/trace", "wrong").Code)
	a.WatchTrace(found{errors.New("busy")})
	w := look(a, "/api/trace", "look")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
}
