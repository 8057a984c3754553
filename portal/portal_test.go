package portal

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func ask(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The page and all that it refers to are there, under a policy that lets nothing else in.
func TestThePageIsWhole(t *testing.T) {
	h := New("/portal/", func() string { return "ws://localhost:8888" })
	page := ask(h, "/portal/")
	require.Equal(t, http.StatusOK, page.Code)
	refers := regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.GreaterOrEqual(t, len(refers), 3)
	for _, m := range refers {
		part := ask(h, "/portal/"+strings.TrimPrefix(m[1], "./"))
		require.Equal(t, http.StatusOK, part.Code, m[1])
		require.NotEmpty(t, part.Header().Get("Content-Type"), m[1])
		require.Equal(t, http.StatusNotModified, ask(h, "/portal/"+strings.TrimPrefix(m[1], "./"), "If-None-Match", part.Header().Get("ETag")).Code)
	}
	csp := page.Header().Get("Content-Security-Policy")
	require.Contains(t, csp, "default-src 'none'; script-src 'self'; style-src 'self'")
	require.Contains(t, csp, "connect-src 'self' ws://localhost:8888;")
	require.NotContains(t, csp, "unsafe")
	require.NotContains(t, page.Body.String(), "<style")
	require.Equal(t, http.StatusNotFound, ask(h, "/portal/other").Code)
	require.Equal(t, http.StatusNotFound, ask(h, "/portal/../portal.go").Code)
}

// What a browser loads stays small.
func TestThePageIsSmall(t *testing.T) {
	size := 0
	for _, f := range New("/", func() string { return "" }).files {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		require.NoError(t, err)
		_, err = w.Write(f.content)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		size += packed.Len()
	}
	t.Logf("%d bytes with gzip", size)
	require.Less(t, size, 150<<10)
}
