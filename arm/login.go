package arm

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/secret"
)

// This is the directory of the gateway's administrators, as far as clients need one: OAuth 2 with client
// credentials (RFC 6749, 4.4) at the paths of Microsoft Entra, and those of AD FS. Whoever has the admin token as client
// secret is given a token for an hour; whoever has a token of an issuer, one for what is left of its time, an hour
// at most. The client id is free: it is noted with changes, behind the name that was proved.

// tokenLifetime is how long a token of the token endpoint is good.
const tokenLifetime = time.Hour

func loginRoutes() []route {
	routes := []route{unguarded(http.MethodGet, "common/discovery/instance", serveInstance)}
	for _, path := range []string{"{tenant}/.well-known/openid-configuration", "{tenant}/v2.0/.well-known/openid-configuration"} {
		routes = append(routes, unguarded(http.MethodGet, path, serveDiscovery))
	}
	for _, path := range []string{"{tenant}/discovery/keys", "{tenant}/discovery/v2.0/keys"} {
		routes = append(routes, unguarded(http.MethodGet, path, serveNoKeys))
	}
	for _, path := range []string{"{tenant}/oauth2/token", "{tenant}/oauth2/v2.0/token"} {
		routes = append(routes, unguarded(http.MethodPost, path, serveToken))
	}
	return routes
}

// knownTenant says whether a path below /{tenant}/ is there. The names that stand for any tenant mean the only one.
func (c *call) knownTenant() bool {
	for _, name := range []string{c.h.options.Place.Tenant, "common", "organizations", "adfs"} {
		if auth.EqualFoldASCII(c.values["tenant"], name) {
			return true
		}
	}
	return false
}

// authority is the URL of the tenant, as the caller named it.
func (c *call) authority() string {
	tenant := c.h.options.Place.Tenant
	if auth.EqualFoldASCII(c.values["tenant"], "adfs") {
		tenant = "adfs"
	}
	return c.base() + "/" + tenant
}

// serveInstance tells clients that check authorities that this one is good.
func serveInstance(c *call) error {
	host := c.r.Host
	return c.json(http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": c.base() + "/" + c.h.options.Place.Tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}

func serveDiscovery(c *call) error {
	if !c.knownTenant() {
		return c.noTenant()
	}
	at := c.authority()
	v2 := "/v2.0"
	if strings.HasSuffix(at, "/adfs") {
		v2 = ""
	}
	return c.json(http.StatusOK, map[string]any{
		"issuer":                                at + v2,
		"authorization_endpoint":                at + "/oauth2" + v2 + "/authorize", // clients want it named; there is none
		"token_endpoint":                        at + "/oauth2" + v2 + "/token",
		"jwks_uri":                              at + "/discovery" + v2 + "/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"token"},
		"response_modes_supported":              []string{"form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nbf", "tid", "appid", "oid", "ver"},
	})
}

// serveNoKeys: the tokens are for the gateway alone, and signed with a secret of its own.
func serveNoKeys(c *call) error {
	if !c.knownTenant() {
		return c.noTenant()
	}
	return c.json(http.StatusOK, map[string]any{"keys": []any{}})
}

// oauthError answers as RFC 6749 wants it (5.2), which is another shape than that of the rest.
func (c *call) oauthError(status int, code, text string) error {
	c.h.log.Warn("resource API: no token given", "status", status, "code", code, "from", c.r.RemoteAddr)
	if status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="hubgate"`)
	}
	return c.json(status, map[string]any{"error": code, "error_description": text, "timestamp": c.h.options.Now().UTC().Format(time.RFC3339), "trace_id": c.w.Header().Get("x-ms-request-id")})
}

func (c *call) noTenant() error {
	return c.oauthError(http.StatusBadRequest, "invalid_tenant", "AADSTS90002: Tenant '"+c.values["tenant"]+"' not found. This gateway's is '"+c.h.options.Place.Tenant+"' (arm.tenant).")
}

// maxClientID bounds a client id, in bytes: it goes into tokens and into the history.
const maxClientID = 128

func serveToken(c *call) error {
	if !c.knownTenant() {
		return c.noTenant()
	}
	if err := c.r.ParseForm(); err != nil {
		return c.oauthError(http.StatusBadRequest, "invalid_request", "The body is no form.")
	}
	form := c.r.PostForm
	id, password := clientOf(c.r)
	switch {
	case form.Get("grant_type") != "client_credentials":
		return c.oauthError(http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003: only grant_type=client_credentials is here: log in as a service principal.")
	case id == "" || len(id) > maxClientID || !printable(id):
		return c.oauthError(http.StatusBadRequest, "invalid_request", "AADSTS900144: client_id is the name under which changes are noted: 1 to 128 printable characters.")
	}
	who, lifetime, err := c.admitsSecret(password)
	if err != nil {
		if status := statusOf(err); status != http.StatusUnauthorized {
			return c.oauthError(status, "temporarily_unavailable", err.Error())
		}
		return c.oauthError(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided. It is the gateway's admin token.")
	}
	audience := audienceOf(form)
	now := c.h.options.Now()
	token, err := auth.SignManager(c.h.key, auth.Manager{Name: who + " (" + id + ")", Tenant: c.h.options.Place.Tenant, Issuer: c.authority() + "/", Audience: audience}, now, lifetime)
	if err != nil {
		return c.oauthError(http.StatusBadRequest, "invalid_scope", "The scope is too long.")
	}
	c.h.log.Info("resource API: token given", "to", who, "client", id, "from", c.r.RemoteAddr)
	answer := map[string]any{"token_type": "Bearer", "access_token": token, "expires_in": int(lifetime.Seconds()), "ext_expires_in": int(lifetime.Seconds())}
	if !strings.Contains(strings.ToLower(c.r.URL.Path), "/v2.0/") { // the older form
		seconds := strconv.Itoa(int(lifetime.Seconds()))
		answer["expires_in"], answer["ext_expires_in"], answer["resource"] = seconds, seconds, audience
		answer["not_before"], answer["expires_on"] = strconv.FormatInt(now.Unix(), 10), strconv.FormatInt(now.Add(lifetime).Unix(), 10)
	}
	return c.json(http.StatusOK, answer)
}

// admitsSecret: a client secret is good if it would be good as a bearer token. Its lifetime bounds that of the
// token. A token of an access key is not exchanged: what is made of it would outlive the key.
func (c *call) admitsSecret(token string) (who string, lifetime time.Duration, err error) {
	asked := c.r.Clone(c.context())
	asked.Header = asked.Header.Clone()
	asked.Header.Set("Authorization", "Bearer "+token)
	if who, err = c.admits(asked); err != nil || c.h.options.Seed.Equal(secret.Text(token)) {
		return who, tokenLifetime, err
	}
	until, ok := auth.EndOfIssuersToken(token)
	lifetime = min(tokenLifetime, until.Sub(c.h.options.Now())).Truncate(time.Second)
	if !ok || lifetime <= 0 {
		return "", 0, errNotExchanged
	}
	return who, lifetime, nil
}

var errNotExchanged = errors.New("the secret is neither the admin token nor a token of an issuer")

// clientOf returns id and secret from the form or from the header of Basic, whose parts are encoded as in forms.
func clientOf(r *http.Request) (id, secret string) {
	if id, secret, ok := r.BasicAuth(); ok {
		plainID, err1 := url.QueryUnescape(id)
		plainSecret, err2 := url.QueryUnescape(secret)
		if err1 == nil && err2 == nil {
			return plainID, plainSecret
		}
		return id, secret
	}
	return r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
}

// audienceOf is what a token is asked for: the resource, or the scope without its /.default. Neither is compared
// with anything, since a token opens this gateway only.
func audienceOf(form url.Values) string {
	if resource := form.Get("resource"); resource != "" {
		return resource
	}
	scope, _, _ := strings.Cut(form.Get("scope"), " ")
	return strings.TrimSuffix(scope, "/.default")
}

func printable(text string) bool {
	for _, r := range text {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return true
}
