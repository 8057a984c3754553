package main

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestDeclaredHubs(t *testing.T) {
	for data, refusal := range map[string]string{
		``:                     "",
		`[]`:                   "",
		`[{"name":"chathub"}]`: "",
		`[{"Name":"CHATHUB"},{"name":"secrethub"}]`: "",
		`[{"name":"nosuch"}]`:                       "'nosuch' Hub could not be resolved.",
		`[{"name":"chathub"},{"name":"ChatHub"}]`:   "Duplicate Hub names found.",
		`[{"name":"secrethub"}]`:                    "Unable to authorize request",
		`{`:                                         "unexpected end of JSON input",
	} {
		_, err := declaredHubs(data, false)
		if refusal == "" {
			require.NoError(t, err, data)
		} else {
			require.EqualError(t, err, refusal, data)
		}
	}
	hubs, err := declaredHubs(`[{"name":"chathub"},{"name":"secrethub"}]`, true)
	require.NoError(t, err)
	require.Len(t, hubs, 2)
}

func TestMethodsAreFoundAsTheOriginalFindsThem(t *testing.T) {
	chat, secret := findHub("chathub"), findHub("SECRETHUB")
	m, err := chat.find("echo", 1, false)
	require.NoError(t, err)
	require.Equal(t, "Echo", m.name)
	_, err = chat.find("nosuch", 0, false)
	require.EqualError(t, err, "'nosuch' method could not be resolved. No method found with that name.")
	_, err = chat.find("Echo", 3, false)
	require.ErrorContains(t, err, "Potential candidates are")
	_, err = secret.find("Echo", 1, false)
	require.EqualError(t, err, "Caller is not authorized to invoke the Echo method on secretHub.")
	require.Nil(t, findHub("nosuch"))
}

func TestRedirect(t *testing.T) {
	query := "clientProtocol=2.1&user=a+b%26c&connectionData=%5B%5D&_=17"
	require.Equal(t, "http://gw:8888/aspnetclient?user=a%20b%26c&_=17&asrs_request_id=r%3D&asrs.op=%2Fsignalr",
		redirectURL("http://gw:8888", "/signalr/negotiate", query, "r="))
	require.Equal(t, "http://gw/base/aspnetclient", redirectURL("http://gw/base/", "/signalr/negotiate", "clientProtocol=2.0&user=x", "r"))
	require.Equal(t, "http://gw/aspnetclient", redirectURL("http://gw", "/signalr/negotiate", "", "r"))
}

// What the gateway makes of the tokens, by the rules that it has.
func TestTokens(t *testing.T) {
	gateway, err := auth.ParseConnectionString("Endpoint=http://gw;Port=8888;AccessKey=0123456789abcdef0123456789abcdef;Version=1.0;")
	require.NoError(t, err)
	verifier := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{gateway.AccessKey} }})

	token, err := sign(gateway.AccessKey, audience(gateway)+auth.AspNetClientPath, clientClaims("My.App", "ann"))
	require.NoError(t, err)
	claims, err := verifier.AspNetClient(token)
	require.NoError(t, err)
	require.Equal(t, "My.App", claims.Application)
	require.Equal(t, "ann", claims.UserID)
	require.True(t, claims.DetailedErrors)

	token, err = sign(gateway.AccessKey, audience(gateway)+auth.AspNetServerPath+"/?hub=my.app_chathub", jwt.MapClaims{"nameid": "s1"})
	require.NoError(t, err)
	server, err := verifier.AspNetServer(token, "my.app_chathub")
	require.NoError(t, err)
	require.Equal(t, "s1", server.ServerID)
}
