package oidc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/oidc"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

// refused is the failure that an error stands for.
func refused(t *testing.T, err error) auth.Failure {
	t.Helper()
	if err == nil {
		return ""
	}
	var f *auth.TokenError
	require.ErrorAs(t, err, &f)
	return f.Failure
}

func TestRights(t *testing.T) {
	issuer := oidctest.New(t)
	v, _ := verifier(t, config(issuer), oidc.Options{})
	const send, accessKey = "/api/hubs/chat/:send", "/api/v1/auth/accessKey"
	right := auth.TokenRight
	for name, test := range map[string]struct {
		claims                          oidctest.Claims
		read, write, server, fetch, key auth.Failure
	}{
		"writer":   {oidctest.Claims{"roles": "Writer"}, "", "", right, right, right},
		"reader":   {oidctest.Claims{"scope": "openid read"}, "", right, right, right, right},
		"server":   {oidctest.Claims{"roles": []string{"x", "Server"}}, right, right, "", "", ""},
		"nobody":   {oidctest.Claims{"roles": "writer"}, right, right, right, right, right},
		"everyone": {oidctest.Claims{"roles": []string{"Server", "Writer"}}, "", "", "", "", ""},
		"no words": {oidctest.Claims{"roles": "Writer Server"}, right, right, right, right, right},
	} {
		t.Run(name, func(t *testing.T) {
			test.claims["aud"] = audience
			token := issuer.Sign(test.claims)
			require.Equal(t, test.read, refused(t, v.REST(token, "GET", send, "")))
			require.Equal(t, test.read, refused(t, v.REST(token, "HEAD", send, "")))
			require.Equal(t, test.write, refused(t, v.REST(token, "POST", send, "")))
			require.Equal(t, test.fetch, refused(t, v.REST(token, "GET", accessKey, "")))
			_, err := v.Server(token, "chat")
			require.Equal(t, test.server, refused(t, err))
			_, err = v.AspNetServer(token, "app_chat")
			require.Equal(t, test.server, refused(t, err))
			_, err = v.AccessKey(token)
			require.Equal(t, test.key, refused(t, err))
			_, err = v.Client(token, "chat", "")
			require.Equal(t, auth.TokenAudience, refused(t, err))
		})
	}
}

func TestClientsOfIssuers(t *testing.T) {
	issuer := oidctest.New(t)
	c := config(issuer)
	c.Rules.Clients.Hubs = []string{"Chat", "news"}
	v, issuers := verifier(t, c, oidc.Options{})
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	claims := oidctest.Claims{
		"aud": people, "sub": "ann", "hubs": []string{"CHAT", "secrets"}, "teams": []string{"red", "blue"}, "exp": expires.Unix(),
		"name": "Ann", "asrs.s.uid": "root", "asrs.s.dc": "true", "asrs.s.htt": "1",
	}
	token := issuer.Sign(claims)
	got, err := v.Client(token, "chat", "")
	require.NoError(t, err)
	require.Equal(t, "ann", got.UserID)
	require.Equal(t, []string{"red", "blue"}, got.Groups)
	require.Equal(t, expires, got.CloseAt)
	require.Equal(t, expires, got.Expires)
	require.False(t, got.Diagnostic, "an issuer gives no system claims")
	require.Zero(t, got.Transports)
	require.Contains(t, got.User, auth.Claim{Type: "name", Value: "Ann"})
	all := v.TokenClaims(token)
	require.Contains(t, all, auth.Claim{Type: "asrs.s.uid", Value: "ann"})
	require.NotContains(t, all, auth.Claim{Type: "asrs.s.uid", Value: "root"})
	user, ok := v.UnverifiedUser(token)
	require.True(t, ok)
	require.Equal(t, "ann", user)

	for hub, want := range map[string]auth.Failure{"CHAT": "", "news": auth.TokenRight, "secrets": auth.TokenRight} {
		got, err = v.Client(token, hub, "")
		require.Equal(t, want, refused(t, err), hub)
		require.Equal(t, want == "", got != nil, hub)
	}
	claims["hubs"] = "*"
	_, err = v.Client(issuer.Sign(claims), "news", "")
	require.NoError(t, err)
	delete(claims, "hubs")
	_, err = v.Client(issuer.Sign(claims), "news", "")
	require.Equal(t, auth.TokenRight, refused(t, err))
	claims["hubs"], claims["sub"] = "*", ""
	_, err = v.Client(issuer.Sign(claims), "news", "")
	require.Equal(t, auth.TokenRight, refused(t, err))
	require.Equal(t, auth.TokenAudience, failure(v, token), "a client's token opens no REST")
	_, err = v.Server(token, "chat")
	require.Equal(t, auth.TokenAudience, refused(t, err))
	_, err = v.AspNetClient(token)
	require.Equal(t, auth.TokenRight, refused(t, err))

	free := config(issuer)
	free.Rules.Clients.HubNames, free.Rules.Clients.KeepExpired, free.Rules.Clients.User = "", true, "name"
	issuers.Use(free)
	got, err = v.Client(token, "anything", "")
	require.NoError(t, err)
	require.Zero(t, got.CloseAt)
	require.Equal(t, "Ann", got.UserID)

	closed := config(issuer)
	closed.Rules.Clients.Audiences = nil
	issuers.Use(closed)
	_, err = v.Client(token, "chat", "")
	require.Equal(t, auth.TokenAudience, refused(t, err))
}

// What one issuer's tokens may do does not follow from what another's may.
func TestRulesOfOneIssuer(t *testing.T) {
	staff, public := oidctest.New(t), oidctest.New(t)
	c := config(staff, public)
	own := c.Rules
	own.Audiences, own.Writers, own.Clients.User = []string{"own"}, []string{"groups=writers"}, "email"
	own.Not = oidc.Uses{Servers: true}
	c.Own = map[string]*oidc.Rules{public.URL: &own}
	v, issuers := verifier(t, c, oidc.Options{})
	usual := oidctest.Claims{"aud": audience, "roles": []string{"Writer", "Server"}}
	special := oidctest.Claims{"aud": "own", "groups": "writers", "roles": "Server"}
	person := oidctest.Claims{"aud": people, "sub": "1", "email": "ann@example.com", "hubs": "*"}
	server := func(token string) auth.Failure { _, err := v.Server(token, "chat"); return refused(t, err) }
	user := func(token string) string {
		got, err := v.Client(token, "chat", "")
		require.NoError(t, err)
		return got.UserID
	}
	require.Empty(t, failure(v, staff.Sign(usual)))
	require.Equal(t, auth.TokenAudience, failure(v, public.Sign(usual)))
	require.Equal(t, auth.TokenAudience, failure(v, staff.Sign(special)))
	require.Empty(t, failure(v, public.Sign(special)))
	require.Empty(t, server(staff.Sign(usual)))
	require.Equal(t, auth.TokenRight, server(public.Sign(special)))
	require.Equal(t, "1", user(staff.Sign(person)))
	require.Equal(t, "ann@example.com", user(public.Sign(person)))

	none := c.Rules
	none.Not = oidc.Uses{REST: true, Servers: true, Clients: true}
	require.Empty(t, refused(t, v.Admin(staff.Sign(usual), "/inspector")))
	require.Empty(t, refused(t, v.Admin(public.Sign(special), "/inspector")))
	require.Equal(t, auth.TokenRight, refused(t, v.Admin(staff.Sign(oidctest.Claims{"aud": audience, "scope": "read"}), "/inspector")))
	require.Equal(t, auth.TokenAudience, refused(t, v.Admin(staff.Sign(person), "/inspector")))
	c = config(staff, public)
	c.Own = map[string]*oidc.Rules{staff.URL: &none}
	issuers.Use(c)
	require.Equal(t, auth.TokenRight, failure(v, staff.Sign(usual)), "a token that was accepted before")
	require.Equal(t, auth.TokenRight, refused(t, v.REST(staff.Sign(usual), "GET", "/api/hubs/chat/:send", "")))
	require.Equal(t, auth.TokenRight, server(staff.Sign(usual)))
	_, err := v.Client(staff.Sign(person), "chat", "")
	require.Equal(t, auth.TokenRight, refused(t, err))
	_, err = v.AccessKey(staff.Sign(usual))
	require.Equal(t, auth.TokenRight, refused(t, err))
	require.Empty(t, failure(v, public.Sign(usual)))
	require.Empty(t, refused(t, v.Admin(staff.Sign(usual), "/inspector")), "for the admin address only")
	c.Own[staff.URL] = &oidc.Rules{Audiences: c.Rules.Audiences, Writers: c.Rules.Writers, Not: oidc.Uses{Admin: true}}
	issuers.Use(c)
	require.Empty(t, failure(v, staff.Sign(usual)))
	require.Equal(t, auth.TokenRight, refused(t, v.Admin(staff.Sign(usual), "/inspector")))
}
