package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/management"
)

// noEffect are settings that docs/settings.md names as kept and without effect.
const noEffect = "docs/settings.md"

// shownBy says which test shows the effect of a setting that has no effect of its own name: another effect, or a test.
var shownBy = map[string]string{
	"features.flag": "features", "features.value": "features", "features.properties": noEffect,
	"cors.allowedOrigins":                      "cors",
	"serverless.connectionTimeoutInSeconds":    "serverless",
	"upstream.templates.hubPattern":            "upstream",
	"upstream.templates.urlTemplate":           "upstream",
	"upstream.templates.categoryPattern":       "upstream.templates.eventPattern",
	"upstream.templates.auth.type":             "upstream.templates.auth",
	"networkACLs.defaultAction":                "networkACLs",
	"networkACLs.publicNetwork.allow":          "networkACLs",
	"networkACLs.ipRules.value":                "networkACLs.ipRules",
	"networkACLs.ipRules.action":               "networkACLs.ipRules",
	"networkACLs.privateEndpoints.name":        noEffect,
	"networkACLs.privateEndpoints.allow":       noEffect,
	"networkACLs.privateEndpoints.deny":        noEffect,
	"tls.clientCertEnabled":                    "tls",
	"liveTraceConfiguration.enabled":           "TestR89LiveTraceEndsWithSettingsAndKeys",
	"liveTraceConfiguration.categories.name":   "liveTraceConfiguration.categories",
	"resourceLogConfiguration.categories.name": "TestR89ResourceLogsHaveTheCategoriesOfTheSettings",
	"regionEndpointEnabled":                    noEffect, "routeSettings": noEffect,

	"upstream.templates.auth.managedIdentity.resource":                         "upstream.templates.auth",
	"liveTraceConfiguration.categories.enabled":                                "liveTraceConfiguration.categories",
	"resourceLogConfiguration.categories.enabled":                              "TestR89ResourceLogsHaveTheCategoriesOfTheSettings",
	"applicationFirewall.clientConnectionCountRules.type":                      "applicationFirewall",
	"applicationFirewall.clientConnectionCountRules.maxCount":                  "applicationFirewall",
	"applicationFirewall.clientTrafficControlRules.type":                       "applicationFirewall.clientTrafficControlRules",
	"applicationFirewall.clientTrafficControlRules.maxInboundMessageBytes":     "applicationFirewall.clientTrafficControlRules",
	"applicationFirewall.clientTrafficControlRules.aggregationWindowInSeconds": "applicationFirewall.clientTrafficControlRules",
}

// Each property of the document has an effect that a test shows, or the page of settings says that it has none.
func TestTheEffectOfEverySettingIsShown(t *testing.T) {
	effects := settingEffects()
	maps.Copy(effects, leafEffects())
	page, err := os.ReadFile(filepath.Join("..", "..", noEffect))
	require.NoError(t, err)
	without := firstMatch(`\nKept and given back, without effect: ([^\n]*?)\. `, string(page))
	paths := leavesOf(reflect.TypeFor[management.Properties](), "")
	for path := range shownBy {
		require.Contains(t, paths, path)
	}
	for _, path := range paths {
		switch by := shownBy[path]; {
		case by == noEffect:
			require.True(t, namesPart(without, path), "%s does not name %s: %s", noEffect, path, without)
		case strings.HasPrefix(by, "Test"):
			require.True(t, gatewaytest.HasTest(t, ".", by), "%s: there is no %s", path, by)
		default:
			require.True(t, effects[path] != nil || effects[by] != nil, "%s has no test of its effect", path)
		}
	}
}

// namesPart reports whether a text names a setting, or what it is in.
func namesPart(text, path string) bool {
	parts := strings.Split(path, ".")
	for n := range parts {
		if strings.Contains(text, "`properties."+strings.Join(parts[:n+1], ".")+"`") {
			return true
		}
	}
	return false
}

// leavesOf are the paths of all settings in a type of the document.
func leavesOf(of reflect.Type, path string) (all []string) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return []string{path}
	}
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			continue // its own fields are there
		}
		all = append(all, leavesOf(f.Type, strings.TrimPrefix(path+"."+name, "."))...)
	}
	return all
}

// seeThree is how three clients come in that all have the same, and have it in common with nobody that came before.
func seeThree(spec func(revision int) auth.ClientTokenSpec) func(*testing.T, *program) string {
	return func(t *testing.T, p *program) string {
		token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", spec(int(p.revision)))
		require.NoError(t, err)
		var all []string
		for range 3 {
			all = append(all, p.open("hub=chat", token))
		}
		return strings.Join(all, ", ")
	}
}

// seeTraffic is whether a client may say more than a hundred bytes.
func seeTraffic(spec auth.ClientTokenSpec) func(*testing.T, *program) string {
	return func(t *testing.T, p *program) string {
		c := p.dial("chat", spec)
		require.Equal(t, `{}`, c.handshake())
		for range 3 {
			c.send(`{"type":1,"invocationId":"i","target":"m","arguments":["long"]}`)
			if answer := c.next(); strings.Contains(answer, `"type":7`) {
				return firstMatch(`(clientTrafficControlRules)`, answer)
			}
		}
		return "all"
	}
}

func ofTenant(name string) auth.ClientTokenSpec {
	return auth.ClientTokenSpec{Claims: []auth.Claim{{Type: "tenant", Value: name}}}
}

// leafEffects are those of single fields, beside settingEffects.
func leafEffects() map[string]func(t *testing.T) settingEffect {
	const free, third = "connected, connected, connected", "connected, connected, 429"
	const traffic = `"maxInboundMessageBytes":100,"aggregationWindowInSeconds":3600}]}}`
	return map[string]func(t *testing.T) settingEffect{
		"serverless.keepAliveIntervalInSeconds": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"serverless":{"keepAliveIntervalInSeconds":1}}`, before: "quiet", after: `{"type":6}`, see: func(_ *testing.T, p *program) string {
				c := p.connect("chat", "ann")
				if p.revision < 2 {
					return "quiet"
				}
				return c.anything()
			}}
		},
		"upstream.templates.eventPattern": func(t *testing.T) settingEffect {
			h := newHook(t, answers("hook"))
			return settingEffect{patch: `{"upstream":{"templates":[{"categoryPattern":"connections","urlTemplate":"http://127.0.0.1:1/"},{"categoryPattern":"messages","eventPattern":"say,shout","urlTemplate":"` + h.template() + `"}]}}`,
				before: "No upstream endpoint matches hub, category, event: chat, messages, say.; " + unmatchedError, after: "result hook; " + unmatchedError, see: func(_ *testing.T, p *program) string {
					c := p.connect("chat", "ann")
					return c.result("say", "") + "; " + c.result("m", "")
				}}
		},
		"upstream.templates.auth": func(t *testing.T) settingEffect {
			tokens := make(chan string, 8)
			hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tokens <- r.Header.Get("Authorization") }))
			t.Cleanup(hook.Close)
			return settingEffect{patch: `{"upstream":{"templates":[{"urlTemplate":"` + hook.URL + `","auth":{"type":"managedIdentity","managedIdentity":{"resource":"api://app"}}}]}}`,
				with:   []string{"--upstream=" + hook.URL, "--upstream-token-url=" + newTokenServer(t, "server"), "--upstream-client-id=gateway", "--upstream-client-secret=s"},
				before: "", after: "Bearer server gateway s", see: func(_ *testing.T, p *program) string {
					p.connect("chat", "ann")
					return <-tokens
				}}
		},
		"networkACLs.publicNetwork.deny": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"networkACLs":{"defaultAction":"Allow","publicNetwork":{"deny":["ServerConnection"]}}}`, see: seeKinds,
				before: "client connected, rest 202, server 401, trace 4, health 200", after: "client connected, rest 202, server 403, trace 4, health 200"}
		},
		"applicationFirewall.clientConnectionCountRules.ByJwtSignature": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"clientConnectionCountRules":[{"type":"ThrottleByJwtSignatureRule","maxCount":2}]}}`, before: free, after: third,
				see: seeThree(func(revision int) auth.ClientTokenSpec {
					return auth.ClientTokenSpec{Lifetime: time.Hour + time.Duration(revision)*time.Minute}
				})}
		},
		"applicationFirewall.clientConnectionCountRules.claimName": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"clientConnectionCountRules":[{"type":"throttleByJwtCustomClaimRule","claimName":"tenant","maxCount":2}]}}`, before: free, after: third,
				see: seeThree(func(revision int) auth.ClientTokenSpec { return ofTenant(strings.Repeat("x", 1+revision)) })}
		},
		"applicationFirewall.clientTrafficControlRules.ByJwtSignature": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"clientTrafficControlRules":[{"type":"TrafficThrottleByJwtSignatureRule",` + traffic,
				with: []string{"--upstream=echo"}, before: "all", after: "clientTrafficControlRules", see: seeTraffic(auth.ClientTokenSpec{})}
		},
		"applicationFirewall.clientTrafficControlRules.claimName": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"applicationFirewall":{"clientTrafficControlRules":[{"type":"TrafficThrottleByJwtCustomClaimRule","claimName":"tenant",` + traffic,
				with: []string{"--upstream=echo"}, before: "all", after: "clientTrafficControlRules", see: seeTraffic(ofTenant("x"))}
		},
		"liveTraceConfiguration.categories": func(*testing.T) settingEffect {
			return settingEffect{patch: `{"liveTraceConfiguration":{"enabled":"true","categories":[{"name":"ConnectivityLogs","enabled":"false"},{"name":"MessagingLogs","enabled":"true"}]}}`,
				with: []string{"--trace-live"}, before: "ConnectionStarted, SentMessage", after: "SentMessage", see: seeTraced}
		},
	}
}

// seeTraced is what live trace has of a client that comes and is sent something.
func seeTraced(t *testing.T, p *program) string {
	l, _ := p.lookOn(t, "/livetrace")
	l.say(`{"type":1,"invocationId":"1","target":"startListeningToLogEvents","arguments":[]}`)
	require.JSONEq(t, `{"type":3,"invocationId":"1"}`, l.next())
	p.connect("chat", "ann")
	p.sendTo("users/ann/:send", "hello")
	var seen []string
	for {
		name, _ := l.nextEvent()
		if name == "ConnectionStarted" || name == "SentMessage" {
			seen = append(seen, name)
		}
		if name == "SentMessage" {
			return strings.Join(seen, ", ")
		}
	}
}
