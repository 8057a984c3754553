package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	armSubscription = "00000000-0000-0000-0000-000000000001"
	armVersion      = "?api-version=2023-02-01"
)

// armAt is where the program says that its resource API is, "" if it has none.
func armAt(p *program) string {
	return firstMatch(`msg="resource API" part=arm at=(\S+)/ `, p.logs.String())
}

// armStatus is the status of a request to the resource API, by plain HTTP, with the admin token.
func armStatus(p *program, path string) string {
	return p.status(http.MethodGet, armAt(p)+path+armVersion, "", "Authorization", "Bearer "+adminToken)
}

// armFlags let the resource API be used by plain HTTP, on a port of its own.
func armFlags(t *testing.T) []string {
	return []string{"--admin-token-file", secretFile(t, adminToken), "--arm-listen", "127.0.0.1:0", "--arm-unsafe-without-tls"}
}

const armResource = "/subscriptions/" + armSubscription + "/resourceGroups/rg/providers/Microsoft.SignalRService/SignalR/gateway"

func (p *program) armSend(method, path, body string) (int, string) {
	return p.request(method, armAt(p)+path+armVersion, body, "Authorization", "Bearer "+adminToken, "Content-Type", "application/json")
}

// Effects of the options of the resource API: all read at the start.
var armEffects = map[string]func(*testing.T) effect{
	"arm-listen": func(t *testing.T) effect {
		return effect{unusual: net.JoinHostPort(otherLoopback(), "0"), with: []string{"--arm-unsafe-without-tls"}, before: "none", after: "401",
			see: func(_ *testing.T, p *program) string {
				if armAt(p) == "" {
					return "none"
				}
				return p.status(http.MethodGet, armAt(p)+"/subscriptions"+armVersion, "")
			}}
	},
	"arm-test-certificate": func(t *testing.T) effect {
		file := filepath.Join(t.TempDir(), "arm.pem")
		return effect{unusual: file, with: []string{"--arm-listen", "127.0.0.1:0"}, before: "arm.listen: needs a certificate", after: "trusted", see: func(t *testing.T, p *program) string {
			pem, err := os.ReadFile(file)
			require.NoError(t, err)
			roots := x509.NewCertPool()
			require.True(t, roots.AppendCertsFromPEM(pem))
			conn, err := tls.Dial("tcp", strings.TrimPrefix(armAt(p), "https://"), &tls.Config{RootCAs: roots})
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			return "trusted"
		}}
	},
	"arm-unsafe-without-tls": func(*testing.T) effect {
		return effect{unusual: "true", with: []string{"--arm-listen", "127.0.0.1:0"}, before: "arm.listen: needs a certificate", after: "401", see: func(_ *testing.T, p *program) string {
			return p.status(http.MethodGet, armAt(p)+"/subscriptions"+armVersion, "")
		}}
	},
	"arm-subscription": func(t *testing.T) effect {
		const own = "11111111-2222-3333-4444-555555555555"
		return effect{unusual: own, with: armFlags(t), before: "404", after: "200", see: func(_ *testing.T, p *program) string {
			return armStatus(p, "/subscriptions/"+own)
		}}
	},
	"arm-tenant": func(t *testing.T) effect {
		const own = "11111111-2222-3333-4444-555555555555"
		return effect{unusual: own, with: armFlags(t), before: "400", after: "200", see: func(_ *testing.T, p *program) string {
			return armStatus(p, "/"+own+"/v2.0/.well-known/openid-configuration")
		}}
	},
	"arm-literal-access": func(t *testing.T) effect {
		return effect{unusual: "true", with: armFlags(t), before: `"Disabled"`, after: `"Enabled"`, see: func(t *testing.T, p *program) string {
			status, body := p.armSend(http.MethodPut, armResource, `{"location":"local","properties":{"publicNetworkAccess":"Disabled"}}`)
			require.Equal(t, http.StatusCreated, status, body)
			status, body = p.armSend(http.MethodPatch, armResource, `{"tags":{"a":"b"},"properties":{"publicNetworkAccess":"Enabled","disableLocalAuth":false,"disableAadAuth":false}}`)
			require.Equal(t, http.StatusOK, status, body)
			return firstMatch(`"publicNetworkAccess":("\w+")`, body)
		}}
	},
}
