package restapi

import (
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const sendURL = "http://localhost:8888/api/hubs/chat/:send"

func hour() int64 { return time.Now().Add(time.Hour).Unix() }

func signed(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = "-1234567" // what the .NET SDK writes: R9
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func TestTokens(t *testing.T) {
	f := newFixture(t)
	key := []byte(auth.EmulatorKey.Reveal())
	hs256 := func(claims jwt.MapClaims) string { return signed(t, jwt.SigningMethodHS256, key, claims) }
	aud := func(aud any) string { return hs256(jwt.MapClaims{"aud": aud, "exp": hour()}) }
	good, bad := http.StatusAccepted, http.StatusUnauthorized
	for name, tc := range map[string]struct {
		token string
		want  int
	}{
		"R2 wrong key": {signed(t, jwt.SigningMethodHS256, []byte("some other key"), jwt.MapClaims{"aud": sendURL, "exp": hour()}), bad},
		"R3 expired beyond the leeway": {
			hs256(jwt.MapClaims{"aud": sendURL, "exp": time.Now().Add(-6 * time.Minute).Unix()}), bad,
		},
		"R3 expired a minute ago": {hs256(jwt.MapClaims{"aud": sendURL, "exp": time.Now().Add(-time.Minute).Unix()}), good},
		"R4 no exp":               {hs256(jwt.MapClaims{"aud": sendURL}), bad},
		"R4 alg none": {
			signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"aud": sendURL, "exp": hour()}), bad,
		},
		"R4 HS512":                       {signed(t, jwt.SigningMethodHS512, key, jwt.MapClaims{"aud": sendURL, "exp": hour()}), good},
		"R5 aud with port":               {aud(sendURL), good},
		"R5 aud without port":            {aud("http://localhost/api/hubs/chat/:send"), good},
		"R5 aud with https":              {aud("https://localhost:8888/api/hubs/chat/:send"), good},
		"R5 aud with trailing slash":     {aud(sendURL + "/"), good},
		"R5 aud with api-version":        {aud(sendURL + "?api-version=2022-06-01"), good},
		"R6 aud as an array":             {aud([]string{sendURL}), good},
		"R6 one good and one bad aud":    {aud([]string{"http://localhost/x", sendURL}), good},
		"R7 aud of another hub":          {aud("http://localhost:8888/api/hubs/other/:send"), bad},
		"R7 aud of another path":         {aud("http://localhost:8888/api/hubs/chat/users/a/:send"), bad},
		"R7 D7 token of a client":        {aud("http://localhost:8888/client/?hub=chat"), bad},
		"R8 secondary key":               {signed(t, jwt.SigningMethodHS256, []byte(secondary.Reveal()), jwt.MapClaims{"aud": sendURL, "exp": hour()}), good},
		"R9 any issuer":                  {hs256(jwt.MapClaims{"aud": sendURL, "exp": hour(), "iss": "azure-signalr"}), good},
		"D7 aud of the hub in any case":  {aud("http://localhost:8888/API/Hubs/CHAT/:send"), good},
		"D7 aud with the application":    {aud(sendURL + "?application=app&api-version=2022-06-01"), bad},
		"no token at all, only a scheme": {"", bad},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.bare("POST", "/api/hubs/chat/:send?api-version=2022-06-01", helloJSON, with("Authorization", "Bearer "+tc.token))
			a.wantStatus(tc.want)
			require.Empty(t, a.body)
			if tc.want == bad && tc.token != "" {
				require.Contains(t, a.header.Get("WWW-Authenticate"), `Bearer error="invalid_token", error_description="`)
				require.Equal(t, "TokenRefused", f.logged.take(t)[0]["reason"])
			}
			f.logged.take(t)
		})
	}
	t.Run("R1 no Authorization", func(t *testing.T) {
		a := f.bare("POST", "/api/hubs/chat/:send", helloJSON)
		a.wantStatus(http.StatusUnauthorized)
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		require.Empty(t, a.body)
	})
	t.Run("R5 D7 aud with application and api-version", func(t *testing.T) {
		token := aud(sendURL + "?application=App&api-version=2022-06-01")
		target := "/api/hubs/chat/:send?application=app&api-version=2022-06-01"
		f.bare("POST", target, helloJSON, with("Authorization", "Bearer "+token)).wantStatus(good)
	})
	t.Run("R10 token in the query", func(t *testing.T) {
		a := f.bare("POST", "/api/hubs/chat/:send?access_token="+aud(sendURL), helloJSON)
		a.wantStatus(bad)
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
	})
	for name, path := range map[string]string{
		"R11 aud escaped":     "/api/hubs/chat/groups/a%20b%2F%C3%BC/:send",
		"R11 aud not escaped": "/api/hubs/chat/groups/a b%2Fü/:send",
	} {
		t.Run(name, func(t *testing.T) {
			token := aud("http://localhost:8888" + path)
			f.bare("POST", "/api/hubs/chat/groups/a%20b%2F%C3%BC/:send", helloJSON, with("Authorization", "Bearer "+token)).wantStatus(good)
		})
	}
	t.Run("a token over 4096 bytes", func(t *testing.T) {
		long := hs256(jwt.MapClaims{"aud": sendURL, "exp": hour(), "x": string(make([]byte, 4096))})
		f.bare("POST", "/api/hubs/chat/:send", helloJSON, with("Authorization", "Bearer "+long)).wantError(413, codeRequestInvalid)
	})
}

// Nobody without a token learns whether parameters are valid or a hub exists.
func TestTokensComeBeforeParameters(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{
		"/api/hubs/1abc/:send", "/api/hubs/chat/:send?api-version=garbage", "/api/hubs/chat/:send?excluded=%zz",
		"/api/hubs/chat/groups/%20/:send",
	} {
		f.bare("POST", target, "not a message").wantStatus(http.StatusUnauthorized)
	}
	f.bare("PUT", "/api/hubs/chat/users/u/groups/g?ttl=-1", "").wantStatus(http.StatusUnauthorized)
}
