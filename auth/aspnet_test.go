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
		"a REST caller":         func(token string) error { return v.REST(token, "POST", "/aspnetclient", "") },
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

func TestTokensOfAspNetServers(t *testing.T) {
	key := auth.Secret("0123456789abcdef0123456789abcdef")
	v := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }, BasePath: "/gate"})
	token, err := auth.SignAspNetServer(key, "http://gw.example/gate", "my.app_chat", "s1", time.Minute)
	require.NoError(t, err)
	claims, err := v.AspNetServer(token, "my.app_chat")
	require.NoError(t, err)
	require.Equal(t, "s1", claims.ServerID)
	_, err = v.AspNetServer(token, "my.app_news")
	require.Error(t, err, "a hub that the token does not name")
	_, err = v.Server(token, "my.app_chat")
	require.Error(t, err, "the other generation")
	_, err = auth.SignAspNetServer(key, "gw.example", "a_b", "s1", 0)
	require.Error(t, err)
}
