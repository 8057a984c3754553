package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

// settingEffect is what a change of one setting does to a running gateway.
type settingEffect struct {
	patch string
	with  []string // flags
	// see looks at the gateway from outside, before and after the change.
	see           func(t *testing.T, p *program) string
	before, after string
}

// rowsOfSettings are the rows of the specification that effects show.
var rowsOfSettings = map[string]string{"features": "R80 ", "networkACLs": "R83 ", "serverless": "R84 ", "applicationFirewall": "R86 "}

// seeKinds is the status of one request of each kind.
func seeKinds(_ *testing.T, p *program) string {
	return strings.Join([]string{
		"client " + p.enter("chat", auth.ClientTokenSpec{UserID: "ann"}), "rest " + p.statusWithKey(auth.EmulatorKey),
		"server " + p.status(http.MethodGet, p.URL+"/server/?hub=chat", ""), "trace " + p.status(http.MethodGet, p.URL+"/livetrace", "")[:1],
		"health " + p.status(http.MethodGet, p.URL+"/api/health", ""),
	}, ", ")
}

// seeThird is how three clients of one user and one of another come in.
func seeThird(_ *testing.T, p *program) string {
	var all []string
	for _, user := range []string{"ann", "ann", "ann", "bob"} {
		all = append(all, user+" "+p.enter("chat", auth.ClientTokenSpec{UserID: user}))
	}
	return strings.Join(all, ", ")
}

// settingEffects has each property of the document.
func settingEffects() map[string]func(t *testing.T) settingEffect {
	mode := func(_ *testing.T, p *program) string {
		if strings.Contains(p.dial("chat", auth.ClientTokenSpec{}).handshake(), "No hub server is connected") {
			return "Default"
		}
		return "Serverless"
	}
	return map[string]func(t *testing.T) settingEffect{
		"features": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"features":[{"flag":"serviceMODE","value":"dEFAULT"}]}`, see: mode, before: "Serverless", after: "Default"}
		},
		"cors": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"cors":{"allowedOrigins":["https://app.example/"]}}`, before: "https://page.example", after: "", see: func(t *testing.T, p *program) string {
				return seeOrigin(t, p, "https://page.example")
			}}
		},
		"serverless": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"serverless":{"connectionTimeoutInSeconds":1,"keepAliveIntervalInSeconds":120}}`, before: "kept", after: "ping timeout", see: func(_ *testing.T, p *program) string {
				c := p.connect("chat", "ann")
				c.send(`{"type":6}`)
				if p.revision < 2 {
					return "kept"
				}
				return firstMatch(`(ping timeout)`, c.anything())
			}}
		},
		"upstream": func(t *testing.T) settingEffect {
			h := newHook(t, answers("hook"))
			return settingEffect{patch: `{"upstream":{"templates":[{"hubPattern":"other","urlTemplate":"http://127.0.0.1:1/"},{"hubPattern":"chat","urlTemplate":"` + h.template() + `"}]}}`,
				before: unmatchedError, after: "result hook", see: seeWebhook}
		},
		"networkACLs": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"networkACLs":{"defaultAction":"Deny","publicNetwork":{"allow":["restapi"]}}}`, see: seeKinds,
				before: "client connected, rest 202, server 401, trace 4, health 200", after: "client 403, rest 202, server 403, trace 4, health 200"}
		},
		"networkACLs.ipRules": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"networkACLs":{"defaultAction":"Allow","ipRules":[{"value":"10.0.0.0/8","action":"Allow"},{"value":"127.0.0.0/8","action":"Deny"}]}}`, see: seeKinds,
				before: "client connected, rest 202, server 401, trace 4, health 200", after: "client 403, rest 403, server 403, trace 4, health 200"}
		},
		"publicNetworkAccess": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"publicNetworkAccess":"Disabled"}`, see: seeKinds,
				before: "client connected, rest 202, server 401, trace 4, health 200", after: "client 403, rest 403, server 403, trace 4, health 200"}
		},
		"resourceStopped": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"resourceStopped":"true"}`, see: seeKinds,
				before: "client connected, rest 202, server 401, trace 4, health 200", after: "client 503, rest 503, server 503, trace 5, health 200"}
		},
		"disableLocalAuth": func(t *testing.T) settingEffect {
			i := oidctest.New(t)
			return settingEffect{patch: `{"disableLocalAuth":true}`, with: []string{"--oidc-issuers", i.URL, "--access-key", ownKey}, before: "202", after: "401", see: func(_ *testing.T, p *program) string {
				return p.statusWithKey(ownKey)
			}}
		},
		"disableAadAuth": func(t *testing.T) settingEffect {
			i := oidctest.New(t)
			return settingEffect{patch: `{"disableAadAuth":true}`, with: []string{"--oidc-issuers", i.URL}, before: "202", after: "401", see: func(_ *testing.T, p *program) string {
				return p.bearerSends(i.Sign(ownerClaims(nil)))
			}}
		},
		"tls": func(t *testing.T) settingEffect {
			cert, key, _ := keyPair(t, t.TempDir(), "own")
			return settingEffect{patch: `{"tls":{"clientCertEnabled":true}}`, with: []string{"--tls-cert", cert, "--tls-key", key}, before: "not asked", after: "asked", see: func(t *testing.T, p *program) string {
				saw := "not asked"
				conn, err := tls.Dial("tcp", p.Address, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					saw = "asked"
					return new(tls.Certificate), nil
				}})
				require.NoError(t, err)
				require.NoError(t, conn.Handshake())
				require.NoError(t, conn.Close())
				return saw
			}}
		},
		"applicationFirewall": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"clientConnectionCountRules":[{"type":"ThrottleByUserIdRule","maxCount":5}]}}`, see: seeThird,
				before: "ann connected, ann connected, ann connected, bob connected", after: "ann connected, ann connected, ann 429, bob connected"}
		},
		"applicationFirewall.clientTrafficControlRules": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"clientTrafficControlRules":[{"type":"trafficThrottleByUserIdRule","maxInboundMessageBytes":100,"aggregationWindowInSeconds":3600}]}}`,
				with: []string{"--upstream=echo"}, before: "result long", after: "over", see: func(t *testing.T, p *program) string {
					c := p.connect("chat", "ann")
					answer := ""
					for range 3 {
						c.send(`{"type":1,"invocationId":"i","target":"m","arguments":["long"]}`)
						if answer = c.next(); strings.Contains(answer, `"type":7`) {
							require.Contains(t, answer, "clientTrafficControlRules")
							return "over"
						}
					}
					return outcome(t, answer)
				}}
		},
		"applicationFirewall.maxClientConnectionLifetimeInSeconds": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"maxClientConnectionLifetimeInSeconds":1}}`, with: []string{"--upstream=echo"}, before: "result x", after: "closed", see: func(t *testing.T, p *program) string {
				c := p.connect("chat", "ann")
				if p.revision < 2 {
					return c.result("m", `"x"`)
				}
				require.Contains(t, c.next(), "as long as the settings allow")
				return "closed"
			}}
		},
		"hubgate": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"hubgate":{"limits":{"maxConnections":1},"hubs":{"news":{"mode":"default"}}}}`, before: "connected", after: "429", see: func(_ *testing.T, p *program) string {
				return p.enter("chat", auth.ClientTokenSpec{UserID: "ann"})
			}}
		},
	}
}

// Every property of the document changes what a client, a caller or a hub server meets, without a restart; a
// rollback changes it back (R80, R83, R84, R86).
func TestEverySettingTakesEffect(t *testing.T) {
	t.Parallel()
	effects := settingEffects()
	maps.Copy(effects, leafEffects())
	var wg sync.WaitGroup
	places := make(chan struct{}, 4)
	for _, name := range slices.Sorted(maps.Keys(effects)) {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			property, _, _ := strings.Cut(name, ".")
			t.Run(rowsOfSettings[property]+name, func(t *testing.T) {
				e := effects[name](t)
				p := start(t, e.with...)
				p.managedBy(firstMatch(`admin token +(\S+)`, p.out.String()))
				require.Equal(t, e.before, e.see(t, p))
				p.set(`{"properties":` + e.patch + `}`)
				require.Equal(t, e.after, e.see(t, p))
				if !strings.Contains(e.patch, "CountRules") && name != "hubgate" { // clients that are there still count
					status, answer := p.api(http.MethodPost, "/api/settings/rollback", `{"revision":1}`)
					require.Equal(t, http.StatusOK, status, answer)
					if !strings.Contains(e.patch, "serverless") && !strings.Contains(e.patch, "Lifetime") && !strings.Contains(e.patch, "TrafficControl") {
						require.Equal(t, e.before, e.see(t, p))
					}
				}
			})
		})
	}
	wg.Wait()
}

// A change of the mode closes clients of the wrong kind, which may come again; so does a restart; a stop closes
// all (R85).
func TestR85ChangesCloseWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	p := start(t)
	ann := p.connect("chat", "ann")
	p.set(`{"properties":{"features":[{"flag":"ServiceMode","value":"Default"}]}}`)
	ann.wantClose(true)
	require.Equal(t, "ServiceModeSwitched", p.whyClosed())
	p.set(`{"properties":{"features":[{"flag":"ServiceMode","value":"Serverless"}]}}`)
	ann = p.connect("chat", "ann")
	status, answer := p.api(http.MethodPost, "/api/restart", "")
	require.Equal(t, http.StatusNoContent, status, answer)
	ann.wantClose(true)
	ann = p.connect("chat", "ann")
	p.set(`{"properties":{"resourceStopped":"true"}}`)
	ann.wantClose(true)
	require.Equal(t, "503", p.enter("chat", auth.ClientTokenSpec{}))
	p.set(`{"properties":{"resourceStopped":null}}`)
	p.connect("chat", "ann")
}

// A change at one node holds at all of them: settings, keys and restarts. So does the history.
func TestN26ManagedSettingsOfACluster(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for _, p := range three.each() {
		p.isReady()
	}
	token := firstMatch(`admin token +(\S+)`, three.a.out.String())
	three.a.managedBy(token)
	three.a.set(`{"properties":{"features":[{"flag":"ServiceMode","value":"Classic"}],"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["ClientConnection"]}}}}`)
	for _, p := range three.each() {
		require.Eventually(t, func() bool { return p.enter("chat", auth.ClientTokenSpec{}) == "403" }, patience, 50*time.Millisecond)
	}
	three.c.managedBy(firstMatch(`admin token +(\S+)`, three.c.out.String()))
	status, answer := three.c.api(http.MethodGet, "/api/settings", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, answer, "Classic")
	three.c.set(`{"properties":{"networkACLs":null}}`)
	ann := three.b.dialWhenLetIn()
	status, answer = three.c.api(http.MethodPost, "/api/restart", "")
	require.Equal(t, http.StatusNoContent, status, answer)
	ann.wantClose(true)

	status, answer = three.a.api(http.MethodPost, "/api/keys/regenerate", `{"keyType":"Primary"}`)
	require.Equal(t, http.StatusOK, status, answer)
	next := auth.Secret(firstMatch(`"primaryKey": "([^"]+)"`, answer))
	for _, p := range three.each() {
		require.Eventually(t, func() bool { return p.statusWithKey(next) == "202" }, patience, 50*time.Millisecond)
		require.Equal(t, "401", p.statusWithKey(auth.EmulatorKey))
		require.NotContains(t, p.logs.String(), next.Reveal())
	}
	status, answer = three.a.api(http.MethodGet, "/api/settings/history", "")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, answer, next.Reveal())
	require.Equal(t, 5, strings.Count(answer, `"revision"`), answer)
	status, answer = three.a.api(http.MethodPost, "/api/settings/rollback", `{"revision":2}`)
	require.Equal(t, http.StatusOK, status, answer)
	require.Contains(t, answer, `"deny"`)
}

// dialWhenLetIn connects a client as soon as it may.
func (p *program) dialWhenLetIn() *client {
	require.Eventually(p.t, func() bool { return p.enter("chat", auth.ClientTokenSpec{}) == "connected" }, patience, 50*time.Millisecond)
	c := p.dial("chat", auth.ClientTokenSpec{UserID: "ann"})
	require.Equal(p.t, `{}`, c.handshake(), fmt.Sprint(p.logs))
	return c
}
