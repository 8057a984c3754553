package admin

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// Browsers are led to the portal where there is one, and what it does with hubs is for managers.
func TestPortal(t *testing.T) {
	a := New("test")
	ask := func(method, path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	require.Equal(t, "/inspector", ask(http.MethodGet, "/", "text/html").Header().Get("Location"))
	a.ServePortal("/portal/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	require.Equal(t, "/portal/", ask(http.MethodGet, "/", "text/html").Header().Get("Location"))
	require.Contains(t, ask(http.MethodGet, "/", "").Body.String(), "\n/portal/        settings")
	require.Equal(t, http.StatusTeapot, ask(http.MethodGet, "/portal/x", "").Code)

	a.ServeHelp("/help/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	require.Contains(t, ask(http.MethodGet, "/", "").Body.String(), "\n/help/          the documentation")
	require.Equal(t, http.StatusTeapot, ask(http.MethodGet, "/help/errors", "").Code)
	require.Equal(t, "/help/errors.md", ask(http.MethodGet, "/docs/errors.md", "").Header().Get("Location"), "as log lines name it")
	require.Equal(t, "/help/a%3Fb", ask(http.MethodGet, "/docs/a%3Fb", "").Header().Get("Location"))

	a.ServeHubs(new(Hubs))
	a.WatchManagement(&Management{Guard: &Guard{Token: "secret", AllowPlain: true}})
	for path, method := range map[string]string{
		"/api/hubs/chat/connections": http.MethodGet, "/api/hubs/chat/users": http.MethodGet, "/api/hubs/chat/groups": http.MethodGet,
		"/api/hubs/chat/connections/1": http.MethodDelete, "/api/hubs/chat/users/ann/connections": http.MethodDelete,
		"/api/send": http.MethodPost, "/api/client": http.MethodPost,
	} {
		require.Equal(t, http.StatusUnauthorized, ask(method, path, "").Code, path)
	}
}
