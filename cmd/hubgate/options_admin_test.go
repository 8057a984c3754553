package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

const adminToken = "a token of the test, of more than 16 bytes"

// seeManage says whether the token manages the gateway.
func seeManage(token string) func(*testing.T, *program) string {
	return func(_ *testing.T, p *program) string {
		return p.status(http.MethodGet, p.Admin+"/api/settings", "", "Authorization", "Bearer "+token)
	}
}

// ownAddress is an address of this machine that is not loopback, "" if there is none.
func ownAddress(t *testing.T) string {
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return ""
}

// Effects of the options about managing.
var adminEffects = map[string]func(*testing.T) effect{
	"admin.token": func(*testing.T) effect {
		return effect{unusual: adminToken, before: "401", after: "200", see: seeManage(adminToken)}
	},
	"admin-token-file": func(t *testing.T) effect {
		return effect{unusual: secretFile(t, adminToken), before: "401", after: "200", see: seeManage(adminToken)}
	},
	"admin-oidc-claims": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "roles=Gateway Admin", before: "401", after: "200"}, func(i *oidctest.Issuer, p *program) string {
			token := i.Sign(ownerClaims(oidctest.Claims{"roles": []string{"SignalR REST API Owner", "Gateway Admin"}}))
			return seeManage(token)(t, p)
		})
	},
	"admin-tls": func(t *testing.T) effect {
		cert, key, _ := keyPair(t, t.TempDir(), "own")
		return effect{unusual: "true", with: []string{"--tls-cert", cert, "--tls-key", key}, before: "http", after: "https", see: func(t *testing.T, p *program) string {
			client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			resp, err := client.Get(p.Admin + "/livez")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			scheme, _, _ := strings.Cut(p.Admin, ":")
			return scheme
		}}
	},
	"admin-allow-plain": func(t *testing.T) effect {
		address := ownAddress(t)
		if address == "" {
			t.Skip("this machine has no address but loopback")
		}
		return effect{unusual: "true", with: []string{"--admin-listen", net.JoinHostPort(address, "0")}, before: "403", after: "200", see: func(t *testing.T, p *program) string {
			return seeManage(p.restToken(admin.LiveResource))(t, p)
		}}
	},
}
