package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2/clientcredentials"
)

// The service user that the example's storage has.
const (
	clientID     = "sid1"
	clientSecret = "verysecret"
)

// issuer is an OpenID provider: the library of zitadel/oidc, with keys that can be rotated. A token is for
// the audiences and has the roles that its scopes name, aud:NAME and role:NAME.
type issuer struct {
	*storage.Storage
	URL    string
	server *httptest.Server

	mu   sync.Mutex
	keys []key // the last one signs
	made int
	down bool
	life time.Duration
}

type key struct {
	id      string
	private *rsa.PrivateKey
}

// newIssuer serves on loopback.
func newIssuer() (*issuer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &issuer{URL: "http://" + l.Addr().String(), life: time.Hour}
	i.Storage = storage.NewStorage(storage.NewUserStore(i.URL))
	if err := i.rotate(0); err != nil {
		return nil, err
	}
	provider, err := op.NewProvider(&op.Config{CryptoKey: [32]byte{1}}, i, op.StaticIssuer(i.URL), op.WithAllowInsecure())
	if err != nil {
		return nil, err
	}
	i.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		down := i.down
		i.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		provider.ServeHTTP(w, r)
	})}}
	i.server.Start()
	return i, nil
}

// rotate makes a new key that signs, and publishes it with the last keep former ones.
func (i *issuer) rotate(keep int) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.keys = append(i.keys[len(i.keys)-min(keep, len(i.keys)):], key{fmt.Sprintf("key-%d", i.made), private})
	return nil
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// token gets a token from the token endpoint.
func (i *issuer) token(scopes ...string) (string, error) {
	config := clientcredentials.Config{ClientID: clientID, ClientSecret: clientSecret, TokenURL: i.URL + "/oauth/token", Scopes: scopes}
	t, err := config.Token(context.Background())
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}

// SigningKey implements op.Storage.
func (i *issuer) SigningKey(context.Context) (op.SigningKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return signing{i.keys[len(i.keys)-1]}, nil
}

// KeySet implements op.Storage.
func (i *issuer) KeySet(context.Context) ([]op.Key, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []op.Key
	for _, k := range i.keys {
		all = append(all, published{k})
	}
	return all, nil
}

// SignatureAlgorithms implements op.Storage.
func (i *issuer) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

type signing struct{ key }

func (k signing) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signing) Key() any                                    { return k.private }
func (k signing) ID() string                                  { return k.id }

type published struct{ key }

func (k published) ID() string                         { return k.id }
func (k published) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k published) Use() string                        { return "sig" }
func (k published) Key() any                           { return &k.private.PublicKey }

// jwtClient gets tokens that say something.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (jwtClient) IsScopeAllowed(string) bool          { return true }

// ClientCredentials implements op.ClientCredentialsStorage.
func (i *issuer) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := i.Storage.ClientCredentials(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	return jwtClient{c}, nil
}

// ClientCredentialsTokenRequest implements op.ClientCredentialsStorage.
func (i *issuer) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: named(scopes, "aud:"), Scopes: scopes}, nil
}

// CreateAccessToken implements op.Storage.
func (i *issuer) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return rand.Text(), time.Now().Add(i.life), nil
}

// GetPrivateClaimsFromScopes implements op.Storage.
func (i *issuer) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	return map[string]any{"roles": named(scopes, "role:")}, nil
}

// named are the names behind the prefix.
func named(scopes []string, prefix string) []string {
	var names []string
	for _, scope := range scopes {
		if name, ok := strings.CutPrefix(scope, prefix); ok {
			names = append(names, name)
		}
	}
	return names
}
