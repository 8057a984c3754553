package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
)

// A page that makes a name of its own lead to this machine gets nothing.
func TestLocalOnly(t *testing.T) {
	pages := admin.LocalOnly(admin.New("v"))
	for host, status := range map[string]int{
		"127.0.0.1:8889": 200, "127.0.0.1": 200, "[::1]:8889": 200, "[::1]": 200, "localhost:8889": 200, "LOCALHOST": 200, "10.1.2.3:80": 200,
		"evil.example:8889": 403, "evil.example": 403, "localhost.evil.example": 403, "": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/livez", nil)
		r.Host = host
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		require.Equal(t, status, w.Code, host)
	}
}

// The command line may hold keys.
func TestNoCommandLine(t *testing.T) {
	w := httptest.NewRecorder()
	admin.New("v").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/cmdline", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}
