package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestWhoMaySeeWhoIsConnected(t *testing.T) {
	const key = auth.Secret("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH")
	const path, url = "/hubgate/v1/hubs/chat/connections", "http://localhost/hubgate/v1/hubs/chat/connections"
	v := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }})
	signed := func(addresses bool) string {
		token, err := auth.SignPresence(key, url, time.Minute, addresses)
		require.NoError(t, err)
		return token
	}
	plain, err := auth.SignREST(key, url, time.Minute)
	require.NoError(t, err)
	elsewhere, err := auth.SignREST(key, "http://localhost/api/hubs/chat", time.Minute)
	require.NoError(t, err)
	client, err := auth.SignClient(key, "http://localhost", "chat", auth.ClientTokenSpec{Claims: []auth.Claim{{Type: auth.PresenceClaim, Value: "read"}}})
	require.NoError(t, err)

	for _, test := range []struct {
		name, token string
		claimed     bool
		want        auth.PresenceRights
		forbidden   bool
	}{
		{"a key's token", plain, false, auth.PresenceRights{Read: true}, false},
		{"a key's token where a claim is asked for", plain, true, auth.PresenceRights{}, true},
		{"a claim", signed(false), true, auth.PresenceRights{Read: true}, false},
		{"a claim for addresses", signed(true), true, auth.PresenceRights{Read: true, Addresses: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rights, err := v.Presence(test.token, path, "", test.claimed)
			require.Equal(t, test.want, rights)
			require.Equal(t, test.forbidden, err == auth.ErrNoPresence)
		})
	}
	require.Equal(t, auth.CallerPrimary, v.Caller(plain))
	for _, token := range []string{elsewhere, client, ""} {
		_, err := v.Presence(token, path, "", false)
		var refused *auth.TokenError
		require.ErrorAs(t, err, &refused)
	}
}
