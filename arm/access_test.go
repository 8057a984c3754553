package arm_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/arm"
	"github.com/hubgate/hubgate/auth"
)

func TestWrongTokensAreRefused(t *testing.T) {
	s := newStand(t)
	rest, err := auth.SignREST(auth.EmulatorKey, "https://gw.example/", time.Hour)
	require.NoError(t, err)
	foreign, err := auth.SignManager("another key", auth.Manager{Name: "eve"}, s.now, time.Hour)
	require.NoError(t, err)
	for name, c := range map[string]struct{ token, code string }{
		"none": {"", "AuthenticationFailed"}, "another": {"wrong", "InvalidAuthenticationToken"}, "part of the right one": {adminToken[:20], "InvalidAuthenticationToken"},
		"one of REST": {rest, "InvalidAuthenticationToken"}, "one of another key": {foreign, "InvalidAuthenticationToken"},
	} {
		s.token = c.token
		for _, target := range []string{path, "/subscriptions", "/tenants", "/nothing/here"} {
			a := s.refused(401, c.code, "GET", target, "")
			challenge := a.Header().Get("WWW-Authenticate")
			require.True(t, strings.HasPrefix(challenge, `Bearer authorization_uri="https://arm.example:9443/`+tenant+`"`), "%s: %s", name, challenge)
		}
		s.refused(401, c.code, "PUT", path, create)
		s.refused(401, c.code, "POST", path+"/listKeys", "")
	}
	require.NotContains(t, s.log.String(), rest)
}

func (s *stand) login(target string, form url.Values, header ...string) answer {
	return s.raw("POST", target, form.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

func TestAdministratorsLogInAsAServicePrincipal(t *testing.T) {
	for _, target := range []string{"/" + tenant + "/oauth2/v2.0/token", "/" + tenant + "/oauth2/token", "/adfs/oauth2/token", "/organizations/oauth2/v2.0/token"} {
		s := newStand(t)
		s.token = ""
		a := s.login(target, url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {adminToken}, "scope": {"https://arm.example//.default"}, "resource": {"https://arm.example/"}})
		require.Equal(t, 200, a.Code, a.Body.String())
		require.Equal(t, "Bearer", a.at("token_type"))
		require.Equal(t, "no-store", a.Header().Get("Cache-Control"))
		s.token = a.at("access_token").(string)
		require.Equal(t, "admin token (ci)", s.do(201, "PUT", path, create).at("systemData", "lastModifiedBy"), "the client id stands in the history, behind what was proved")
		require.NotContains(t, s.log.String(), s.token)
		require.NotContains(t, s.log.String(), adminToken)
		s.now = s.now.Add(time.Hour + auth.DefaultLeeway + time.Second)
		s.refused(401, "ExpiredAuthenticationToken", "GET", path, "")
	}
}

func TestLoginWithBasic(t *testing.T) {
	s := newStand(t)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape("a b")+":"+url.QueryEscape(adminToken)))
	a := s.login("/"+tenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic)
	require.Equal(t, 200, a.Code, a.Body.String())
}

func TestLoginIsRefused(t *testing.T) {
	s := newStand(t)
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {adminToken}}
	for name, c := range map[string]struct {
		field, value string
		status       int
		code         string
	}{
		"secret": {"client_secret", "wrong", 401, "invalid_client"}, "no secret": {"client_secret", "", 401, "invalid_client"},
		"grant": {"grant_type", "password", 400, "unsupported_grant_type"}, "nobody": {"client_id", "", 400, "invalid_request"},
		"long": {"client_id", strings.Repeat("x", 129), 400, "invalid_request"}, "line break": {"client_id", "a\nb", 400, "invalid_request"},
		"long scope": {"scope", strings.Repeat("x", 5000), 400, "invalid_scope"},
	} {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		form.Set(c.field, c.value)
		a := s.login("/"+tenant+"/oauth2/v2.0/token", form)
		require.Equal(t, c.status, a.Code, name)
		require.Equal(t, c.code, a.at("error"), name)
		require.Nil(t, a.at("access_token"))
	}
	require.Equal(t, "invalid_tenant", s.login("/another/oauth2/v2.0/token", good).at("error"))
}

func TestANewAdminTokenEndsTokensThatWereGivenOut(t *testing.T) {
	s := newStand(t)
	a := s.login("/"+tenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {adminToken}})
	token := a.at("access_token").(string)
	same, other := newStand(t), newStand(t, func(o *arm.Options) { o.Seed = "another-token-of-administrators-0123" })
	same.token, other.token = token, token
	same.do(200, "GET", "/subscriptions", "")
	other.refused(401, "InvalidAuthenticationToken", "GET", "/subscriptions", "")
}

// Who may manage is asked of whoever knows, and what they say is passed on.
func TestWhoMayManageIsDecidedElsewhere(t *testing.T) {
	status := 0
	s := newStand(t, func(o *arm.Options) {
		o.Admits = func(r *http.Request) (string, error) {
			if r.Header.Get("Cookie") != "" {
				return "a session", nil
			}
			if status == 0 {
				return "ann of an issuer", nil
			}
			return "", wrongToken{status}
		}
	})
	require.Equal(t, "ann of an issuer", s.do(201, "PUT", path, create).at("systemData", "lastModifiedBy"))
	status = 429
	require.Equal(t, "6", s.refused(429, "TooManyRequests", "GET", path, "").Header().Get("Retry-After"))
	require.Equal(t, 429, s.login("/"+tenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {"x"}}).Code)
	status = 403
	s.refused(403, "AuthorizationFailed", "GET", path, "")
	require.Equal(t, 403, s.raw("GET", "/subscriptions?api-version=2023-02-01", "", "Cookie", "hubgate-session=x").Code, "cookies are of another address")
}

// A token is good for no longer than the one it was got with. Tokens of access keys are not exchanged.
func TestATokenEndsWithTheOneItWasGotWith(t *testing.T) {
	admits := func(*http.Request) (string, error) { return "bob of an issuer", nil }
	s := newStand(t, func(o *arm.Options) { o.Admits = admits })
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	claims := jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(s.now.Add(time.Minute))}
	issued, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(key)
	require.NoError(t, err)
	login := func(secret string) answer {
		return s.login("/"+tenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"alice"}, "client_secret": {secret}})
	}
	a := login(issued)
	require.Equal(t, 200, a.Code, a.Body.String())
	require.LessOrEqual(t, a.at("expires_in").(float64), 60.0)
	s.token = a.at("access_token").(string)
	require.Equal(t, "bob of an issuer (alice)", s.do(201, "PUT", path, create).at("systemData", "lastModifiedBy"))
	s.now = s.now.Add(time.Minute + auth.DefaultLeeway + time.Second)
	s.refused(401, "ExpiredAuthenticationToken", "GET", path, "")

	local, err := auth.SignREST(auth.EmulatorKey, "https://gw.example/", time.Hour)
	require.NoError(t, err)
	for _, secret := range []string{local, issued, "no token"} {
		require.Equal(t, "invalid_client", login(secret).at("error"), secret)
	}
}

// From where nobody may manage, a token of the token endpoint is no help.
func TestTokensThatWereGivenOutAreGoodOnlyFromHere(t *testing.T) {
	var elsewhere error
	s := newStand(t, func(o *arm.Options) { o.Here = func(*http.Request) error { return elsewhere } })
	s.token = s.login("/"+tenant+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"ci"}, "client_secret": {adminToken}}).at("access_token").(string)
	s.do(200, "GET", "/subscriptions", "")
	elsewhere = wrongToken{403}
	s.refused(403, "AuthorizationFailed", "GET", "/subscriptions", "")
	s.refused(403, "AuthorizationFailed", "POST", path+"/listKeys", "")
}

func TestVersionOfTheAPIIsAskedFor(t *testing.T) {
	s := newStand(t)
	require.Equal(t, "MissingApiVersionParameter", s.raw("GET", "/subscriptions", "").at("error", "code"))
	for version, want := range map[string]int{"2023-02-01": 200, "2099-12-31-preview": 200, "2015-01-01": 200, "latest": 400, "2023": 400, "": 400} {
		require.Equal(t, want, s.raw("GET", "/subscriptions?API-Version="+version, "").Code, version)
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	s := newStand(t)
	s.refused(404, "SubscriptionNotFound", "GET", strings.Replace(path, "0a/", "0c/", 1), "")
	s.refused(404, "InvalidResourceType", "GET", "/subscriptions/"+subscription+"/nothing", "")
	require.Equal(t, []string{"GET"}, s.refused(405, "MethodNotAllowed", "DELETE", "/subscriptions", "").Header()["Allow"])
	s.refused(413, "RequestEntityTooLarge", "PUT", path, strings.Repeat(" ", 1<<20+1))
	require.Equal(t, 204, s.raw("HEAD", "/subscriptions/"+subscription+"/resourceGroups/any?api-version=2021-04-01", "").Code)
}

func TestAnswersSayWhichRequestTheyAreOf(t *testing.T) {
	s := newStand(t)
	a := s.raw("GET", "/subscriptions?api-version=2023-02-01", "", "x-ms-client-request-id", "abc")
	require.Equal(t, "abc", a.Header().Get("x-ms-client-request-id"))
	require.Len(t, a.Header().Get("x-ms-request-id"), 36)
	require.Equal(t, "no-store", a.Header().Get("Cache-Control"))
}
