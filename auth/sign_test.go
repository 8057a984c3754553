package auth_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// running returns a verifier with the clock of the test's bubble and no leeway.
func running() *auth.Verifier {
	return auth.NewVerifier(auth.VerifierOptions{
		Keys:   func() []auth.Secret { return []auth.Secret{key} },
		Leeway: func() time.Duration { return 0 },
	})
}

func TestSignClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := auth.ClientTokenSpec{
			UserID: "ann",
			Claims: []auth.Claim{
				{"role", "admin"}, {"sub", "s1"}, {"role", "user"}, {"aud", "mine"}, {"sub", "s2"}, {"asrs.u.x", "y"}, {"ü\"", "<&>\u2028"},
			},
			Lifetime:         5 * time.Minute,
			HandshakeTimeout: 20 * time.Second,
			LongPollInterval: 60 * time.Second,
			Transports:       auth.TransportLongPolling,
			CloseOnExpiry:    true,
			Diagnostic:       true,
			DetailedErrors:   true,
		}
		token, err := auth.SignClient(key, "http://localhost:8888/", "t[1],x", spec)
		require.NoError(t, err)
		claims, err := running().Client(token, "T[1],X", "")
		require.NoError(t, err)
		ends := time.Unix(time.Now().Add(5*time.Minute).Unix(), 0)
		require.Equal(t, auth.Claims{
			UserID: "ann",
			User: []auth.Claim{
				{"role", "admin"}, {"role", "user"}, {"sub", "s1"}, {"sub", "s2"}, {"aud", "mine"}, {"asrs.u.x", "y"}, {"ü\"", "<&>\u2028"},
			},
			Expires:          ends,
			HandshakeTimeout: 20 * time.Second,
			LongPollInterval: 60 * time.Second,
			Transports:       auth.TransportLongPolling,
			CloseAt:          ends,
			Diagnostic:       true,
			DetailedErrors:   true,
		}, *claims)

		time.Sleep(5 * time.Minute)
		_, err = running().Client(token, "t[1],x", "")
		wantFailure(t, err, auth.TokenExpired, token)
	})
}

func TestSignDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := auth.SignClient(key, "http://localhost", "chat", auth.ClientTokenSpec{})
		require.NoError(t, err)
		claims, err := running().Client(client, "chat", "")
		require.NoError(t, err)
		require.Equal(t, auth.Claims{Expires: time.Unix(time.Now().Unix()+3600, 0)}, *claims)

		rest, err := auth.SignREST(key, sendURL+"/?api-version=2022-06-01&excluded=a#x", 0)
		require.NoError(t, err)
		require.NoError(t, running().REST(rest, "POST", sendPath, ""))
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(rest, ".")[1])
		require.NoError(t, err)
		require.Equal(t, `{"aud":"http://localhost:8888/api/hubs/chat/:send","iat":946684800,"nbf":946684800,"exp":946688400}`, string(payload))

		wantFailure(t, running().REST(client, "POST", "/client/", ""), auth.TokenAudience, client)
		_, err = running().Client(rest, "chat", "")
		wantFailure(t, err, auth.TokenAudience, rest)
	})
}

func TestSignErrors(t *testing.T) {
	long := auth.ClientTokenSpec{Claims: []auth.Claim{{"a", strings.Repeat("x", 4096)}}}
	_, err := auth.SignClient(key, "http://localhost", "chat", long)
	require.ErrorIs(t, err, auth.ErrTokenTooLong)
	for _, claimType := range []string{"", "asrs.s.uid", "Asrs.S.x"} {
		_, err := auth.SignClient(key, "http://localhost", "chat", auth.ClientTokenSpec{Claims: []auth.Claim{{claimType, "x"}}})
		require.Error(t, err, claimType)
	}
	for _, endpoint := range []string{"", "localhost:8888", "/api", "ftp://localhost", "http://"} {
		_, err := auth.SignClient(key, endpoint, "chat", auth.ClientTokenSpec{})
		require.Error(t, err, endpoint)
		_, err = auth.SignREST(key, endpoint, 0)
		require.Error(t, err, endpoint)
	}
	_, err = auth.SignClient(key, "http://localhost", "", auth.ClientTokenSpec{})
	require.Error(t, err)
	_, err = auth.SignREST("", sendURL, 0)
	require.Error(t, err)
}
