package restapi

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHubNames(t *testing.T) {
	f := newFixture(t)
	for name, good := range map[string]bool{
		"chat": true, "a": true, "a[1].x,y": true, "t[22bc_1]res": true, "a`b": true, "Z9_`,.[]": true,
		strings.Repeat("a", 128): true,
		"1abc":                   false, "a-b": false, strings.Repeat("a", 129): false, "_a": false, "a b": false, "ä": false, "a/b": false,
		"a:b": false, "[a]": false, "ſend": false, "a\n": false, "a%": false,
	} {
		t.Run("R13 "+name, func(t *testing.T) {
			escaped := strings.ReplaceAll(url.PathEscape(name), ",", "%2C")
			hub := f.do("POST", "/api/hubs/"+escaped+"/:send", helloJSON)
			application := f.do("POST", "/api/hubs/chat/:send?application="+url.QueryEscape(name), helloJSON)
			if good {
				hub.wantStatus(http.StatusAccepted)
				if len(name) < 124 {
					application.wantStatus(http.StatusAccepted)
				} else { // no client could name both together
					application.wantError(400, codeRequestInvalid)
				}
				return
			}
			hub.wantError(400, codeRequestInvalid)
			application.wantError(400, codeRequestInvalid)
		})
	}
	t.Run("R13 brackets as the .NET SDK escapes them", func(t *testing.T) {
		f.do("POST", "/api/hubs/t%5B22bc_1%5Dres/:send", helloJSON).wantStatus(http.StatusAccepted)
	})
}

func TestGroupNames(t *testing.T) {
	f := newFixture(t)
	for name, tc := range map[string]struct {
		escaped string
		good    bool
	}{
		"R15 1024 characters":         {strings.Repeat("g", 1024), true},
		"R15 1025 characters":         {strings.Repeat("g", 1025), false},
		"R15 1024 beyond ASCII":       {strings.Repeat("%C3%BC", 1024), true},
		"R15 1025 beyond ASCII":       {strings.Repeat("%C3%BC", 1025), false},
		"R15 blank":                   {"%20%20", false},
		"R15 blank beyond ASCII":      {"%C2%A0%E2%80%83%09%0A", false},
		"R15 a slash":                 {"a%2Fb", true},
		"R15 blanks around something": {"%20x%20", true},
		"not UTF-8":                   {"a%FFb", false},
	} {
		t.Run(name, func(t *testing.T) {
			f.connect("chat", "c-"+strings.ReplaceAll(name, " ", "-"), "u")
			for request, success := range map[string]int{
				"POST /api/hubs/chat/groups/" + tc.escaped + "/:send":             202,
				"POST /api/hubs/chat/groups/" + tc.escaped + "/:closeConnections": 204,
				"DELETE /api/hubs/chat/groups/" + tc.escaped + "/connections/c":   200,
				"PUT /api/hubs/chat/users/u/groups/" + tc.escaped:                 200,
				"GET /api/hubs/chat/users/u/groups/" + tc.escaped:                 200,
				"DELETE /api/hubs/chat/users/u/groups/" + tc.escaped:              204,
				"POST /api/v1/hubs/chat/groups/" + tc.escaped:                     202,
			} {
				method, target, _ := strings.Cut(request, " ")
				a := f.do(method, target, helloJSON)
				if !tc.good {
					a.wantError(400, "Error.Group.Invalid")
				} else if method != "GET" {
					a.wantStatus(success)
				}
			}
		})
	}
}

func TestUserIDs(t *testing.T) {
	f := newFixture(t)
	f.do("POST", "/api/hubs/chat/users/"+strings.Repeat("u", 1024)+"/:closeConnections", "").wantStatus(204)
	f.do("POST", "/api/hubs/chat/users/"+strings.Repeat("u", 1025)+"/:closeConnections", "").wantError(400, "Error.User.Invalid")
	f.do("POST", "/api/hubs/chat/users/"+strings.Repeat("u", 2000)+"/:send", helloJSON).wantStatus(202)
	f.do("POST", "/api/hubs/chat/users/%FF/:send", helloJSON).wantError(400, "Error.User.Invalid")
	f.do("PUT", "/api/hubs/chat/users/%FF/groups/g", "").wantError(400, "Error.User.Invalid")
	f.do("DELETE", "/api/hubs/chat/users/%FF/groups", "").wantError(400, "Error.User.Invalid")
	f.do("POST", "/api/hubs/chat/connections/%FF/:send", helloJSON).wantError(400, "Error.Connection.Invalid")
}

func TestBodies(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]int{
		`{"target":"m"}`:                                         202,
		`{"Target":"m","Arguments":null}`:                        202,
		`{"TARGET":"m","arguments":[1,{"a":[]}],"rawOnly":true}`: 202,
		"\xef\xbb\xbf" + `{"target":"m"}`:                        202,
		`{}`:                                                     400,
		`{"target":""}`:                                          400,
		`{"target":null}`:                                        400,
		`{"target":7}`:                                           400,
		`{"target":"m","arguments":{}}`:                          400,
		`{"target":"m"`:                                          400,
		`{"target":"m"} x`:                                       400,
		`[]`:                                                     400,
		`"m"`:                                                    400,
		"{\"target\":\"\xff\"}":                                  400,
		strings.Repeat("[", 100_000):                             400,
		`{"target":"m","arguments":[NaN]}`:                       400,
	} {
		t.Run("R17 R18 "+body[:min(len(body), 60)], func(t *testing.T) {
			a := f.do("POST", "/api/hubs/chat/:send", body)
			if want == 400 {
				a.wantError(400, codeRequestInvalid)
			} else {
				a.wantStatus(want)
			}
			f.do("POST", "/api/v1/hubs/chat/users/u", body).wantStatus(want)
		})
	}
	t.Run("R17 no body", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/:send", "").wantError(400, codeRequestInvalid)
		f.do("POST", "/api/hubs/chat/:send", "", with("Content-Type", "application/json")).wantError(400, codeRequestInvalid)
		f.do("POST", "/api/hubs/chat/:send", "", with("Content-Type", "application/octet-stream")).wantError(400, codeRequestInvalid)
	})
}

func unhex(t testing.TB, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return string(b)
}

const (
	msgpackBody = "82a6746172676574aa6e65774d657373616765a9617267756d656e747391a26869"
	octetBody   = "82a46a736f6ec4347b2274797065223a312c22746172676574223a226e65774d657373616765222c22617267756d656e7473223a5b226869225d7d1e" +
		"ab6d6573736167657061636bc41514960180c0aa6e65774d65737361676591a2686990"
)

func TestContentTypes(t *testing.T) {
	f := newFixture(t)
	for header, want := range map[string]int{
		"application/json":                       202,
		"application/json; charset=utf-8":        202,
		"Application/JSON;charset=\"UTF-8\"; x=": 202,
		"text/plain":                             415,
		"text/json":                              415,
		"application/json; charset=utf-16":       415,
		"application/jsonx":                      415,
		"application/x-www-form-urlencoded":      415,
		"garbage;;;":                             415,
		"":                                       415,
		"application/x-msgpack":                  400, // the type is good, the body is not
		"application/octet-stream":               400,
	} {
		t.Run("R19 "+header, func(t *testing.T) {
			a := f.do("POST", "/api/hubs/chat/:send", helloJSON, with("Content-Type", header))
			if want == 202 {
				a.wantStatus(want)
			} else {
				a.wantError(want, codeRequestInvalid)
			}
		})
	}
	t.Run("R19 the binary types", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/:send", unhex(t, msgpackBody), with("Content-Type", "application/x-msgpack")).wantStatus(202)
		f.do("POST", "/api/hubs/chat/:send", unhex(t, octetBody), with("Content-Type", "application/octet-stream")).wantStatus(202)
	})
}

// message of this many bytes.
func messageOf(size int) string {
	const frame = `{"target":"m","arguments":[""]}`
	return strings.Replace(frame, `""`, `"`+strings.Repeat("x", size-len(frame))+`"`, 1)
}

// unsized hides the length of a body, as a chunked request does.
func unsized(r *http.Request) {
	r.ContentLength = -1
	r.Body = io.NopCloser(struct{ io.Reader }{r.Body})
}

func TestBodySize(t *testing.T) {
	f := newFixture(t)
	send := "/api/hubs/chat/:send"
	t.Run("R18 1 MiB", func(t *testing.T) {
		f.do("POST", send, messageOf(1<<20)).wantStatus(202)
		f.do("POST", send, messageOf(1<<20), unsized).wantStatus(202)
	})
	t.Run("R18 one byte more", func(t *testing.T) {
		f.do("POST", send, messageOf(1<<20+1)).wantError(413, codeRequestInvalid)
		a := f.do("POST", send, messageOf(1<<20+1), unsized)
		a.wantError(413, codeRequestInvalid)
		require.Equal(t, "close", a.header.Get("Connection"))
	})
	t.Run("the bound is a setting", func(t *testing.T) {
		f.limits.BodyBytes = 100
		f.do("POST", send, messageOf(100)).wantStatus(202)
		f.do("POST", send, messageOf(101)).wantError(413, codeRequestInvalid)
	})
	t.Run("bodies of operations without one are not read", func(t *testing.T) {
		f.limits.BodyBytes = 10
		f.do("DELETE", "/api/hubs/chat/users/u/groups", messageOf(100)).wantStatus(204)
		f.do("PUT", "/api/hubs/chat/users/u/groups/g", messageOf(100), with("Content-Type", "text/plain")).wantStatus(200)
	})
}

func TestTTLAndMinutes(t *testing.T) {
	f := newFixture(t)
	for query, good := range map[string]bool{
		"": true, "ttl=0": true, "TTL=1": true, "ttl=2147483647": true,
		"ttl=-1": false, "ttl=2147483648": false, "ttl=1.5": false, "ttl=x": false, "ttl=": false, "ttl": false, "ttl=1&ttl=2": false,
		"ttl=%201": false, "ttl=99999999999999999999": false,
	} {
		t.Run("R33 "+query, func(t *testing.T) {
			for path, status := range map[string]int{
				"/api/hubs/chat/users/u/groups/g": 200, "/api/v1/hubs/chat/groups/g/users/u": 202, "/api/v1/hubs/chat/users/u/groups/g": 202,
			} {
				a := f.do("PUT", path+"?"+query, "")
				if good {
					a.wantStatus(status)
				} else {
					a.wantError(400, codeRequestInvalid)
				}
			}
		})
	}
}

// Answers of 400 and above are told apart by their code alone where there is no body.
func TestHeadHasTheCodes(t *testing.T) {
	f := newFixture(t)
	for target, code := range map[string]string{
		"/api/hubs/chat/connections/c":        "Warning.Connection.NotExisted",
		"/api/hubs/chat/users/u":              "Warning.User.NotExisted",
		"/api/hubs/chat/groups/g":             "Warning.Group.NotExisted",
		"/api/hubs/chat/users/u/groups/g":     "Info.User.NotInGroup",
		"/api/v1/hubs/chat/connections/c":     "Warning.Connection.NotExisted",
		"/api/v1/hubs/chat/users/u":           "Warning.User.NotExisted",
		"/api/v1/hubs/chat/groups/g":          "Warning.Group.NotExisted",
		"/api/v1/hubs/chat/groups/g/users/u":  "Info.User.NotInGroup",
		"/api/v1/hubs/chat/users/u/groups/g":  "Info.User.NotInGroup",
		"/api/hubs/1/connections/c":           "Error.Request.Invalid",
		"/api/hubs/chat/groups/%20":           "Error.Group.Invalid",
		"/api/hubs/chat/users/u?api-version=": "Error.Request.Invalid",
	} {
		t.Run("R21 R26 R27 "+target, func(t *testing.T) {
			get := f.do("GET", target, "")
			get.wantError(get.status, code)

			// Over the wire: a recorder would also show a body of HEAD.
			server := httptest.NewServer(f.handler)
			defer server.Close()
			r, err := http.NewRequest("HEAD", server.URL+target, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+restToken(t, r.URL.EscapedPath()))
			response, err := server.Client().Do(r)
			require.NoError(t, err)
			defer response.Body.Close()
			require.Equal(t, get.status, response.StatusCode)
			require.Equal(t, []string{code}, response.Header["X-Ms-Error-Code"])
		})
	}
}
