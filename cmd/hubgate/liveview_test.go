package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/oidc"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

// The admin address shows URLs of webhooks with their secrets and bodies of events, and takes settings for all
// nodes: whoever may only read over REST does not get in, whatever the method.
func TestAdminAddressNeedsAllOfREST(t *testing.T) {
	issuer := oidctest.New(t)
	issuers := oidc.New(oidc.Options{})
	t.Cleanup(issuers.Close)
	issuers.Use(&oidc.Config{
		Issuers: []string{issuer.URL}, Algorithms: []string{"ES256"}, RefreshInterval: time.Hour, Timeout: 10 * time.Second,
		Rules: oidc.Rules{Audiences: []string{"api"}, Writers: []string{"roles=writer"}, Readers: []string{"roles=reader"}},
	})
	verifier := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{ownKey} }, Issuers: issuers})
	signed, err := auth.SignREST(ownKey, "http://localhost"+admin.LiveResource, time.Minute)
	require.NoError(t, err)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost} {
		enters := func(token string) error {
			r := httptest.NewRequestWithContext(t.Context(), method, "/cluster/settings", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			return authorizeLive(verifier, r)
		}
		require.NoError(t, enters(signed), method)
		require.NoError(t, enters(issuer.Sign(oidctest.Claims{"aud": "api", "roles": "writer"})), method)
		require.Error(t, enters(issuer.Sign(oidctest.Claims{"aud": "api", "roles": "reader"})), method)
	}
}

// The view asks for its own token only: the admin address asks the guard, once, since it counts wrong tokens.
func TestTheLiveViewLeavesTheGuardAlone(t *testing.T) {
	tried := 0
	s := &server{config: &config.Config{Network: config.Network{AdminListen: "203.0.113.1:8889"}}}
	s.seen = new(observer)
	s.managed.guard = &admin.Guard{AllowPlain: true, Other: func(string) (string, error) {
		tried++
		return "", errors.New("no")
	}}
	v := s.liveView(nil, nil, nil, auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{"other-key-other-key-other-key-32"} }}))
	r := httptest.NewRequest(http.MethodGet, "/watch", nil)
	r.Header.Set("Authorization", "Bearer wrong")
	require.Error(t, v.Authorize(r))
	require.Zero(t, tried)
}
