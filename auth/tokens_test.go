package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const (
	key      = auth.EmulatorKey
	otherKey = auth.Secret("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB")

	sendPath   = "/api/hubs/chat/:send"
	sendURL    = "http://localhost:8888/api/hubs/chat/:send"
	chatClient = "http://localhost:8888/client/?hub=chat"
)

// now is the time in these tests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func verifier(keys ...auth.Secret) *auth.Verifier {
	return auth.NewVerifier(auth.VerifierOptions{
		Keys: func() []auth.Secret { return keys },
		Now:  func() time.Time { return now },
	})
}

// expiring returns claims for an audience that live another hour.
func expiring(audience any) jwt.MapClaims {
	return jwt.MapClaims{"aud": audience, "exp": now.Add(time.Hour).Unix()}
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.Claims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return token
}

func signed(t testing.TB, claims jwt.Claims) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(key.Reveal()), claims)
}

// signedText signs claims written as JSON, in the order of the text.
func signedText(claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// wantFailure checks that err is a refusal for this reason that shows no token.
func wantFailure(t testing.TB, err error, want auth.Failure, token string) {
	t.Helper()
	var refused *auth.TokenError
	require.True(t, errors.As(err, &refused), "want %s, got %v", want, err)
	require.Equal(t, want, refused.Failure, refused.Detail)
	if token != "" {
		require.NotContains(t, err.Error(), token)
	}
}
