package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/management"
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
	ended = fmt.Errorf("%w: the issuer is away", ErrUndecided)
	require.Contains(t, admitted(ofKey), "the issuer is away")
	w := httptest.NewRecorder()
	_, err := g.Admits(ofKey)
	g.Refuse(w, err)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	ended = nil
	require.Equal(t, "access key", admitted(ofKey), "a session does not end since its issuer was away")
	ended = errors.New("the key was replaced")
	require.Equal(t, "The session has ended: log in again.", admitted(ofKey))
	require.Equal(t, "admin token", admitted(ofAdmin))
	ended = nil
	require.Equal(t, "The session has ended: log in again.", admitted(ofKey), "it has ended for ever")
}

// A body is one JSON value, whose fields are there once. A trial of an import is checked as the import is.
func TestBodiesAndTrialsAreChecked(t *testing.T) {
	a := New("1")
	a.WatchManagement(&Management{
		Settings: management.New(management.Options{}), Guard: &Guard{Token: "admin", AllowPlain: true},
		Import: func([]byte) (func(*management.Document) error, []string, error) {
			return func(d *management.Document) error {
				return d.Merge([]byte(`{"properties":{"resourceStopped":"perhaps"}}`))
			}, nil, nil
		},
	})
	status := func(path, body string) int {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer admin")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusBadRequest, status("/api/import?dryRun=true", "{}"))
	require.Equal(t, http.StatusBadRequest, status("/api/import", "{}"))
	require.Equal(t, http.StatusBadRequest, status("/api/keys/regenerate", `{"keyType":"primary","KeyType":"secondary"}`))
	require.Equal(t, http.StatusBadRequest, status("/api/keys/regenerate", `{"keyType":"primary"}{}`))
	require.Equal(t, http.StatusOK, status("/api/keys/regenerate", `{"keyType":"primary"}`))
}
