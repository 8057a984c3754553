package restapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// Only literals change and one slash at the end goes, and changing them again changes nothing.
func FuzzRoutePath(f *testing.F) {
	for _, seed := range []string{
		"/api/hubs/chat/:send", "/API/Hubs/c/%3asend", "/api/V1/hubs/a%2Fb/Users/100%25", "/api/hubs//", "/", "//", "/api/v1",
		"/api/hubs/c/:send/", "/api/hubs/c/users/u/groups/", "/api/hubs/c//", "/%61pi/v%31/hubs/%00/%zz", "/api/hubs/ü/groups/\xff/connections/%ff", "*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		path := routePath(u)
		escaped := u.RawPath != ""
		require.Equal(t, path, canonicalPath(path, escaped))
		before := u.Path
		if escaped {
			before = u.RawPath
		}
		was, is := strings.Split(before, "/"), strings.Split(path, "/")
		if len(is) == len(was)-1 {
			require.Empty(t, was[len(is)])
			was = was[:len(is)]
		}
		require.Len(t, is, len(was))
		for i := range is {
			if is[i] == was[i] {
				continue
			}
			require.Contains(t, literals, is[i])
			decoded := was[i]
			if escaped {
				decoded, err = url.PathUnescape(decoded)
				require.NoError(t, err)
			}
			require.True(t, auth.EqualFoldASCII(decoded, is[i]))
		}
	})
}

// What net/http reads of a canonical query is what was in the query.
func FuzzCanonicalQuery(f *testing.F) {
	for _, seed := range []string{
		"", "Api-Version=2022-06-01&excluded=a&EXCLUDED=b", "a;b=c;d", "%65xcluded=%2B+&&=", "ttl", "x=%zz", "reason=%26&%26=&a=b=c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := canonicalQuery(raw)
		if q.err != nil {
			return
		}
		again := canonicalQuery(q.raw)
		require.NoError(t, again.err)
		require.Equal(t, q.raw, again.raw)
		values, err := url.ParseQuery(q.raw)
		require.NoError(t, err)
		want := make(url.Values)
		for pair := range strings.SplitSeq(raw, "&") {
			if pair == "" {
				continue
			}
			name, value, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			require.NoError(t, err)
			value, err = url.QueryUnescape(value)
			require.NoError(t, err)
			for _, known := range queryNames {
				if auth.EqualFoldASCII(name, known) {
					name = known
				}
			}
			want.Add(name, value)
		}
		require.Equal(t, want, values)
		require.Equal(t, len(values["application"]), q.applications)
		require.Equal(t, values.Get("application"), q.application)
		require.Equal(t, len(values["api-version"]), q.versions)
		require.Equal(t, values.Get("api-version"), q.version)
	})
}

// anyToken accepts every token.
type anyToken struct{}

func (anyToken) AccessKey(string) (auth.ClientKey, error) { return auth.ClientKey{}, nil }

func (anyToken) REST(string, string, string, string) error { return nil }

// Whatever comes in, the answer is in the contract and no fault of the gateway.
func FuzzHandler(f *testing.F) {
	fix := newFixture(f)
	options := fix.options()
	options.Tokens, options.Logger = anyToken{}, nil
	fix.limits.InvokeTimeout = time.Millisecond // the client says nothing
	fix.handler = New(options)
	fix.connect("hub", "connection", "user")
	for id := range fix.byID {
		method, target := example(f, fix.contract, id)
		f.Add(method, target, "api-version=2022-06-01&excluded=a&ttl=1&reason=x", "application/json", []byte(helloJSON))
		f.Add(method, strings.ToUpper(target)+"%2F%25", "Application=App&minutesToExpire=0", "application/x-msgpack", []byte(unhex(f, msgpackBody)))
		f.Add(method, strings.Replace(target, ":", "%3A", 1), "", "application/octet-stream", []byte(unhex(f, octetBody)))
	}
	f.Fuzz(func(t *testing.T, method, path, query, contentType string, body []byte) {
		target := path
		if query != "" {
			target += "?" + query
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Method, r.URL, r.RequestURI = method, u, target
		r.Header["Content-Type"] = []string{contentType}
		r.Header.Set("Authorization", "Bearer token")
		w := httptest.NewRecorder()
		fix.handler.ServeHTTP(w, r)
		operation := fix.counted.last().operation
		if w.Code != 504 || operation != "InvokeConnection" {
			require.Less(t, w.Code, 500, "%s %s: %s", method, target, w.Body)
		}
		if known := fix.byID[operation]; known != nil {
			require.NotNil(t, known.Responses.Status(w.Code), "%s answers %d", operation, w.Code)
		}
	})
}
