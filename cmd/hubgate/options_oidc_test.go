package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

const (
	issuerAudience = "https://signalr.azure.com"
	clientAudience = "chat-app"
)

// ownerClaims are those of a caller of REST with more.
func ownerClaims(more oidctest.Claims) oidctest.Claims {
	claims := oidctest.Claims{"aud": issuerAudience, "roles": []string{"SignalR REST API Owner"}}
	maps.Copy(claims, more)
	return claims
}

// person are the claims of a client.
func person(more oidctest.Claims) oidctest.Claims {
	claims := oidctest.Claims{"aud": clientAudience, "sub": "ann"}
	maps.Copy(claims, more)
	return claims
}

// bearerSends is the status of a REST send with the token.
func (p *program) bearerSends(token string) string {
	return p.status(http.MethodPost, p.URL+"/api/hubs/chat/:send?api-version=2022-06-01", hello, "Authorization", "Bearer "+token, "Content-Type", "application/json")
}

// bearerEnters is the status of negotiating for the hub chat with the token.
func (p *program) bearerEnters(token string) string {
	return p.status(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+token)
}

// dialBearer connects a client with the token.
func (p *program) dialBearer(token string) *client {
	c := p.dialWith("chat", token, nil)
	require.Equal(p.t, `{}`, c.handshake())
	return c
}

// oidcEffect is an effect in which an issuer takes part, that the program believes.
func oidcEffect(t *testing.T, e effect, see func(i *oidctest.Issuer, p *program) string) effect {
	i := oidctest.New(t)
	e.with = append(e.with, "--oidc-issuers", i.URL)
	e.see = func(_ *testing.T, p *program) string { return see(i, p) }
	return e
}

// clientEffect is one in which clients may connect with tokens of the issuer.
func clientEffect(t *testing.T, e effect, see func(i *oidctest.Issuer, p *program) string) effect {
	e.with = append(e.with, "--oidc-client-audiences", clientAudience)
	return oidcEffect(t, e, see)
}

// Effects on the tokens of issuers.
var oidcEffects = map[string]func(*testing.T) effect{
	"oidc-issuers": func(t *testing.T) effect {
		i := oidctest.New(t)
		return effect{unusual: i.URL, before: "401", after: "202", see: func(_ *testing.T, p *program) string {
			return p.bearerSends(i.Sign(ownerClaims(nil)))
		}}
	},
	"oidc-issuer-rules": func(t *testing.T) effect {
		i := oidctest.New(t)
		return effect{unusual: i.URL + "; use=clients", before: "202", after: "403", with: []string{"--oidc-issuers", i.URL}, see: func(_ *testing.T, p *program) string {
			return p.bearerSends(i.Sign(ownerClaims(nil)))
		}}
	},
	"oidc-audiences": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "api://gateway", before: "401", after: "202"}, func(i *oidctest.Issuer, p *program) string {
			return p.bearerSends(i.Sign(ownerClaims(oidctest.Claims{"aud": "api://gateway"})))
		})
	},
	"oidc-algorithms": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "RS256", before: "202", after: "401"}, func(i *oidctest.Issuer, p *program) string {
			return p.bearerSends(i.Sign(ownerClaims(nil)))
		})
	},
	"oidc-refresh-interval": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "1s", before: never, after: "read again"}, func(i *oidctest.Issuer, _ *program) string {
			return eventually(t, func() string {
				if i.Readings() > 2 {
					return "read again"
				}
				return ""
			})
		})
	},
	"oidc-request-timeout": func(t *testing.T) effect {
		i := oidctest.New(t)
		held := make(chan struct{})
		i.Hold(held)
		t.Cleanup(func() { close(held) })
		return effect{usual: "30s", unusual: "100ms", before: never, after: "503", with: []string{"--oidc-issuers", i.URL}, see: func(_ *testing.T, p *program) string {
			return p.bearerSends(i.Sign(ownerClaims(nil)))
		}}
	},
	"oidc-server-claims": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "groups=servers", before: "403", after: "426"}, func(i *oidctest.Issuer, p *program) string {
			token := i.Sign(oidctest.Claims{"aud": issuerAudience, "groups": []string{"servers"}})
			return p.status(http.MethodGet, p.URL+"/server/?hub=chat", "", "Authorization", "Bearer "+token)
		})
	},
	"oidc-rest-claims": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "realm_access.roles=sender", before: "403", after: "202"}, func(i *oidctest.Issuer, p *program) string {
			return p.bearerSends(i.Sign(oidctest.Claims{"aud": issuerAudience, "realm_access": map[string]any{"roles": []string{"sender"}}}))
		})
	},
	"oidc-reader-claims": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "scope=read", before: "403", after: "404"}, func(i *oidctest.Issuer, p *program) string {
			token := i.Sign(oidctest.Claims{"aud": issuerAudience, "scope": "openid read"})
			return p.status(http.MethodHead, p.URL+"/api/hubs/chat/users/nobody?api-version=2022-06-01", "", "Authorization", "Bearer "+token)
		})
	},
	"oidc-client-audiences": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: clientAudience, before: "401", after: "200"}, func(i *oidctest.Issuer, p *program) string {
			return p.bearerEnters(i.Sign(person(nil)))
		})
	},
	"oidc-user-claim": func(t *testing.T) effect {
		return clientEffect(t, effect{unusual: "email", before: "404", after: "200"}, func(i *oidctest.Issuer, p *program) string {
			p.dialBearer(i.Sign(person(oidctest.Claims{"email": "ann@example.com"})))
			return p.restStatus(http.MethodHead, "/api/hubs/chat/users/ann@example.com", "")
		})
	},
	"oidc-groups-claim": func(t *testing.T) effect {
		return clientEffect(t, effect{unusual: "teams", before: "404", after: "200"}, func(i *oidctest.Issuer, p *program) string {
			p.dialBearer(i.Sign(person(oidctest.Claims{"teams": []string{"red", "blue"}})))
			return p.restStatus(http.MethodHead, "/api/hubs/chat/groups/blue", "")
		})
	},
	"oidc-hubs": func(t *testing.T) effect {
		return clientEffect(t, effect{unusual: "news", before: "200", after: "403"}, func(i *oidctest.Issuer, p *program) string {
			return p.bearerEnters(i.Sign(person(nil)))
		})
	},
	"oidc-hubs-claim": func(t *testing.T) effect {
		return clientEffect(t, effect{unusual: "hubs", before: "200", after: "403"}, func(i *oidctest.Issuer, p *program) string {
			return p.bearerEnters(i.Sign(person(oidctest.Claims{"hubs": []string{"news"}})))
		})
	},
	"oidc-keep-expired": func(t *testing.T) effect {
		return clientEffect(t, effect{unusual: "true", before: "closed", after: "stays"}, func(i *oidctest.Issuer, p *program) string {
			// It may be closed before it has its answer.
			p.dialWith("chat", i.Sign(person(oidctest.Claims{"exp": time.Now().Add(-time.Second).Unix()})), nil).handshake()
			for range 2 { // a whole round of the gateway's clock lies between the two
				c := p.dial("chat", auth.ClientTokenSpec{UserID: "other", CloseOnExpiry: true, Lifetime: -time.Second})
				c.handshake()
				c.gone()
			}
			if p.restStatus(http.MethodHead, "/api/hubs/chat/users/ann", "") == "200" {
				return "stays"
			}
			return "closed"
		})
	},
	"auth-disable-local-keys": func(t *testing.T) effect {
		return oidcEffect(t, effect{unusual: "true", before: "202", after: "401", with: []string{"--access-key", ownKey}}, func(i *oidctest.Issuer, p *program) string {
			require.Equal(t, "202", p.bearerSends(i.Sign(ownerClaims(nil))))
			return p.statusWithKey(ownKey)
		})
	},
}

// gone waits until the client is closed.
func (c *client) gone() {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// tokenEffects are those of the options with which the gateway gets tokens for its webhooks. The token
// server gives out what it was asked with.
var tokenEffects = map[string]func(*testing.T) effect{
	"upstream-token-url": func(t *testing.T) effect {
		one, other := newTokenServer(t, "one"), newTokenServer(t, "other")
		return tokenEffect(t, effect{usual: one, unusual: other, before: "one gateway gateway-secret", after: "other gateway gateway-secret"},
			"--upstream-client-id=gateway", "--upstream-client-secret=gateway-secret")
	},
	"upstream-client-id": func(t *testing.T) effect {
		return tokenEffect(t, effect{usual: "gateway", unusual: "other", before: "server gateway gateway-secret", after: "server other gateway-secret"},
			"--upstream-token-url="+newTokenServer(t, "server"), "--upstream-client-secret=gateway-secret")
	},
	"upstream-client-secret": func(t *testing.T) effect {
		return tokenEffect(t, effect{usual: "gateway-secret", unusual: "other-secret", before: "server gateway gateway-secret", after: "server gateway other-secret"},
			"--upstream-token-url="+newTokenServer(t, "server"), "--upstream-client-id=gateway")
	},
}

// newTokenServer returns the URL of a token server.
func newTokenServer(t *testing.T, name string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"%s %s %s","token_type":"Bearer","expires_in":3600}`, name, user, password)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// tokenEffect sees the token that a webhook gets whose template wants one.
func tokenEffect(t *testing.T, e effect, with ...string) effect {
	tokens := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens <- strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}))
	t.Cleanup(hook.Close)
	settings := filepath.Join(t.TempDir(), settingsFileName)
	writeFile(t, settings, `{"UpstreamSettings":{"Templates":[{"UrlTemplate":"`+hook.URL+`","Auth":{"Type":"ManagedIdentity","ManagedIdentity":{"Resource":"api://app"}}}]}}`)
	e.with = append([]string{"--settings", settings}, with...)
	e.see = func(t *testing.T, p *program) string {
		p.connect("chat", "ann")
		return <-tokens
	}
	return e
}
