package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestTokensOfAspNetClients(t *testing.T) {
	key := auth.Secret("0123456789abcdef0123456789abcdef")
	v := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }, BasePath: "/gate"})
	spec := auth.ClientTokenSpec{Application: "My.App", UserID: "ann", Lifetime: time.Minute}
	token, err := auth.SignAspNetClient(key, "http://gw.example/gate", spec)
	require.NoError(t, err)

	claims, err := v.AspNetClient(token)
	require.NoError(t, err)
	require.Equal(t, "My.App", claims.Application)
	require.Equal(t, "ann", claims.UserID)

	for name, refuse := range map[string]func(string) error{
		"a hub of ASP.NET Core": func(token string) error { _, err := v.Client(token, "chat", ""); return err },
		"a hub server":          func(token string) error { _, err := v.AspNetServer(token, "my.app_chat"); return err },
		"a REST caller":         func(token string) error { return v.REST(token, "/aspnetclient", "") },
	} {
		var refused *auth.TokenError
		require.ErrorAs(t, refuse(token), &refused, name)
		require.Equal(t, auth.TokenAudience, refused.Failure, name)
	}

	other, err := auth.SignClient(key, "http://gw.example", "chat", spec)
	require.NoError(t, err)
	_, err = v.AspNetClient(other)
	require.Error(t, err, "the token of a hub of ASP.NET Core")

	_, err = auth.SignAspNetClient(key, "http://gw.example", auth.ClientTokenSpec{})
	require.Error(t, err, "a token that no application accepts is not made")
}
