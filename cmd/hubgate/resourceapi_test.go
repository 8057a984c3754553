package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

const ownAccessKey = "the-gateways-own-access-key-of-thirty-two-bytes"

// armWants sends a request to the resource API and expects the status. It returns the body.
func (p *program) armWants(status int, method, path, body string) string {
	p.t.Helper()
	got, text := p.armSend(method, path, body)
	require.Equal(p.t, status, got, text)
	return text
}

// What the Azure CLI adds to every change does not switch access keys on again that somebody has switched off.
func TestR87AccessKeysStayOffWhateverTheCommandLineSendsAlong(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := start(t, append(armFlags(t), "--access-key", ownAccessKey, "--oidc-issuers", issuer.URL)...)
	p.armWants(201, http.MethodPut, armResource, `{"location":"local","properties":{"features":[{"flag":"ServiceMode","value":"Serverless"}]}}`)
	require.Equal(t, "202", p.statusWithKey(ownAccessKey))
	const along = `"publicNetworkAccess":"Enabled","disableAadAuth":false,"regionEndpointEnabled":"Enabled","resourceStopped":"false","disableLocalAuth":`
	p.armWants(200, http.MethodPatch, armResource, `{"properties":{`+along+`true}}`)
	require.Equal(t, "401", p.statusWithKey(ownAccessKey))
	p.armWants(200, http.MethodPatch, armResource, `{"properties":{"cors":{"allowedOrigins":["https://a.example"]},`+along+`false}}`)
	require.Equal(t, "401", p.statusWithKey(ownAccessKey))
	require.Contains(t, p.logs.String(), "access flags that came along with a change are left as they are")
	p.armWants(200, http.MethodDelete, armResource, "")
	require.Equal(t, "401", p.statusWithKey(ownAccessKey))
	p.armWants(201, http.MethodPut, armResource, `{"location":"local","properties":{"networkACLs":{"defaultAction":"Allow"},`+along+`false}}`)
	require.Equal(t, "401", p.statusWithKey(ownAccessKey))
	p.armWants(200, http.MethodPatch, armResource, `{"properties":{"disableLocalAuth":false}}`)
	require.Equal(t, "202", p.statusWithKey(ownAccessKey))
}

// Issuers' tokens open the resource API with a claim that the operator names, and access keys do not.
func TestResourceAPITakesTokensOfIssuers(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	p := start(t, append(armFlags(t), "--oidc-issuers", issuer.URL, "--admin-oidc-claims", "roles=Gateway Admin")...)
	see := func(token string) string {
		return p.status(http.MethodGet, armAt(p)+"/subscriptions"+armVersion, "", "Authorization", "Bearer "+token)
	}
	require.Equal(t, "200", see(issuer.Sign(ownerClaims(oidctest.Claims{"roles": []string{"SignalR REST API Owner", "Gateway Admin"}}))))
	require.Equal(t, "401", see(issuer.Sign(ownerClaims(nil))))
	require.Equal(t, "401", see(p.restToken("/")))
	require.Equal(t, "401", see("wrong"))
}

// A change of the mode reaches clients at once (R85), a key that was replaced is refused at once.
func TestR81R85ModesAndKeysByTheResourceAPI(t *testing.T) {
	t.Parallel()
	p := start(t, append(armFlags(t), "--access-key", ownAccessKey)...)
	p.armWants(201, http.MethodPut, armResource, `{"location":"local"}`)
	text := p.armWants(202, http.MethodPost, armResource+"/regenerateKey", `{"keyType":"primary"}`)
	next := firstMatch(`"primaryKey":"([^"]+)"`, text)
	require.NotEmpty(t, next)
	require.Equal(t, "401", p.statusWithKey(ownAccessKey))
	require.Equal(t, "202", p.statusWithKey(auth.Secret(next)))
	require.NotContains(t, p.logs.String(), next)
	p.armWants(200, http.MethodPatch, armResource, `{"properties":{"features":[{"flag":"ServiceMode","value":"Default"}]}}`)
	require.True(t, strings.Contains(p.armWants(200, http.MethodGet, armResource, ""), `"value":"Default"`))
	require.Contains(t, p.logs.String(), "mode=default")
}
