package restapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestRoutePath(t *testing.T) {
	for target, want := range map[string]string{
		"/api/hubs/chat/:send":                                 "/api/hubs/chat/:send",
		"/API/Hubs/Chat/:SEND":                                 "/api/hubs/Chat/:send",
		"/api/hubs/chat/%3Asend":                               "/api/hubs/chat/:send",
		"/api/hubs/chat/%3acloseconnections":                   "/api/hubs/chat/:closeConnections",
		"/%61pi/h%55bs/chat/%3ASend":                           "/api/hubs/chat/:send",
		"/api/V1/HUBS/v1/Users/USERS/Groups/Hubs":              "/api/v1/hubs/v1/users/USERS/groups/Hubs",
		"/api/hubs/V1/groups/:SEND":                            "/api/hubs/V1/groups/:SEND",
		"/api/hubs/chat/groups/a%2Fb/:send":                    "/api/hubs/chat/groups/a%2Fb/:send",
		"/API/hubs/chat/groups/a%2Fb/:SEND":                    "/api/hubs/chat/groups/a%2Fb/:send",
		"/api/hubs/chat/users/100%25/:send":                    "/api/hubs/chat/users/100%/:send",
		"/api/hubs/chat/users/100%25%2F/:send":                 "/api/hubs/chat/users/100%25%2F/:send",
		"/api/Hubs/chat/users/a+b%20c/:send":                   "/api/hubs/chat/users/a+b c/:send",
		"/api/hubs/chat/users//:SEND":                          "/api/hubs/chat/users//:send",
		"/api/Health":                                          "/api/health",
		"/api/V1/Health":                                       "/api/v1/health",
		"/api/hubs/chat/uſers/x":                               "/api/hubs/chat/uſers/x",
		"/api/hubs/chat/users%2Fx/groups":                      "/api/hubs/chat/users%2Fx/groups",
		"/api/HUBS/chat/connections/C1/GROUPS/x/y/Groups/":     "/api/hubs/chat/connections/C1/groups/x/y/Groups",
		"/api/hubs/chat/:send/":                                "/api/hubs/chat/:send",
		"/api/hubs/chat/%3ASEND/":                              "/api/hubs/chat/:send",
		"/api/hubs/chat/:send//":                               "/api/hubs/chat/:send//",
		"/api/hubs/chat/":                                      "/api/hubs/chat",
		"/api/v1/hubs/chat/users/u/":                           "/api/v1/hubs/chat/users/u",
		"/api/hubs/chat/users/groups/":                         "/api/hubs/chat/users/groups",
		"/api/hubs/chat/users/u/groups/":                       "/api/hubs/chat/users/u/groups/",
		"/api/hubs/chat/connections/":                          "/api/hubs/chat/connections/",
		"/api/Health/":                                         "/api/health",
		"/api/v1/health/":                                      "/api/v1/health",
		"/":                                                    "/",
		"/x/HUBS/CHAT":                                         "/x/hubs/CHAT",
		"/api/hubs/chat/connections/%E2%82%AC%25/%47roups":     "/api/hubs/chat/connections/%E2%82%AC%25/groups",
		"/api/hubs/chat/Groups/%D1%8F/Connections/%2e%2e%2Fx/": "/api/hubs/chat/groups/%D1%8F/connections/%2e%2e%2Fx",
	} {
		t.Run(target, func(t *testing.T) {
			u, err := url.ParseRequestURI(target)
			require.NoError(t, err)
			require.Equal(t, want, routePath(u))
		})
	}
}

func TestRoutePathAllocatesNothingWhereNothingChanges(t *testing.T) {
	for _, target := range []string{"/api/hubs/chat/users/ann/:send", "/api/v1/hubs/chat/groups/a%2Fb"} {
		u, err := url.ParseRequestURI(target)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() { routePath(u) }))
	}
}

func TestCanonicalQuery(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                   "",
		"api-version=2022-06-01":             "api-version=2022-06-01",
		"API-Version=2022-06-01&Excluded=A":  "api-version=2022-06-01&excluded=A",
		"Excluded=a&EXCLUDED=b&excluded=c":   "excluded=a&excluded=b&excluded=c",
		"%65xcluded=a":                       "excluded=a",
		"userid=u&MinutesToExpire=5":         "userId=u&minutesToExpire=5",
		"reason=bye;%20see+you":              "reason=bye%3B%20see+you",
		"a;b=c":                              "a%3Bb=c",
		"maxPageSize=7&Other=X":              "maxpagesize=7&Other=X",
		"Ttl&x":                              "ttl&x",
		"&&TTL=1&":                           "ttl=1&",
		"reason=100%25&Reason=%26excluded=x": "reason=100%25&reason=%26excluded=x",
	} {
		t.Run(raw, func(t *testing.T) {
			q := canonicalQuery(raw)
			require.NoError(t, q.err)
			require.Equal(t, want, q.raw)
		})
	}
	for _, raw := range []string{"excluded=%zz", "excluded=%", "%zz=1", "x=%1"} {
		require.Error(t, canonicalQuery(raw).err, raw)
	}
	q := canonicalQuery("Application=A%2Cb&application=c&Api-Version=1&api-version=2")
	require.Equal(t, "A,b", q.application)
	require.Equal(t, 2, q.applications)
	require.Equal(t, "1", q.version)
	require.Equal(t, 2, q.versions)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		canonicalQuery("application=app&api-version=2022-06-01&excluded=a")
	}))
}

// Ids come out of the whole stack, from the request line to the command, as
// they were meant: decoded once.
func TestIDsSurvive(t *testing.T) {
	f := newFixture(t)
	hubs := &recorder{}
	options := f.options()
	options.Hubs, options.UserGroups = hubs, nobody{}
	f.handler = New(options)
	for escaped, want := range map[string]string{
		"ann":                        "ann",
		"a%2Fb":                      "a/b",
		"a%2F..%2F%2Fb":              "a/../",
		"100%25":                     "100%",
		"100%2525":                   "100%25",
		"%252F":                      "%2F",
		"a+b":                        "a+b",
		"a%2Bb":                      "a+b",
		"a%20b":                      "a b",
		"%3Asend":                    ":send",
		":send":                      ":send",
		"%C3%BC%20%E2%82%AC":         "ü €",
		"%F0%9F%98%80%2F":            "😀/",
		"a,b;c=d":                    "a,b;c=d",
		"a%2Cb%3Bc":                  "a,b;c",
		"a%26b%3Dc%3Fd%23e":          "a&b=c?d#e",
		"Ann":                        "Ann",
		"USERS":                      "USERS",
		"a`b\"c<d>":                  "a`b\"c<d>",
		"a%2Fb\"c":                   "a/b\"c",
		"ü%2F%25":                    "ü/%",
		"...":                        "...",
		"*":                          "*",
		"%7Bhub%7D":                  "{hub}",
		"{hub}":                      "{hub}",
		"auth0%7C5f7c8ec7c33c6c004b": "auth0|5f7c8ec7c33c6c004b",
	} {
		if escaped == "a%2F..%2F%2Fb" {
			want = "a/..//b"
		}
		t.Run("R15 "+escaped, func(t *testing.T) {
			for _, prefix := range []string{"/api/hubs/chat/users/", "/API/Hubs/chat/Users/", "/%61pi/hubs/chat/users/"} {
				for _, action := range []string{"/:send", "/%3Asend", "/:SEND"} {
					target := prefix + escaped + action
					f.do("POST", target, helloJSON).wantStatus(http.StatusAccepted)
					require.Equal(t, []string{want}, hubs.take(t).Target.IDs, target)
				}
			}
			f.do("PUT", "/api/hubs/chat/groups/"+escaped+"/connections/"+escaped, "").wantStatus(200)
			cmd := hubs.take(t)
			require.Equal(t, want, cmd.Group)
			require.Equal(t, []string{want}, cmd.Target.IDs)
			f.do("POST", "/api/v1/hubs/chat/groups/"+escaped, helloJSON).wantStatus(http.StatusAccepted)
			require.Equal(t, []string{want}, hubs.take(t).Target.IDs)
		})
	}
	t.Run("R20 query values are decoded once too", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/:send?Excluded=a%252Fb&EXCLUDED=c+d&excluded=e%2Cf,g", helloJSON).wantStatus(http.StatusAccepted)
		require.Equal(t, []string{"a%2Fb", "c d", "e,f,g"}, hubs.take(t).Target.Except)
		f.do("POST", "/api/hubs/chat/:closeConnections?reason=bye;+see+you%26", "").wantStatus(http.StatusNoContent)
		require.Equal(t, "bye; see you&", hubs.take(t).Cause.Text)
	})
	t.Run("R14 D7 hub and application name the hub's key", func(t *testing.T) {
		for target, want := range map[string]string{
			"/api/hubs/Chat/:send":                    "chat",
			"/api/hubs/CHAT/:send?application=App":    "app_chat",
			"/api/hubs/chat/:send?APPLICATION=a%2CB":  "a,b_chat",
			"/api/hubs/app_chat/:send":                "app_chat",
			"/api/hubs/chat/:send?application=":       "chat",
			"/api/hubs/chat/:send?application":        "chat",
			"/api/v1/hubs/Chat/users/u?application=X": "x_chat",
		} {
			f.do("POST", target, helloJSON).wantStatus(http.StatusAccepted)
			require.Equal(t, want, hubs.take(t).Hub, target)
		}
	})
}

func TestRoutes(t *testing.T) {
	f := newFixture(t)
	t.Run("R16 :send and %3Asend, and v1 without api-version", func(t *testing.T) {
		for _, target := range []string{
			"/api/hubs/chat/:send", "/api/hubs/chat/%3Asend", "/API/Hubs/Chat/%3ASEND?api-version=2022-06-01",
			"/api/v1/hubs/chat", "/api/V1/HUBS/chat",
		} {
			f.do("POST", target, helloJSON).wantStatus(http.StatusAccepted)
		}
	})
	t.Run("R20 api-version in any letter case, missing, newer than known", func(t *testing.T) {
		for _, query := range []string{
			"", "?api-version=2022-06-01", "?API-Version=2022-11-01", "?Api-Version=2024-12-01", "?api-version=2099-01-01",
			"?api-version=2021-05-01-preview", "?maxPageSize=20&api-version=2023-07-01",
		} {
			f.do("POST", "/api/hubs/chat/:send"+query, helloJSON).wantStatus(http.StatusAccepted)
		}
	})
	for _, query := range []string{
		"api-version=garbage", "api-version=", "api-version", "api-version=20220601", "api-version=2022-06-0x",
		"api-version=2022-06-01&api-version=2022-06-01", "api-version=2022-06-01-beta", "api-version=2022/06/01",
		"application=a&application=b", "application=1", "excluded=%zz",
	} {
		t.Run("R20 "+query, func(t *testing.T) {
			f.do("POST", "/api/hubs/chat/:send?"+query, helloJSON).wantError(400, codeRequestInvalid)
		})
	}
	t.Run("operations of other versions and unknown paths are 404", func(t *testing.T) {
		for _, request := range []string{
			"GET /api/auth", "GET /api/auth/accessKey/x", "GET /api/v1/auth/other", "POST /api/v1-preview/hub/chat",
			"GET /api", "GET /api/", "POST /api/hubs", "POST /api/hubs/chat/:send/x", "POST /api/hubs/chat/:send//",
			"POST /api/hubs//chat/:send", "GET /other", "FOO /api/unknown", "OPTIONS /api/unknown", "GET /api/health//",
		} {
			method, target, _ := strings.Cut(request, " ")
			f.do(method, target, "").wantError(404, codeRequestNotExisted)
			require.Equal(t, UnknownOperation, f.counted.last().operation, request)
		}
	})
	t.Run("other methods are 405 and say which there are", func(t *testing.T) {
		for request, allow := range map[string]string{
			"GET /api/hubs/chat/:send":                  "POST",
			"OPTIONS /api/hubs/chat/:send":              "POST",
			"OPTIONS /API/hubs/chat/users/u/groups/g":   "DELETE, GET, HEAD, PUT",
			"PATCH /api/hubs/chat/connections/c":        "DELETE, GET, HEAD",
			"FOO /api/health":                           "GET, HEAD",
			"TRACE /api/v1/hubs/chat/connections/a%2Fb": "DELETE, GET, HEAD, POST",
			"HEAD /api/hubs/chat/%3Asend":               "POST",
		} {
			method, target, _ := strings.Cut(request, " ")
			a := f.do(method, target, "")
			a.wantStatus(405)
			require.Equal(t, allow, a.header.Get("Allow"), request)
			require.Equal(t, codeRequestInvalid, a.header.Get("x-ms-error-code"))
		}
	})
	t.Run("a URL over 12 KiB is 414", func(t *testing.T) {
		f.bare("GET", "/api/hubs/chat/users/"+strings.Repeat("u", 12<<10), "").wantError(414, codeRequestInvalid)
		f.bare("GET", "/api/health?"+strings.Repeat("u", 12<<10), "").wantError(414, codeRequestInvalid)
		f.limits.URIBytes = 64
		f.do("GET", "/api/hubs/chat/users/"+strings.Repeat("u", 64), "").wantError(414, codeRequestInvalid)
	})
}

// An id that is empty is no reason to take the operation one segment up.
func TestEmptyIDs(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	client := f.connect("chat", "c1", "u")
	for _, request := range []string{
		"DELETE /api/hubs/chat/users/u/groups/", "DELETE /api/hubs/chat/users//groups", "POST /api/hubs/chat/users//:send",
		"POST /api/hubs/chat/groups//:send", "DELETE /api/hubs/chat/connections/", "PUT /api/hubs/chat/groups/g/connections/",
		"POST /api/hubs//:closeConnections", "POST /api/hubs//:send", "POST /api/v1/hubs/", "POST /api/hubs/", "POST /api/v1/hubs/chat//",
		"POST /api/hubs/chat/users/:send", "POST /api/hubs/chat/groups/:send/", "DELETE /api/v1/hubs/chat/users/u/groups/",
		"POST /api/v1/hubs/chat/groups/", "PUT /api/v1/hubs/chat/users//groups/g", "POST /api/hubs/chat/users//:closeConnections",
	} {
		method, target, _ := strings.Cut(request, " ")
		a := f.do(method, target, helloJSON)
		require.Contains(t, []int{400, 404, 405}, a.status, request)
	}
	f.settled(ctx, client)
	client.WantNone("hello")
}

// Some callers end every path with a slash, as ASP.NET Core lets them.
func TestSlashAtTheEnd(t *testing.T) {
	f := newFixture(t)
	f.connect("chat", "c1", "u")
	for request, status := range map[string]int{
		"POST /api/hubs/chat/:send/":              202,
		"POST /api/hubs/chat/%3Asend/?x=y":        202,
		"POST /api/v1/hubs/chat/":                 202,
		"POST /api/v1/hubs/chat/users/u/":         202,
		"HEAD /api/hubs/chat/users/u/":            200,
		"PUT /api/v1/hubs/chat/groups/g/users/u/": 202,
		"GET /api/health/":                        200,
		"HEAD /api/v1/health/":                    200,
	} {
		method, target, _ := strings.Cut(request, " ")
		f.do(method, target, helloJSON).wantStatus(status)
	}
}

// The emulator serves each operation under both prefixes.
func TestSpellingsOfTheEmulator(t *testing.T) {
	f := newFixture(t)
	client := f.connect("chat", "c1", "u")
	ctx := context.Background()
	for _, tc := range []struct {
		request, operation string
		status             int
	}{
		{"POST /api/hubs/chat", "V1Broadcast", 202},
		{"POST /API/hubs/chat/", "V1Broadcast", 202},
		{"POST /api/hubs/chat/users/u", "V1SendToUser", 202},
		{"POST /api/hubs/chat/connections/c1?api-version=2022-06-01", "V1SendToConnection", 202},
		{"POST /api/v1/hubs/chat/:send", "Broadcast", 202},
		{"POST /api/v1/hubs/chat/users/u/:send/", "SendToUser", 202},
		{"POST /api/v1/hubs/chat/connections/c1/%3asend", "SendToConnection", 202},
	} {
		method, target, _ := strings.Cut(tc.request, " ")
		a := f.do(method, target, helloJSON)
		a.wantStatus(tc.status)
		require.Equal(t, tc.operation, a.operation, tc.request)
		client.Want(ctx, "hello")
	}
	f.bare("POST", "/api/hubs/chat", helloJSON).wantStatus(401)
	f.do("POST", "/api/v1/hubs/chat/:closeConnections", "").wantStatus(204)
	f.do("PUT", "/api/hubs/chat/groups/g/users/u", "").wantStatus(202)
	f.do("GET", "/api/hubs/chat/:send", "").wantStatus(405)
}

// A page must not hold the access key: browsers are told so instead of failing
// for a missing header.
func TestPagesAreRefused(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{"/api/hubs/chat/:send", "/api/v1/hubs/chat", "/API/hubs/chat/users/u/groups/g"} {
		a := f.bare("OPTIONS", target, "", with("Origin", "https://app.example"), with("Access-Control-Request-Method", "POST"))
		a.wantError(403, codeRequestInvalid)
		require.Contains(t, a.body, "not for pages")
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "PageRequest", f.logged.take(t)[0]["reason"])
	}
}

func TestHandles(t *testing.T) {
	for path, want := range map[string]bool{
		"/api": true, "/api/": true, "/API/hubs": true, "/Api/v1/health": true,
		"/": false, "": false, "api": false, "/apis": false, "/client": false, "/x/api": false,
	} {
		require.Equal(t, want, Handles(path), path)
	}
}

// What the gateway keeps must not hold on to a whole path of up to 12 KiB.
func TestGroupNamesAreNoPiecesOfPaths(t *testing.T) {
	f := newFixture(t)
	hubs := &recorder{}
	options := f.options()
	options.Hubs = hubs
	f.handler = New(options)
	var path string
	f.do("PUT", "/api/hubs/chat/groups/red/connections/c", "", func(r *http.Request) { path = r.URL.Path })
	group := hubs.take(t).Group
	require.Equal(t, "red", group)
	start, at := uintptr(unsafe.Pointer(unsafe.StringData(path))), uintptr(unsafe.Pointer(unsafe.StringData(group)))
	require.False(t, at >= start && at < start+uintptr(len(path)))
}
