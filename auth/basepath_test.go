package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// A gateway that is known as https://gw.example/base signs and gets tokens for URLs with that
// path, while its requests may come without.
func TestAudiencesBelowABasePath(t *testing.T) {
	verifier := func(base string) *auth.Verifier {
		return auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{auth.EmulatorKey} }, BasePath: base})
	}
	client := func(v *auth.Verifier, endpoint string) error {
		token, err := auth.SignClient(auth.EmulatorKey, endpoint, "chat", auth.ClientTokenSpec{})
		require.NoError(t, err)
		_, err = v.Client(token, "chat", "")
		return err
	}
	rest := func(v *auth.Verifier, resource, path string) error {
		token, err := auth.SignREST(auth.EmulatorKey, resource, time.Minute)
		require.NoError(t, err)
		return v.REST(token, "POST", path, "")
	}
	const send = "/api/hubs/chat/:send"
	based := verifier("/base")
	require.NoError(t, client(based, "https://gw.example/base"))
	require.NoError(t, client(based, "https://gw.example"))
	require.Error(t, client(based, "https://gw.example/other"))
	require.Error(t, client(based, "https://gw.example/base/base"))
	require.Error(t, client(verifier(""), "https://gw.example/base"))
	require.NoError(t, rest(based, "https://gw.example/base"+send, send))
	require.NoError(t, rest(based, "https://gw.example"+send, send))
	require.Error(t, rest(based, "https://gw.example/base/client", "/client"), "a client's token opens no resource")
	require.Error(t, rest(verifier(""), "https://gw.example/base"+send, send))
}
