package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A session goes on for as long as the token that it began with would be accepted. That of the admin token goes on.
func TestASessionEndsWithItsToken(t *testing.T) {
	var ended error
	g := &Guard{Token: "admin", AllowPlain: true, Other: func(token string) (string, error) {
		if token != "of a key" {
			return "", errors.New("wrong")
		}
		return "access key", ended
	}}
	login := func(token string) *http.Request {
		w := httptest.NewRecorder()
		require.NoError(t, g.login(w, httptest.NewRequest(http.MethodPost, "/api/login", nil), token))
		r := httptest.NewRequest(http.MethodGet, "/api/settings", nil)
		r.AddCookie(w.Result().Cookies()[0])
		return r
	}
	ofKey, ofAdmin := login("of a key"), login("admin")
	admitted := func(r *http.Request) string {
		name, err := g.Admits(r)
		if err != nil {
			return err.Error()
		}
		return name
	}
	require.Equal(t, "access key", admitted(ofKey))
	require.Equal(t, "admin token", admitted(ofAdmin))
	ended = errors.New("the key was replaced")
	require.Equal(t, "The session has ended: log in again.", admitted(ofKey))
	require.Equal(t, "admin token", admitted(ofAdmin))
	ended = nil
	require.Equal(t, "The session has ended: log in again.", admitted(ofKey), "it has ended for ever")
}
