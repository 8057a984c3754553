package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const managerKey auth.Secret = "a key that is for nothing else, of 32 bytes and more"

var alice = auth.Manager{Name: "alice", Tenant: "t-1", Issuer: "https://gw.example/t-1/", Audience: "https://gw.example/"}

func failureOf(t *testing.T, err error) auth.Failure {
	t.Helper()
	var refused *auth.TokenError
	require.ErrorAs(t, err, &refused)
	return refused.Failure
}

func TestTokenOfAManagerSaysForWhomItIs(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	token, err := auth.SignManager(managerKey, alice, now, time.Hour)
	require.NoError(t, err)
	require.True(t, auth.IsManagerToken(token))
	got, err := auth.VerifyManager(managerKey, token, now.Add(59*time.Minute))
	require.NoError(t, err)
	require.Equal(t, alice, got)
}

func TestTokenOfAManagerIsRefused(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	token, err := auth.SignManager(managerKey, alice, now, time.Hour)
	require.NoError(t, err)
	head, rest, _ := strings.Cut(token, ".")
	claims := func(c jwt.MapClaims) string {
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(managerKey.Reveal()))
		require.NoError(t, err)
		return signed
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"use": "hubgate-manager", "sub": "eve", "exp": now.Unix() + 60}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		token string
		key   auth.Secret
		at    time.Time
		want  auth.Failure
	}{
		"expired":      {token, managerKey, now.Add(time.Hour + auth.DefaultLeeway + time.Second), auth.TokenExpired},
		"too early":    {token, managerKey, now.Add(-auth.DefaultLeeway - time.Second), auth.TokenNotYetValid},
		"another key":  {token, "another", now, auth.TokenSignature},
		"no key":       {token, "", now, auth.TokenSignature},
		"cut":          {head + "." + rest[:len(rest)-4], managerKey, now, auth.TokenSignature},
		"no signature": {none, managerKey, now, auth.TokenSignature},
		"no token":     {"nonsense", managerKey, now, auth.TokenMalformed},
		"too long":     {token + strings.Repeat("x", auth.DefaultMaxTokenBytes), managerKey, now, auth.TokenTooLarge},
		"no expiry":    {claims(jwt.MapClaims{"use": "hubgate-manager", "sub": "eve"}), managerKey, now, auth.TokenNoExpiry},
		"another use":  {claims(jwt.MapClaims{"sub": "eve", "exp": now.Unix() + 60}), managerKey, now, auth.TokenAudience},
		"nobody":       {claims(jwt.MapClaims{"use": "hubgate-manager", "exp": now.Unix() + 60}), managerKey, now, auth.TokenAudience},
	} {
		_, err := auth.VerifyManager(c.key, c.token, c.at)
		require.Equal(t, c.want, failureOf(t, err), name)
	}
}

func TestTokensThatAreNotForManagersAreToldApart(t *testing.T) {
	token, err := auth.SignREST(managerKey, "https://gw.example/api/v1/hubs/chat", time.Hour)
	require.NoError(t, err)
	for _, other := range []string{token, "", "a", "a.b.c", "..", strings.Repeat("x", 1<<20)} {
		require.False(t, auth.IsManagerToken(other))
	}
}

func FuzzVerifyManager(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	token, err := auth.SignManager(managerKey, alice, now, time.Hour)
	require.NoError(f, err)
	f.Add(token)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		auth.IsManagerToken(token)
		m, err := auth.VerifyManager(managerKey, token, now)
		require.Equal(t, err == nil, m.Name != "")
	})
}
