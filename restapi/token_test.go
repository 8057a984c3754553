package restapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestGenerateToken(t *testing.T) {
	f := newFixture(t)
	clients := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{auth.EmulatorKey} }})
	generate := func(query string) (*auth.Claims, time.Duration) {
		t.Helper()
		a := f.do("POST", "/api/hubs/Chat/:generateToken?"+query, "")
		a.wantStatus(200)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		var document map[string]string
		require.NoError(t, json.Unmarshal([]byte(a.body), &document))
		require.Len(t, document, 1)
		hub := "chat"
		if strings.Contains(strings.ToLower(query), "application=") {
			hub = "app_chat"
		}
		claims, err := clients.Client(document["token"], hub, "")
		require.NoError(t, err)
		return claims, time.Until(claims.Expires).Round(time.Minute)
	}
	t.Run("R39 user and lifetime", func(t *testing.T) {
		claims, lifetime := generate("userId=u%2F1&minutesToExpire=5&api-version=2022-11-01")
		require.Equal(t, "u/1", claims.UserID)
		require.Equal(t, 5*time.Minute, lifetime)
	})
	t.Run("R39 defaults", func(t *testing.T) {
		claims, lifetime := generate("")
		require.Empty(t, claims.UserID)
		require.Equal(t, time.Hour, lifetime)
	})
	t.Run("R14 R39 application", func(t *testing.T) {
		claims, _ := generate("APPLICATION=App&UserID=x")
		require.Equal(t, "x", claims.UserID)
	})
	t.Run("the longest lifetime is no negative one", func(t *testing.T) {
		_, lifetime := generate("minutesToExpire=2147483647")
		require.Greater(t, lifetime, 90*365*24*time.Hour)
	})
	for _, query := range []string{"minutesToExpire=0", "minutesToExpire=-5", "MinutesToExpire=x", "minutesToExpire=2147483648"} {
		t.Run("R39 "+query, func(t *testing.T) {
			f.do("POST", "/api/hubs/chat/:generateToken?"+query, "").wantError(400, codeRequestInvalid)
		})
	}
	t.Run("a user id that fits into no token", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/:generateToken?userId="+strings.Repeat("u", 4000), "").wantError(400, "Error.User.Invalid")
		f.do("POST", "/api/hubs/chat/:generateToken?userId=%FF", "").wantError(400, "Error.User.Invalid")
		f.do("POST", "/api/hubs/1/:generateToken", "").wantError(400, codeRequestInvalid)
	})
}

func TestHealth(t *testing.T) {
	f := newFixture(t)
	hubs := &recorder{}
	options := f.options()
	options.Hubs = hubs
	f.handler = New(options)
	targets := []string{
		"HEAD /api/health?api-version=2022-06-01", "HEAD /api/health", "GET /api/health", "GET /api/health?api-version=x",
		"GET /api/v1/health", "HEAD /api/v1/health", "GET /API/Health",
	}
	for _, request := range targets {
		method, target, _ := strings.Cut(request, " ")
		t.Run("R45 "+request, func(t *testing.T) {
			a := f.bare(method, target, "")
			a.wantStatus(200)
			require.Empty(t, a.body)
			hubs.draining = true
			before := f.counted.last()
			f.bare(method, target, "").wantError(503, codeUnknown)
			require.Equal(t, before, f.counted.last(), "a probe while draining is no failure to count")
			for _, line := range f.logged.take(t) {
				require.Equal(t, "DEBUG", line["level"])
			}
			hubs.draining = false
		})
	}
}
