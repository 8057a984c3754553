package auth_test

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// signedWith is a token that names a client key, signed with a secret.
func signedWith(t *testing.T, id string, secret auth.Secret, audience string, ends time.Time) string {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": audience, "exp": ends.Unix()})
	token.Header["kid"] = id
	signed, err := token.SignedString([]byte(secret.Reveal()))
	require.NoError(t, err)
	return signed
}

// R12, R40: tokens of clients that are signed with a key of the gateway's are accepted by all who have
// the access key it was made of, for as long as it lives, and open nothing else.
func TestR40ClientKey(t *testing.T) {
	const master, rolled = auth.Secret("the-first-access-key-of-32-bytes-or-more"), auth.Secret("the-second-access-key-of-32-bytes-or-more")
	now := time.Date(2026, 11, 29, 12, 59, 59, 0, time.UTC)
	keys, local := []auth.Secret{master}, true
	v := auth.NewVerifier(auth.VerifierOptions{
		Keys: func() []auth.Secret { return keys }, LocalKeys: func() bool { return local }, Now: func() time.Time { return now },
		Leeway: func() time.Duration { return 0 },
	})
	given := auth.NewClientKey(master, now)
	require.Equal(t, given, auth.NewClientKey(master, now.Add(-59*time.Minute)), "the same for all in one hour")
	require.NotEqual(t, given.Key, auth.NewClientKey(rolled, now).Key)
	require.NotEqual(t, given.ID, auth.NewClientKey(master, now.Add(time.Second)).ID)
	require.Equal(t, 3*time.Hour+time.Second, given.Expires.Sub(now))
	require.GreaterOrEqual(t, len(given.Key.Reveal()), 32, ".NET takes no shorter key")

	client := signedWith(t, given.ID, given.Key, "http://gw/client/?hub=chat", now.Add(9*time.Hour))
	accept := func() error {
		_, err := v.Client(client, "chat", "")
		return err
	}
	require.NoError(t, accept())
	local = false
	require.NoError(t, accept(), "access keys are off, not those made of them")
	keys = []auth.Secret{rolled, master}
	require.NoError(t, accept(), "the access key is the second one now")

	for path, verify := range map[string]func(token string) error{
		"/api/hubs/chat/:send": func(token string) error { return v.REST(token, "POST", "/api/hubs/chat/:send", "") },
		"/server/?hub=chat":    func(token string) error { _, err := v.Server(token, "chat"); return err },
		"/api/v1/auth/accessKey": func(token string) error {
			_, err := v.AccessKey(token)
			return err
		},
	} {
		token := signedWith(t, given.ID, given.Key, "http://gw"+path, now.Add(time.Hour))
		wantFailure(t, verify(token), auth.TokenRight, token)
	}
	forged := signedWith(t, auth.NewClientKey(master, now.Add(24*time.Hour)).ID, given.Key, "http://gw/client/?hub=chat", now.Add(time.Hour))
	_, err := v.Client(forged, "chat", "")
	wantFailure(t, err, auth.TokenSignature, forged)

	now = given.Expires.Add(-time.Second)
	require.NoError(t, accept())
	now = given.Expires
	wantFailure(t, accept(), auth.TokenSignature, client)
	keys = []auth.Secret{rolled}
	now = given.Expires.Add(-time.Hour)
	wantFailure(t, accept(), auth.TokenSignature, client)
}

// R12: without local keys, tokens that are signed with them are refused, as soon as they are off.
func TestR12LocalKeysOff(t *testing.T) {
	local := true
	const own auth.Secret = "a-key-that-only-this-process-has-ever-had"
	v := auth.NewVerifier(auth.VerifierOptions{
		Keys: func() []auth.Secret { return []auth.Secret{key} }, LocalKeys: func() bool { return local }, Own: own,
	})
	token, err := auth.SignREST(key, "http://h"+sendPath, time.Minute)
	require.NoError(t, err)
	itself, err := auth.SignREST(own, "http://h"+sendPath, time.Minute)
	require.NoError(t, err)
	require.NoError(t, v.REST(token, "POST", sendPath, ""))
	local = false
	wantFailure(t, v.REST(token, "POST", sendPath, ""), auth.TokenLocalKey, token)
	require.NoError(t, v.REST(itself, "POST", sendPath, ""), "the gateway's own")
	local = true
	require.NoError(t, v.REST(token, "POST", sendPath, ""))
	require.NoError(t, v.REST(itself, "POST", sendPath, ""))
}

// A token that the gateway signs with a client key lives as long as it was asked to.
func TestClientKeyOfToken(t *testing.T) {
	v := auth.NewVerifier(auth.VerifierOptions{
		Keys: func() []auth.Secret { return []auth.Secret{key} }, LocalKeys: func() bool { return false },
		Now: func() time.Time { return time.Now().Add(72*time.Hour - time.Minute) },
	})
	token, err := auth.SignClientFor(key, "http://h", "chat", auth.ClientTokenSpec{UserID: "ann", Lifetime: 72 * time.Hour})
	require.NoError(t, err)
	claims, err := v.Client(token, "chat", "")
	require.NoError(t, err)
	require.Equal(t, "ann", claims.UserID)
}
