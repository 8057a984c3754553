package admin

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSharedSettingsOnTheAdminAddress(t *testing.T) {
	a := New("v1")
	view := &View{}
	a.WatchLive(view)
	f := &fakeCluster{}
	a.WatchCluster(f)
	require.Equal(t, http.StatusUnauthorized, ask(a, "GET", "/cluster/settings", "").Code, "whoever reaches the address on this machine sees no secrets")
	view.Prove = func(r *http.Request) error {
		if r.Header.Get("Authorization") == "" {
			return errors.New("a token is needed")
		}
		return nil
	}
	require.Equal(t, http.StatusUnauthorized, ask(a, "PUT", "/cluster/settings", "mode: default", "If-Match", `"7"`).Code)
	require.Empty(t, f.stored)
	proof := []string{"Authorization", "Bearer x"}

	w := ask(a, "GET", "/cluster/settings", "", proof...)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, `"7"`, w.Header().Get("ETag"))
	require.Equal(t, "mode: default\n", w.Body.String())

	require.Equal(t, http.StatusPreconditionRequired, ask(a, "PUT", "/cluster/settings", "x", proof...).Code, "who does not say what is changed might undo what another did")
	w = ask(a, "PUT", "/cluster/settings", "mode: classic", append(proof, "If-Match", `"7"`)...)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, `"8"`, w.Header().Get("ETag"))
	require.Equal(t, "7: mode: classic", f.stored)

	for err, status := range map[error]int{ErrConflict: 412, ErrInvalid: 400, ErrAlone: 400, errors.New("no majority"): 503} {
		f.asked = fmt.Errorf("%w: why", err)
		w := ask(a, "PUT", "/cluster/settings", "x", append(proof, "If-Match", `"7"`)...)
		require.Equal(t, status, w.Code)
		require.Equal(t, f.asked.Error()+"\n", w.Body.String())
	}
	require.Equal(t, http.StatusServiceUnavailable, func() int {
		f.asked = errors.New("no majority")
		return ask(a, "GET", "/cluster/settings", "", proof...).Code
	}())
}

func TestWhatIsSaidOfSharedSettings(t *testing.T) {
	require.Empty(t, SharedSettings{Known: true, Number: 3}.oddities())
	wrong := SharedSettings{Known: true, Number: 3, Error: "line 1"}
	require.Equal(t, []string{"version 3 of the shared settings is not in force here: line 1"}, wrong.oddities())
	require.Zero(t, wrong.inForce())
	require.Len(t, SharedSettings{}.oddities(), 1)
}
