package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/oidc"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

const (
	audience = "https://signalr.azure.com"
	people   = "chat-app"
	key      = auth.Secret("an-access-key-of-ones-own-that-is-longer-than-32-bytes")
)

// config believes the issuers. Their keys are read again by tokens only.
func config(issuers ...*oidctest.Issuer) *oidc.Config {
	c := &oidc.Config{
		Algorithms: []string{"RS256", "ES256"}, RefreshInterval: time.Hour, Timeout: 10 * time.Second,
		Rules: oidc.Rules{
			Audiences: []string{"other", audience},
			Servers:   []string{"roles=Server"}, Writers: []string{"roles=Writer", "realm_access.roles=writer"}, Readers: []string{"scope=read"},
			Clients: oidc.Clients{Audiences: []string{people}, User: "sub", Groups: "teams", HubNames: "hubs"},
		},
	}
	for _, i := range issuers {
		c.Issuers = append(c.Issuers, i.URL)
	}
	return c
}

// verifier verifies by the issuers, which it returns too.
func verifier(t *testing.T, c *oidc.Config, options oidc.Options) (*auth.Verifier, *oidc.Issuers) {
	issuers := oidc.New(options)
	t.Cleanup(issuers.Close)
	issuers.Use(c)
	return auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }, Issuers: issuers}), issuers
}

// failure is why REST refuses a token, "" if it does not.
func failure(v *auth.Verifier, token string) auth.Failure {
	err := v.REST(token, http.MethodPost, "/api/hubs/chat/:send", "")
	var refused *auth.TokenError
	if errors.As(err, &refused) {
		return refused.Failure
	}
	if err != nil {
		return auth.Failure(err.Error())
	}
	return ""
}

func writer(more oidctest.Claims) oidctest.Claims {
	claims := oidctest.Claims{"aud": audience, "roles": []string{"Writer"}}
	for name, value := range more {
		claims[name] = value
	}
	return claims
}

func TestTokensOfIssuers(t *testing.T) {
	issuer, other, stranger := oidctest.New(t), oidctest.New(t), oidctest.New(t)
	v, _ := verifier(t, config(issuer, other), oidc.Options{})
	now := time.Now()
	for name, test := range map[string]struct {
		token string
		want  auth.Failure
	}{
		"good":                {issuer.Sign(writer(nil)), ""},
		"of another issuer":   {other.Sign(writer(nil)), ""},
		"audiences":           {issuer.Sign(writer(oidctest.Claims{"aud": []string{"x", audience}})), ""},
		"a role in an object": {issuer.Sign(oidctest.Claims{"aud": audience, "realm_access": map[string]any{"roles": []string{"writer"}}}), ""},
		"unknown issuer":      {stranger.Sign(writer(nil)), auth.TokenIssuer},
		"no issuer":           {issuer.Sign(writer(oidctest.Claims{"iss": nil})), auth.TokenIssuer},
		"name of another":     {stranger.Sign(writer(oidctest.Claims{"iss": issuer.URL})), auth.TokenSignature},
		"wrong audience":      {issuer.Sign(writer(oidctest.Claims{"aud": "https://elsewhere"})), auth.TokenAudience},
		"no audience":         {issuer.Sign(writer(oidctest.Claims{"aud": nil})), auth.TokenAudience},
		"of a client":         {issuer.Sign(writer(oidctest.Claims{"aud": people})), auth.TokenAudience},
		"no role":             {issuer.Sign(oidctest.Claims{"aud": audience}), auth.TokenRight},
		"another role":        {issuer.Sign(oidctest.Claims{"aud": audience, "roles": []string{"Server"}}), auth.TokenRight},
		"expired":             {issuer.Sign(writer(oidctest.Claims{"exp": now.Add(-6 * time.Minute).Unix()})), auth.TokenExpired},
		"expired just now":    {issuer.Sign(writer(oidctest.Claims{"exp": now.Add(-time.Minute).Unix()})), ""},
		"without end":         {issuer.Sign(writer(oidctest.Claims{"exp": nil})), auth.TokenNoExpiry},
		"not yet":             {issuer.Sign(writer(oidctest.Claims{"nbf": now.Add(time.Hour).Unix()})), auth.TokenNotYetValid},
		"unsigned":            {unsigned(t, issuer), auth.TokenAlgorithm},
		"changed":             {changed(issuer.Sign(writer(nil))), auth.TokenSignature},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, failure(v, test.token)) })
	}
}

func unsigned(t *testing.T, i *oidctest.Issuer) string {
	token := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": i.URL, "aud": audience, "roles": "Writer", "exp": time.Now().Add(time.Hour).Unix()})
	signed, err := token.SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	return signed
}

// changed is the token with another signature of the same length.
func changed(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	swapped := byte('A')
	if token[at] == 'A' {
		swapped = 'B'
	}
	return token[:at] + string(swapped) + token[at+1:]
}

// An issuer's public key is no secret: a token that is signed with its bytes as if they were one is
// signed by nobody.
func TestPublicKeyIsNoSecret(t *testing.T) {
	issuer := oidctest.New(t)
	v, _ := verifier(t, config(issuer), oidc.Options{})
	require.Empty(t, failure(v, issuer.Sign(writer(nil))))
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	require.NoError(t, err)
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})} {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": issuer.URL, "aud": audience, "roles": "Writer", "exp": time.Now().Add(time.Hour).Unix()})
		token.Header["kid"] = "key-1"
		signed, err := token.SignedString(secret)
		require.NoError(t, err)
		require.Equal(t, auth.TokenSignature, failure(v, signed))
	}
}

func TestAlgorithms(t *testing.T) {
	issuer := oidctest.New(t)
	c := config(issuer)
	c.Algorithms = []string{"RS256"}
	v, _ := verifier(t, c, oidc.Options{})
	require.Equal(t, auth.TokenAlgorithm, failure(v, issuer.Sign(writer(nil))))
}

// A key that is not known has the keys read once for all who come with it; a former key that is not
// published any more signs nothing, although its tokens were accepted before.
func TestRotation(t *testing.T) {
	issuer := oidctest.New(t)
	v, _ := verifier(t, config(issuer), oidc.Options{})
	former := issuer.Sign(writer(nil))
	require.Empty(t, failure(v, former))
	require.Equal(t, 1, issuer.Readings())

	issuer.Rotate(1)
	var all sync.WaitGroup
	refused := make([]auth.Failure, 20)
	for n := range refused {
		token := issuer.Sign(writer(oidctest.Claims{"jti": fmt.Sprint(n)}))
		all.Go(func() { refused[n] = failure(v, token) })
	}
	all.Wait()
	require.Equal(t, make([]auth.Failure, 20), refused)
	require.LessOrEqual(t, issuer.Readings(), 4)
	require.Empty(t, failure(v, former), "both keys are published")

	issuer.Rotate(0)
	require.Empty(t, failure(v, issuer.Sign(writer(nil))))
	require.Equal(t, auth.TokenSignature, failure(v, former))
}

// Whoever names keys that nobody has cannot make the gateway ask the issuer each time.
func TestUnknownKeysAreBounded(t *testing.T) {
	issuer, stranger := oidctest.New(t), oidctest.New(t)
	v, _ := verifier(t, config(issuer), oidc.Options{})
	require.Empty(t, failure(v, issuer.Sign(writer(nil))))
	for n := range 50 {
		stranger.Rotate(0)
		require.Equal(t, auth.TokenSignature, failure(v, stranger.Sign(writer(oidctest.Claims{"iss": issuer.URL, "jti": fmt.Sprint(n)}))))
	}
	require.LessOrEqual(t, issuer.Readings(), 6, "some for bursts, one more in ten seconds")
}

// While the issuer cannot be reached, the last keys stay in force, and a new one is not waited for
// longer than configured.
func TestIssuerDown(t *testing.T) {
	issuer := oidctest.New(t)
	issuer.SetDown(true)
	c := config(issuer)
	v, issuers := verifier(t, c, oidc.Options{})
	token := issuer.Sign(writer(nil))
	require.Equal(t, auth.TokenIssuerDown, failure(v, token))
	require.Equal(t, []oidc.Status{{Issuer: issuer.URL, Failing: true}}, issuers.Status())

	issuer.SetDown(false)
	require.Eventually(t, func() bool { return failure(v, token) == "" }, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, []oidc.Status{{Issuer: issuer.URL, Keys: 1}}, issuers.Status())

	issuer.SetDown(true)
	require.Empty(t, failure(v, issuer.Sign(writer(oidctest.Claims{"jti": "2"}))))
	issuer.Rotate(1)
	require.Equal(t, auth.TokenIssuerDown, failure(v, issuer.Sign(writer(nil))))
	require.Empty(t, failure(v, token))
	require.Equal(t, []oidc.Status{{Issuer: issuer.URL, Keys: 1, Failing: true}}, issuers.Status())
}

// An issuer that takes requests and does not answer holds no token up for longer than Timeout.
func TestIssuerHangs(t *testing.T) {
	issuer := oidctest.New(t)
	held := make(chan struct{})
	issuer.Hold(held)
	defer close(held)
	c := config(issuer)
	c.Timeout = 100 * time.Millisecond
	v, _ := verifier(t, c, oidc.Options{})
	began := time.Now()
	require.Equal(t, auth.TokenIssuerDown, failure(v, issuer.Sign(writer(nil))))
	require.Less(t, time.Since(began), 10*time.Second)
}

// roundTripper answers requests by itself.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An answer without an end, without keys, or of another issuer changes nothing.
func TestAnswersThatAreNone(t *testing.T) {
	for name, body := range map[string]func(r *http.Request) io.Reader{
		"endless": func(*http.Request) io.Reader { return endless{} },
		"another's": func(*http.Request) io.Reader {
			return strings.NewReader(`{"issuer":"https://elsewhere","jwks_uri":"http://i/keys"}`)
		},
		"no JSON":       func(*http.Request) io.Reader { return strings.NewReader("<html>") },
		"without place": func(*http.Request) io.Reader { return strings.NewReader(`{"issuer":"http://i"}`) },
		"without keys": func(r *http.Request) io.Reader {
			if r.URL.Path == "/keys" {
				return strings.NewReader(`{"keys":[]}`)
			}
			return strings.NewReader(`{"issuer":"http://i","jwks_uri":"http://i/keys"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			c.Issuers = []string{"http://i"}
			v, _ := verifier(t, c, oidc.Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body(r)), Request: r}, nil
			})})
			signer := oidctest.New(t)
			require.Equal(t, auth.TokenIssuerDown, failure(v, signer.Sign(writer(oidctest.Claims{"iss": "http://i"}))))
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A change of the rules holds for tokens that were accepted before; issuers that stay keep their keys.
func TestChangeOfRules(t *testing.T) {
	issuer, other := oidctest.New(t), oidctest.New(t)
	c := config(issuer)
	v, issuers := verifier(t, c, oidc.Options{})
	token := issuer.Sign(writer(nil))
	require.Empty(t, failure(v, token))

	next := config(issuer)
	next.Rules.Writers = []string{"roles=Somebody"}
	issuers.Use(next)
	require.Equal(t, auth.TokenRight, failure(v, token))
	require.Equal(t, 1, issuer.Readings())

	issuer.SetDown(true)
	issuers.Use(config(issuer, other))
	require.Empty(t, failure(v, token), "its keys were kept")
	require.Empty(t, failure(v, other.Sign(writer(nil))))
	issuer.SetDown(false)
	held := make(chan struct{})
	issuer.Hold(held)
	next = config(issuer, other)
	next.RefreshInterval = 2 * time.Hour
	issuers.Use(next)
	require.Empty(t, failure(v, issuer.Sign(writer(oidctest.Claims{"jti": "2"}))), "its keys were kept")
	for _, s := range issuers.Status() {
		require.False(t, s.Failing && s.Issuer == issuer.URL, "nobody waits for an issuer whose keys are known")
	}
	close(held)

	issuers.Use(config(other))
	require.Equal(t, auth.TokenIssuer, failure(v, token))
	issuers.Use(config())
	require.Equal(t, auth.TokenAlgorithm, failure(v, token))
}
