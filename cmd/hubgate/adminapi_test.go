package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/management"
)

// api makes a request to the API of the admin address, with a token that may manage.
func (p *program) api(method, path, body string, headers ...string) (status int, answer string) {
	p.t.Helper()
	token := p.adminToken
	if token == "" {
		token = p.restToken(admin.LiveResource)
	}
	headers = append([]string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}, headers...)
	return p.request(method, p.Admin+path, body, headers...)
}

// managedBy has api use the admin token.
func (p *program) managedBy(token string) {
	require.NotEmpty(p.t, token)
	p.adminToken = token
}

// set changes settings, which has to succeed. While voters elect somebody, an answer may be missing although the
// change was made: so each one has a name of its own, and follows the revision that was in force.
func (p *program) set(patch string) management.Version {
	p.t.Helper()
	note := fmt.Sprint("change ", changes.Add(1))
	answer := ""
	for end := time.Now().Add(slowPatience); time.Now().Before(end); {
		var status int
		if status, answer = p.api(http.MethodGet, "/api/settings", ""); status == http.StatusServiceUnavailable {
			continue
		}
		now := p.version(status, answer)
		if now.Note != note {
			status, answer = p.api(http.MethodPatch, "/api/settings?note="+url.QueryEscape(note), patch, "If-Match", fmt.Sprintf(`"%d"`, now.Revision))
			if status == http.StatusServiceUnavailable || status == http.StatusPreconditionFailed {
				continue
			}
			now = p.version(status, answer)
		}
		p.revision = now.Revision
		return now
	}
	require.FailNow(p.t, "the settings could not be changed", answer)
	return management.Version{}
}

// changes counts the changes of settings of all tests.
var changes atomic.Int64

// version reads an answer about settings.
func (p *program) version(status int, answer string) (v management.Version) {
	p.t.Helper()
	require.Equal(p.t, http.StatusOK, status, answer)
	require.NoError(p.t, json.Unmarshal([]byte(answer), &v))
	return v
}

// A change has a revision, which the next one has to follow; wrong fields are named all at once; the history
// says who made it, and leads back.
func TestSettingsAPI(t *testing.T) {
	t.Parallel()
	p := start(t, "--upstream=http://127.0.0.1:1/hook?code=hidden-code")
	status, answer := p.api(http.MethodGet, "/api/settings", "")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, answer, "hidden-code")
	require.Contains(t, answer, `"properties.features": "configuration"`)

	v := p.set(`{"properties":{"features":[{"flag":"ServiceMode","value":"default"}],"serverless":{"keepAliveIntervalInSeconds":7}}}`)
	require.EqualValues(t, 2, v.Revision)
	require.Contains(t, p.dial("chat", auth.ClientTokenSpec{}).handshake(), "No hub server is connected")
	status, answer = p.api(http.MethodPatch, "/api/settings", `{"properties":{"resourceStopped":"false"}}`, "If-Match", `"1"`)
	require.Equal(t, http.StatusPreconditionFailed, status, answer)
	status, answer = p.api(http.MethodPatch, "/api/settings", `{"tags":{"a":"`+strings.Repeat("x", 1<<20)+`"}}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	require.Contains(t, answer, "larger than 1048576 bytes")
	status, answer = p.api(http.MethodPost, "/api/settings/rollback", `{"revision":1}`, "If-Match", `"1"`)
	require.Equal(t, http.StatusPreconditionFailed, status, answer)

	status, answer = p.api(http.MethodPatch, "/api/settings", `{"properties":{"serverless":{"connectionTimeoutInSeconds":121,"keepAliveIntervalInSeconds":0},
		"cors":{"allowedOrigins":["https://*.example"]},"hubgate":{"limits.hubs":-1}}}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, `"properties.serverless.connectionTimeoutInSeconds","reason":"must be between 1 and 120, not 121"`)
	require.Contains(t, answer, `properties.serverless.keepAliveIntervalInSeconds`)
	status, answer = p.api(http.MethodPatch, "/api/settings", `{"properties":{"cors":{"allowedOrigins":["https://*.example"]},"hubgate":{"limits.hubs":-1}}}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, `"properties.cors.allowedOrigins"`)
	require.Contains(t, answer, `"properties.hubgate.limits.hubs"`)
	status, answer = p.api(http.MethodPatch, "/api/settings", `{"properties":{"hubgate":{"listen":"0.0.0.0:1","accessKey":"x"}}}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer, `"properties.hubgate.listen"`)

	status, answer = p.api(http.MethodPost, "/api/settings/rollback", `{"revision":1,"note":"back"}`, admin.EditorHeader, "ann")
	require.Equal(t, http.StatusOK, status, answer)
	require.Equal(t, `{}`, p.dial("chat", auth.ClientTokenSpec{}).handshake())
	status, answer = p.api(http.MethodGet, "/api/settings/history", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, answer, `"by": "access key (ann)"`)
	require.Contains(t, answer, `"note": "back"`)
	status, _ = p.api(http.MethodPost, "/api/settings/rollback", `{"revision":77}`)
	require.Equal(t, http.StatusNotFound, status)
	p.logs.want(t, "settings are kept in memory only")
}

// Who has no token, or comes from a page of another site, manages nothing; who guesses is slowed down.
func TestTheAdminAPIIsGuarded(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, path := range []string{"overview", "settings", "settings/history", "keys", "session"} {
		require.Equal(t, "401", p.status(http.MethodGet, p.Admin+"/api/"+path, ""), path)
	}
	token := "Bearer " + p.restToken(admin.LiveResource)
	require.Equal(t, "403", p.status(http.MethodPost, p.Admin+"/api/restart", "", "Authorization", token, "Origin", "https://evil.example"))
	require.Equal(t, "403", p.status(http.MethodGet, p.Admin+"/api/settings", "", "Authorization", token, "Sec-Fetch-Site", "cross-site"))
	require.Equal(t, "403", p.status(http.MethodPost, p.Admin+"/api/login", `{"token":"x"}`, "Content-Type", "application/json", "Origin", "https://evil.example"))
	require.Equal(t, "404", p.status(http.MethodGet, p.Admin+"/api/nothing", ""))
	require.Equal(t, "200", p.status(http.MethodGet, p.Admin+"/api/admin.yaml", ""))
	for range 10 {
		require.Equal(t, "401", p.status(http.MethodGet, p.Admin+"/api/keys", "", "Authorization", "Bearer guess"))
	}
	require.Equal(t, "429", p.status(http.MethodGet, p.Admin+"/api/keys", "", "Authorization", "Bearer guess"))
}

// With a token of its own an access key does not manage the gateway.
func TestAdminTokenAloneManages(t *testing.T) {
	t.Setenv("HUBGATE_ADMIN_TOKEN", adminToken)
	p := start(t)
	require.Equal(t, "401", seeManage(p.restToken(admin.LiveResource))(t, p))
	require.Equal(t, "200", seeManage(adminToken)(t, p))
	require.NotContains(t, p.out.String(), "admin token")
}

// A browser logs in with the token that the start has printed, and gets a cookie that scripts cannot read.
func TestLoginAndLogout(t *testing.T) {
	t.Parallel()
	p := start(t)
	token := firstMatch(`admin token +(\S+)`, p.out.String())
	require.NotEmpty(t, token)
	require.NotContains(t, p.logs.String(), token)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := http.Client{Jar: jar}
	resp, err := browser.Post(p.Admin+"/api/login", "application/json", strings.NewReader(`{"token":"`+token+`"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	cookie := resp.Header.Get("Set-Cookie")
	require.Contains(t, cookie, "HttpOnly")
	require.Contains(t, cookie, "SameSite=Strict")
	require.NotContains(t, cookie, token)
	status := func() int {
		resp, err := browser.Get(p.Admin + "/api/overview")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, status())
	resp, err = browser.Post(p.Admin+"/api/logout", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusUnauthorized, status())
}

// A regenerated key is refused at once, the other one is not; connections stay; what is shown works (R8, R81, R82).
func TestR82KeysAreReplacedAtRunTime(t *testing.T) {
	t.Parallel()
	p := start(t)
	ann := p.connect("chat", "ann")
	status, answer := p.api(http.MethodGet, "/api/keys", "")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, answer, auth.EmulatorKey.Reveal())
	token := "Bearer " + firstMatch(`admin token +(\S+)`, p.out.String())
	regenerate := func(kind string) (keys map[string]string) {
		status, answer := p.request(http.MethodPost, p.Admin+"/api/keys/regenerate", `{"keyType":"`+kind+`"}`, "Authorization", token, "Content-Type", "application/json")
		require.Equal(t, http.StatusOK, status, answer)
		require.NoError(t, json.Unmarshal([]byte(answer), &keys))
		return keys
	}
	keys := regenerate("secondary")
	require.Equal(t, "202", p.statusWithKey(auth.Secret(keys["secondaryKey"])))
	require.Equal(t, "202", p.statusWithKey(auth.EmulatorKey))
	next := regenerate("Primary")
	require.Equal(t, keys["secondaryKey"], next["secondaryKey"])
	require.Equal(t, "401", p.statusWithKey(auth.EmulatorKey))
	require.Equal(t, "202", p.statusWithKey(auth.Secret(next["secondaryKey"])))
	code, _, stderr := command("send", "all", "chat", "m", "x", "--connection-string", next["primaryConnectionString"])
	require.Zero(t, code, stderr)
	for !strings.Contains(ann.next(), `"target":"m"`) { // the others were sent before
	}
	require.NotContains(t, p.logs.String(), next["primaryKey"])
}

// On a node alone with a data directory settings and keys outlive the process, in a file that only its owner
// reads; a damaged one is named.
func TestSettingsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	p := start(t, "--data-dir="+dir, "--mode=classic")
	p.set(`{"properties":{"features":[{"flag":"ServiceMode","value":"Default"}]}}`)
	status, answer := p.api(http.MethodPost, "/api/keys/regenerate", `{"keyType":"primary"}`)
	require.Equal(t, http.StatusOK, status, answer)
	require.Zero(t, p.stop())
	file := filepath.Join(dir, managedFile)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	p = start(t, "--data-dir="+dir, "--mode=classic")
	require.Equal(t, "401", p.statusWithKey(auth.EmulatorKey))
	require.Contains(t, p.out.String(), "serves in Default mode")
	require.Zero(t, p.stop())

	require.NoError(t, os.WriteFile(file, []byte(`{"format":"hubgate-settings-1","rec`), 0o600))
	p = tryStart(t, []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", dir})
	require.Empty(t, p.URL)
	require.Contains(t, p.logs.String(), managedFile+", with the settings that were changed while running, is damaged")
}

// awayIssuers are issuers whose keys cannot be read.
type awayIssuers struct{}

func (awayIssuers) Generation() uint64              { return 0 }
func (awayIssuers) Grant(map[string]any) auth.Grant { return auth.Grant{} }
func (awayIssuers) Key(string, *jwt.Token) (any, error) {
	return nil, &auth.TokenError{Failure: auth.TokenIssuerDown}
}

// While the keys of an issuer cannot be read, its sessions do not end: whether its tokens are good cannot be told.
func TestAManagerWhoseIssuerIsAway(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part([]byte(`{"iss":"http://issuer","exp":99999999999}`)) + "." + part([]byte("signature"))
	noKeys := func() []auth.Secret { return nil }
	_, err := (&server{}).otherManager(auth.NewVerifier(auth.VerifierOptions{Keys: noKeys, Issuers: awayIssuers{}}), token)
	require.ErrorIs(t, err, admin.ErrUndecided)
	require.ErrorContains(t, err, "keys of the issuer")
	_, err = (&server{}).otherManager(auth.NewVerifier(auth.VerifierOptions{Keys: noKeys}), token)
	require.Error(t, err)
	require.NotErrorIs(t, err, admin.ErrUndecided)
}
