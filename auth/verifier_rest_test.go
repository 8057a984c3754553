package auth_test

import (
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// vector was made by another program: aud sendURL, iat 1700000000, exp 4102444800.
const vector = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." +
	"eyJhdWQiOiJodHRwOi8vbG9jYWxob3N0Ojg4ODgvYXBpL2h1YnMvY2hhdC86c2VuZCIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ." +
	"_Xs5-1fYMeEDzt21zynV-m8DXFsw9JnfSm3HVeqxW3g"

func TestRESTVector(t *testing.T) {
	require.NoError(t, verifier(key).REST(vector, "POST", sendPath, ""))
	wantFailure(t, verifier(otherKey).REST(vector, "POST", sendPath, ""), auth.TokenSignature, vector)
	changed := strings.Replace(vector, "_Xs5", "_Xs6", 1)
	wantFailure(t, verifier(key).REST(changed, "POST", sendPath, ""), auth.TokenSignature, changed)
}

func TestRESTRefusals(t *testing.T) {
	keyBytes := []byte(key.Reveal())
	critical := jwt.NewWithClaims(jwt.SigningMethodHS256, expiring(sendURL))
	critical.Header["crit"] = []string{"b64"}
	criticalToken, err := critical.SignedString(keyBytes)
	require.NoError(t, err)
	with := func(name string, value any) string {
		claims := expiring(sendURL)
		claims[name] = value
		return signed(t, claims)
	}
	tests := []struct {
		name   string
		token  string
		want   auth.Failure
		status int
	}{
		{"R1 no token", "", auth.TokenMissing, 401},
		{"R2 wrong key", sign(t, jwt.SigningMethodHS256, []byte(otherKey.Reveal()), expiring(sendURL)), auth.TokenSignature, 401},
		{"R2 no signature", strings.TrimRight(signed(t, expiring(sendURL)), "-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), auth.TokenSignature, 401},
		{"R3 expired beyond the leeway", with("exp", now.Add(-6*time.Minute).Unix()), auth.TokenExpired, 401},
		{"R3 expired long before any clock", with("exp", -1e300), auth.TokenExpired, 401},
		{"R4 no exp", signed(t, jwt.MapClaims{"aud": sendURL}), auth.TokenNoExpiry, 401},
		{"R4 exp is null", with("exp", nil), auth.TokenNoExpiry, 401},
		{"R4 exp is no number", with("exp", "4102444800"), auth.TokenMalformed, 401},
		{"R4 alg none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, expiring(sendURL)), auth.TokenAlgorithm, 401},
		{"R4 alg HS384", sign(t, jwt.SigningMethodHS384, keyBytes, expiring(sendURL)), auth.TokenAlgorithm, 401},
		{"R4 alg unknown", "eyJhbGciOiJYIn0.e30.", auth.TokenAlgorithm, 401},
		{"R4 alg absent", "e30.e30.", auth.TokenAlgorithm, 401},
		{"critical header extension", criticalToken, auth.TokenMalformed, 401},
		{"not yet valid beyond the leeway", with("nbf", now.Add(6*time.Minute).Unix()), auth.TokenNotYetValid, 401},
		{"R7 client token", signed(t, expiring(chatClient)), auth.TokenAudience, 401},
		{"R7 another hub", signed(t, expiring("http://localhost:8888/api/hubs/news/:send")), auth.TokenAudience, 401},
		{"R7 another path", signed(t, expiring("http://localhost:8888/api/hubs/chat/users/u/:send")), auth.TokenAudience, 401},
		{"R7 the endpoint alone", signed(t, expiring("http://localhost:8888/")), auth.TokenAudience, 401},
		{"R7 no audience", signed(t, expiring(nil)), auth.TokenAudience, 401},
		{"R7 empty list of audiences", signed(t, expiring([]string{})), auth.TokenAudience, 401},
		{"R7 path without host", signed(t, expiring(sendPath)), auth.TokenAudience, 401},
		{"audience is a number", signed(t, expiring(5)), auth.TokenMalformed, 401},
		{"audiences are numbers", signed(t, expiring([]int{5})), auth.TokenMalformed, 401},
		{"garbage", "garbage", auth.TokenMalformed, 401},
		{"not base64", "a.b!.c", auth.TokenMalformed, 401},
		{"four parts", vector + ".x", auth.TokenMalformed, 401},
		{"claims are a list", signedText(`[1]`), auth.TokenMalformed, 401},
		{"claims are null", signedText(`null`), auth.TokenNoExpiry, 401},
		{"longest token", strings.Repeat("a", 4096), auth.TokenMalformed, 401},
		{"over the longest token", strings.Repeat("a", 4097), auth.TokenTooLarge, 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := verifier(key).REST(test.token, "POST", sendPath, "")
			wantFailure(t, err, test.want, test.token)
			require.Equal(t, test.status, err.(*auth.TokenError).Status())
		})
	}
}

func TestChallenge(t *testing.T) {
	for _, failure := range auth.Failures() {
		refused := &auth.TokenError{Failure: failure, Detail: `only for "logs"`}
		want := `Bearer error="invalid_token", error_description="` + failure.Description() + `"`
		switch failure {
		case auth.TokenMissing:
			want = "Bearer"
		case auth.TokenTooLarge, auth.TokenIssuerDown:
			want = ""
		case auth.TokenRight:
			want = `Bearer error="insufficient_scope", error_description="` + failure.Description() + `"`
		}
		t.Run(string(failure), func(t *testing.T) {
			require.Equal(t, want, refused.Challenge())
			require.NotContains(t, refused.Description(), `"`)
			require.NotEqual(t, auth.Failure("").Description(), failure.Description())
			require.Contains(t, refused.Error(), string(failure))
		})
	}
}

func TestRESTLifetime(t *testing.T) {
	expiredMinuteAgo := expiring(sendURL)
	expiredMinuteAgo["exp"] = now.Add(-time.Minute).Unix()
	earlyByMinute := expiring(sendURL)
	earlyByMinute["nbf"] = now.Add(time.Minute).Unix()
	expired, early := signed(t, expiredMinuteAgo), signed(t, earlyByMinute)

	t.Run("R3 within five minutes of leeway", func(t *testing.T) {
		require.NoError(t, verifier(key).REST(expired, "POST", sendPath, ""))
		require.NoError(t, verifier(key).REST(early, "POST", sendPath, ""))
	})
	t.Run("R3 without leeway", func(t *testing.T) {
		strict := auth.NewVerifier(auth.VerifierOptions{
			Keys:   func() []auth.Secret { return []auth.Secret{key} },
			Leeway: func() time.Duration { return 0 },
			Now:    func() time.Time { return now },
		})
		wantFailure(t, strict.REST(expired, "POST", sendPath, ""), auth.TokenExpired, expired)
		wantFailure(t, strict.REST(early, "POST", sendPath, ""), auth.TokenNotYetValid, early)
	})
	t.Run("R3 a token known from before expires", func(t *testing.T) {
		clock := now
		v := auth.NewVerifier(auth.VerifierOptions{
			Keys: func() []auth.Secret { return []auth.Secret{key} },
			Now:  func() time.Time { return clock },
		})
		token := signed(t, expiring(sendURL))
		require.NoError(t, v.REST(token, "POST", sendPath, ""))
		clock = now.Add(time.Hour + auth.DefaultLeeway - time.Second)
		require.NoError(t, v.REST(token, "POST", sendPath, ""))
		clock = clock.Add(time.Second)
		wantFailure(t, v.REST(token, "POST", sendPath, ""), auth.TokenExpired, token)
	})
	t.Run("R3 dates with fractions and beyond all calendars", func(t *testing.T) {
		for _, exp := range []any{float64(now.Unix()) + 0.5, 1e300, 9.3e18} {
			claims := expiring(sendURL)
			claims["exp"] = exp
			require.NoError(t, verifier(key).REST(signed(t, claims), "POST", sendPath, ""), "%v", exp)
		}
	})
}

func TestRESTAccepted(t *testing.T) {
	with := func(name string, value any) string {
		claims := expiring(sendURL)
		claims[name] = value
		return signed(t, claims)
	}
	unknownKid := jwt.NewWithClaims(jwt.SigningMethodHS256, expiring(sendURL))
	unknownKid.Header["kid"] = "-1234567"
	kidToken, err := unknownKid.SignedString([]byte(key.Reveal()))
	require.NoError(t, err)
	tests := []struct{ name, token string }{
		{"R4 HS512", sign(t, jwt.SigningMethodHS512, []byte(key.Reveal()), expiring(sendURL))},
		{"R5 audience with port", signed(t, expiring(sendURL))},
		{"R5 audience without port", signed(t, expiring("http://localhost/api/hubs/chat/:send"))},
		{"R5 audience with https", signed(t, expiring("https://localhost:8888/api/hubs/chat/:send"))},
		{"R5 audience with another host", signed(t, expiring("http://gateway:5002/api/hubs/chat/:send"))},
		{"R5 audience with trailing slash", signed(t, expiring(sendURL+"/"))},
		{"R5 audience with api-version", signed(t, expiring(sendURL+"?api-version=2022-06-01"))},
		{"R6 audience list of one", signed(t, expiring([]string{sendURL + "?api-version=2022-11-01"}))},
		{"R6 one good and one bad audience", signed(t, expiring([]string{chatClient, sendURL}))},
		{"R8 secondary key", sign(t, jwt.SigningMethodHS256, []byte(otherKey.Reveal()), expiring(sendURL))},
		{"R9 unknown kid", kidToken},
		{"R9 issuer of the SDK", with("iss", "azure-signalr")},
		{"R9 any issuer", with("iss", "https://issuer.example")},
		{"R9 nameid of a server", with("nameid", "machine_1")},
		{"issued in the future", with("iat", now.Add(time.Hour).Unix())},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, verifier(key, otherKey).REST(test.token, "POST", sendPath, ""))
		})
	}
}

func TestRESTApplication(t *testing.T) {
	named := signed(t, expiring(sendURL+"?application=app&api-version=2022-06-01"))
	unnamed := signed(t, expiring(sendURL))
	v := verifier(key)
	t.Run("R5 audience with application", func(t *testing.T) {
		require.NoError(t, v.REST(named, "POST", sendPath, "App"))
		require.NoError(t, v.REST(unnamed, "POST", sendPath, "App"))
	})
	t.Run("D7 audience of another application", func(t *testing.T) {
		wantFailure(t, v.REST(named, "POST", sendPath, "other"), auth.TokenAudience, named)
		wantFailure(t, v.REST(named, "POST", sendPath, ""), auth.TokenAudience, named)
		twice := signed(t, expiring(sendURL+"?application=app&Application=other"))
		wantFailure(t, v.REST(twice, "POST", sendPath, "app"), auth.TokenAudience, twice)
	})
}

func TestRESTPaths(t *testing.T) {
	const host = "http://localhost:8888"
	tests := []struct {
		name, audience, request string
		ok                      bool
	}{
		{"R11 both escaped", "/api/hubs/chat/groups/a%20b%2F%C3%BC/:send", "/api/hubs/chat/groups/a%20b%2F%C3%BC/:send", true},
		{"R11 audience decoded", "/api/hubs/chat/groups/a b,ü/:send", "/api/hubs/chat/groups/a%20b%2C%C3%BC/:send", true},
		{"R11 audience decoded but for the slash", "/api/hubs/chat/groups/a b%2Fü/:send", "/api/hubs/chat/groups/a%20b%2F%C3%BC/:send", true},
		{"R11 escapes of another letter case", "/api/hubs/chat/groups/a%2fb/:send", "/api/hubs/chat/groups/a%2Fb/:send", true},
		{"R11 audience with more escapes", "/api/hubs/t%5B1%5D/%3Asend", "/api/hubs/t[1]/:send", true},
		{"R11 audience with fewer escapes", "/api/hubs/t[1]/:send", "/api/hubs/t%5B1%5D/%3Asend", true},
		{"R11 percent sign escaped", "/api/hubs/chat/groups/100%25/:send", "/api/hubs/chat/groups/100%25/:send", true},
		{"R11 percent sign decoded", "/api/hubs/chat/groups/100%/:send", "/api/hubs/chat/groups/100%25/:send", true},
		{"R11 plus is a plus", "/api/hubs/chat/groups/a+b/:send", "/api/hubs/chat/groups/a+b/:send", true},
		{"R11 plus is no space", "/api/hubs/chat/groups/a+b/:send", "/api/hubs/chat/groups/a%20b/:send", false},
		{"R11 group that is a slash", "/api/hubs/chat/groups/%2f", "/api/hubs/chat/groups/%2F", true},
		{"R11 escaped slash of the request is no separator", "/api/hubs/chat/users/u/groups/g", "/api/hubs/chat/users/u%2Fgroups%2Fg", false},
		{"R11 escaped slash of the request, in small letters", "/api/hubs/chat/users/u/groups/g", "/api/hubs/chat/users/u%2fgroups%2fg", false},
		{"R11 escaped slash is no separator", "/api/hubs/chat/users/u%2Fgroups%2Fg", "/api/hubs/chat/users/u/groups/g", false},
		{"R11 trailing slash of the request", "/api/hubs/chat", "/api/hubs/chat/", true},
		{"D7 hub in another letter case", "/api/hubs/Chat/:send", "/api/hubs/chaT/:send", true},
		{"D7 hub of v1 in another letter case", "/api/v1/hubs/CHAT/users/u", "/API/V1/Hubs/chat/users/u", true},
		{"D7 hub of v1-preview", "/api/v1-preview/hub/CHAT/user/u", "/api/v1-preview/hub/chat/user/u", true},
		{"D7 user in another letter case", "/api/hubs/chat/users/U/:send", "/api/hubs/chat/users/u/:send", false},
		{"D7 user after a hub called hubs", "/api/hubs/hubs/users/U", "/api/hubs/HUBS/users/u", false},
		{"D7 hub folded by Unicode only", "/api/hubs/ſ/:send", "/api/hubs/s/:send", false},
		{"D7 part of a path", "/api/hubs/chat", "/api/hubs/chat/users/u", false},
		{"D7 longer path", "/api/hubs/chat/users/u", "/api/hubs/chat", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// The router hands over what EscapedPath makes of a request line.
			request := httptest.NewRequest("POST", test.request, nil).URL.EscapedPath()
			token := signed(t, expiring(host+test.audience))
			err := verifier(key).REST(token, "POST", request, "")
			if test.ok {
				require.NoError(t, err)
				return
			}
			wantFailure(t, err, auth.TokenAudience, token)
		})
	}
}

func TestStrictAudience(t *testing.T) {
	hosts := []string{"https://GW.example:443/", "other.example"}
	v := auth.NewVerifier(auth.VerifierOptions{
		Keys:           func() []auth.Secret { return []auth.Secret{key} },
		StrictAudience: func() []string { return hosts },
		Now:            func() time.Time { return now },
	})
	tests := []struct {
		name, host string
		ok         bool
	}{
		{"D7 host in the list", "gw.example", true},
		{"D7 host with port", "other.example:8888", true},
		{"D7 host of another letter case", "Other.Example", true},
		{"D7 host not in the list", "localhost:8888", false},
		{"D7 host behind a user name", "other.example@evil.example", false},
		{"D7 no host", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rest := signed(t, expiring("http://"+test.host+sendPath))
			client := signed(t, expiring("http://"+test.host+"/client/?hub=chat"))
			restErr := v.REST(rest, "POST", sendPath, "")
			_, clientErr := v.Client(client, "chat", "")
			if test.ok {
				require.NoError(t, restErr)
				require.NoError(t, clientErr)
				return
			}
			wantFailure(t, restErr, auth.TokenAudience, rest)
			wantFailure(t, clientErr, auth.TokenAudience, client)
		})
	}
	t.Run("D7 address with brackets", func(t *testing.T) {
		hosts = []string{"[::1]:8888"}
		require.NoError(t, v.REST(signed(t, expiring("http://[::1]"+sendPath)), "POST", sendPath, ""))
	})
}

func TestKeyRotation(t *testing.T) {
	var keys atomic.Pointer[[]auth.Secret]
	use := func(list ...auth.Secret) { keys.Store(&list) }
	v := auth.NewVerifier(auth.VerifierOptions{
		Keys: func() []auth.Secret { return *keys.Load() },
		Now:  func() time.Time { return now },
	})
	primary := signed(t, expiring(sendURL))
	secondary := sign(t, jwt.SigningMethodHS256, []byte(otherKey.Reveal()), expiring(sendURL))

	t.Run("R8 old primary key ends at once, secondary stays", func(t *testing.T) {
		use(key, otherKey)
		for range 2 { // The second time from memory.
			require.NoError(t, v.REST(primary, "POST", sendPath, ""))
			require.NoError(t, v.REST(secondary, "POST", sendPath, ""))
		}
		use("new", otherKey)
		wantFailure(t, v.REST(primary, "POST", sendPath, ""), auth.TokenSignature, primary)
		require.NoError(t, v.REST(secondary, "POST", sendPath, ""))
	})
	t.Run("no key", func(t *testing.T) {
		use()
		wantFailure(t, v.REST(primary, "POST", sendPath, ""), auth.TokenSignature, primary)
	})
	t.Run("an empty key opens nothing", func(t *testing.T) {
		use("", "")
		unsigned := sign(t, jwt.SigningMethodHS256, []byte{}, expiring(sendURL))
		wantFailure(t, v.REST(unsigned, "POST", sendPath, ""), auth.TokenSignature, unsigned)
	})
}

func TestLimitOfTokenLength(t *testing.T) {
	limit := 0
	v := auth.NewVerifier(auth.VerifierOptions{
		Keys:          func() []auth.Secret { return []auth.Secret{key} },
		MaxTokenBytes: func() int { return limit },
		Now:           func() time.Time { return now },
	})
	token := signed(t, expiring(sendURL))
	require.NoError(t, v.REST(token, "POST", sendPath, ""), "0 is the default")
	limit = len(token) - 1
	wantFailure(t, v.REST(token, "POST", sendPath, ""), auth.TokenTooLarge, token) // although it was verified before
	limit = len(token)
	require.NoError(t, v.REST(token, "POST", sendPath, ""))
}
