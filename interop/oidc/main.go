// Command oidc runs the gateway (HUBGATE_BIN) with an OpenID provider made by others, zitadel/oidc: its
// tokens, its keys and their rotation, and what happens when it is away. Each case is a line.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	accessKey = "the-gateways-own-access-key-of-32-bytes-or-more"
	send      = "/api/hubs/chat/:send?api-version=2022-06-01"
	hello     = `{"target":"hello","arguments":[]}`
)

// suite is what the cases share.
type suite struct {
	issuer, stranger *issuer
	gateway          *gateway
	hooks            chan string // the Authorization of webhooks
	failed           int
}

func main() {
	s := &suite{hooks: make(chan string, 16)}
	if err := s.run(); err != nil {
		fmt.Println("FAIL oidc:", err)
		os.Exit(1)
	}
	if s.failed > 0 {
		os.Exit(1)
	}
}

func (s *suite) run() (err error) {
	if s.issuer, err = newIssuer(); err != nil {
		return err
	}
	defer s.issuer.server.Close()
	if s.stranger, err = newIssuer(); err != nil {
		return err
	}
	defer s.stranger.server.Close()
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.hooks <- r.Header.Get("Authorization") }))
	defer hook.Close()
	s.gateway, err = startGateway(`
accessKey: ` + accessKey + `
auth: {disableLocalKeys: true, leeway: 0s}
oidc:
  issuers: [` + s.issuer.URL + `]
  audiences: [hubgate]
  restClaims: [roles=sender]
  serverClaims: [roles=hub-server]
  clientAudiences: [chat-web]
upstream:
  tokenUrl: ` + s.issuer.URL + `/oauth/token
  clientId: ` + clientID + `
  clientSecret: ` + clientSecret + `
  templates: [{urlTemplate: '` + hook.URL + `', auth: {scope: 'aud:app'}}]
`)
	if err != nil {
		return err
	}
	defer s.gateway.Stop()
	for _, c := range s.cases() {
		s.report(c.name, c.run())
	}
	return nil
}

func (s *suite) report(name string, err error) {
	if err != nil {
		s.failed++
		fmt.Printf("FAIL oidc %s: %v\n", name, err)
		return
	}
	fmt.Println("ok oidc", name)
}

type testCase struct {
	name string
	run  func() error
}

func (s *suite) cases() []testCase {
	return []testCase{
		{"R12 a token of the issuer opens REST, and one of the access key does not", s.tokens},
		{"a wrong audience, a missing role, another issuer and an end that has passed are refused", s.refusals},
		{"the issuer rotates its keys", s.rotation},
		{"the issuer is away", s.away},
		{"R40 H12 the application gets a key for tokens of its clients", s.key},
		{"a client connects with a token of the issuer", s.client},
		{"R66 a webhook gets a token of the issuer", s.webhook},
	}
}

// wants asks for REST's broadcast with a token of the scopes.
func (s *suite) wants(status int, from *issuer, scopes ...string) error {
	token, err := from.token(scopes...)
	if err != nil {
		return err
	}
	return s.sends(status, token)
}

func (s *suite) sends(status int, token string) error {
	got, body, err := s.gateway.ask(http.MethodPost, send, token, hello)
	if err == nil && got != status {
		err = fmt.Errorf("status %d %s, not %d; the gateway's log:\n%s", got, body, status, s.gateway.Log())
	}
	return err
}

func (s *suite) tokens() error {
	if err := s.wants(http.StatusAccepted, s.issuer, "aud:hubgate", "role:sender"); err != nil {
		return err
	}
	local, err := signed(accessKey, "", "http://gateway/api/hubs/chat/:send")
	if err != nil {
		return err
	}
	return s.sends(http.StatusUnauthorized, local)
}

// signed is a token as SDKs make them.
func signed(key, id, audience string) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(key)}, options)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(map[string]any{"aud": audience, "exp": time.Now().Add(time.Hour).Unix(), "nameid": "ann"}).Serialize()
}

func (s *suite) refusals() error {
	if err := s.wants(http.StatusUnauthorized, s.issuer, "aud:other", "role:sender"); err != nil {
		return err
	}
	if err := s.wants(http.StatusForbidden, s.issuer, "aud:hubgate", "role:other"); err != nil {
		return err
	}
	if err := s.wants(http.StatusUnauthorized, s.stranger, "aud:hubgate", "role:sender"); err != nil {
		return err
	}
	s.issuer.set(func() { s.issuer.life = 2 * time.Second })
	short, err := s.issuer.token("aud:hubgate", "role:sender")
	s.issuer.set(func() { s.issuer.life = time.Hour })
	if err != nil {
		return err
	}
	if err := s.sends(http.StatusAccepted, short); err != nil {
		return err
	}
	return s.soon(http.StatusUnauthorized, short)
}

func (s *suite) rotation() error {
	former, err := s.issuer.token("aud:hubgate", "role:sender")
	if err != nil {
		return err
	}
	if err := s.issuer.rotate(1); err != nil {
		return err
	}
	if err := s.wants(http.StatusAccepted, s.issuer, "aud:hubgate", "role:sender"); err != nil {
		return fmt.Errorf("with the new key: %w", err)
	}
	if err := s.sends(http.StatusAccepted, former); err != nil {
		return fmt.Errorf("with the former key, which is published: %w", err)
	}
	if err := s.issuer.rotate(0); err != nil {
		return err
	}
	if err := s.wants(http.StatusAccepted, s.issuer, "aud:hubgate", "role:sender"); err != nil {
		return fmt.Errorf("with the third key: %w", err)
	}
	if err := s.sends(http.StatusUnauthorized, former); err != nil {
		return fmt.Errorf("with a key that was withdrawn: %w", err)
	}
	return nil
}

func (s *suite) away() error {
	known, err := s.issuer.token("aud:hubgate", "role:sender")
	if err != nil {
		return err
	}
	if err := s.issuer.rotate(1); err != nil {
		return err
	}
	unknown, err := s.issuer.token("aud:hubgate", "role:sender")
	if err != nil {
		return err
	}
	s.issuer.set(func() { s.issuer.down = true })
	err = s.sends(http.StatusAccepted, known)
	if err == nil {
		err = s.soon(http.StatusServiceUnavailable, unknown)
	}
	s.issuer.set(func() { s.issuer.down = false })
	if err != nil {
		return err
	}
	if err := s.soon(http.StatusAccepted, unknown); err != nil {
		return err
	}
	return s.sends(http.StatusAccepted, known)
}

// soon is sends within a minute: a token has expired by then, and tokens may have had the keys read again,
// which they do once in ten seconds at most.
func (s *suite) soon(status int, token string) (err error) {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Second) {
		if err = s.sends(status, token); err == nil {
			return nil
		}
	}
	return err
}

func (s *suite) key() error {
	sender, err := s.issuer.token("aud:hubgate", "role:sender")
	if err != nil {
		return err
	}
	const path = "/api/v1/auth/accessKey"
	if status, _, err := s.gateway.ask(http.MethodGet, path, sender, ""); err != nil || status != http.StatusForbidden {
		return fmt.Errorf("without the role: status %d, %w", status, err)
	}
	server, err := s.issuer.token("aud:hubgate", "role:hub-server")
	if err != nil {
		return err
	}
	status, body, err := s.gateway.ask(http.MethodGet, path, server, "")
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("with the role: status %d %s, %w", status, body, err)
	}
	var given struct{ AccessKey, KeyID string }
	if err := json.Unmarshal([]byte(body), &given); err != nil {
		return err
	}
	client, err := signed(given.AccessKey, given.KeyID, "http://gateway/client/?hub=chat")
	if err != nil {
		return err
	}
	if status, body, err := s.gateway.ask(http.MethodPost, "/client/negotiate?hub=chat&negotiateVersion=1", client, ""); err != nil || status != http.StatusOK {
		return fmt.Errorf("a client with it: status %d %s, %w", status, body, err)
	}
	if status, _, err := s.gateway.ask(http.MethodGet, "/server/?hub=chat", server, ""); err != nil || status != http.StatusUpgradeRequired {
		return fmt.Errorf("the server endpoint: status %d, %w", status, err)
	}
	return nil
}

func (s *suite) client() error {
	_, err := s.connect()
	return err
}

// connect negotiates and connects by long polling, and returns the answer to the negotiation.
func (s *suite) connect() (string, error) {
	token, err := s.issuer.token("aud:chat-web")
	if err != nil {
		return "", err
	}
	status, negotiated, err := s.gateway.ask(http.MethodPost, "/client/negotiate?hub=chat&negotiateVersion=1", token, "")
	if err != nil || status != http.StatusOK || !strings.Contains(negotiated, `"tokenLifetimeSeconds":3`) {
		return "", fmt.Errorf("negotiate: status %d %s, %w", status, negotiated, err)
	}
	var n struct{ ConnectionToken string }
	if err := json.Unmarshal([]byte(negotiated), &n); err != nil {
		return "", err
	}
	path := "/client/?hub=chat&id=" + n.ConnectionToken
	for _, step := range []struct{ method, path, body, answer string }{
		{http.MethodGet, path, "", ""}, {http.MethodPost, path, `{"protocol":"json","version":1}` + "\x1e", ""}, {http.MethodGet, path, "", "{}\x1e"},
		{http.MethodPost, strings.Replace(path, "/client/", "/client/refresh", 1), "", `{"tokenLifetimeSeconds":3`},
	} {
		status, body, err := s.gateway.ask(step.method, step.path, token, step.body)
		if err != nil || status != http.StatusOK || !strings.HasPrefix(body, step.answer) {
			return "", fmt.Errorf("%s %s: status %d %q, %w", step.method, step.path, status, body, err)
		}
	}
	return negotiated, nil
}

func (s *suite) webhook() error {
	for len(s.hooks) > 0 {
		<-s.hooks
	}
	if _, err := s.connect(); err != nil {
		return err
	}
	select {
	case got := <-s.hooks:
		parsed, err := jwt.ParseSigned(strings.TrimPrefix(got, "Bearer "), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return fmt.Errorf("%q: %w", got, err)
		}
		var claims jwt.Claims
		if err := parsed.Claims(&s.issuer.keys[len(s.issuer.keys)-1].private.PublicKey, &claims); err != nil {
			return err
		}
		return claims.Validate(jwt.Expected{Issuer: s.issuer.URL, AnyAudience: jwt.Audience{"app"}, Time: time.Now()})
	case <-time.After(30 * time.Second):
		return fmt.Errorf("no webhook; the gateway's log:\n%s", s.gateway.Log())
	}
}
