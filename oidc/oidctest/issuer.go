// Package oidctest is an issuer of OpenID Connect for tests: it publishes keys and signs whatever it is
// told to. Real issuers are tested in interop/oidc.
package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer is an issuer that listens on loopback until the test ends. Its methods may be called
// concurrently.
type Issuer struct {
	// URL is the claim iss of its tokens.
	URL    string
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	keys     []key // the last one signs
	made     int
	down     bool
	held     chan struct{}
	readings int
}

type key struct {
	id      string
	private *ecdsa.PrivateKey
}

// New returns an issuer with one key.
func New(t testing.TB) *Issuer {
	i := &Issuer{t: t}
	i.Rotate(0)
	i.server = httptest.NewServer(http.HandlerFunc(i.serve))
	i.URL = i.server.URL
	t.Cleanup(func() {
		i.Hold(nil)
		i.server.Close()
	})
	return i
}

// Rotate makes a new key that signs from now on, and publishes it with the last keep former ones.
func (i *Issuer) Rotate(keep int) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.keys = append(i.keys[len(i.keys)-min(keep, len(i.keys)):], key{fmt.Sprintf("key-%d", i.made), private})
}

// SetDown has every request answered with 503, or not any more.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Hold has requests wait until the channel is closed, or until another Hold.
func (i *Issuer) Hold(until chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.held = until
}

// Readings returns how often its keys were read.
func (i *Issuer) Readings() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.readings
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	down, held := i.down, i.held
	if r.URL.Path == "/keys" && !down {
		i.readings++
	}
	keys := i.keys
	i.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	var answer any
	switch {
	case down:
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	case r.URL.Path == "/.well-known/openid-configuration":
		answer = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	case r.URL.Path == "/keys":
		answer = map[string]any{"keys": public(keys)}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may have left
}

func public(keys []key) []map[string]string {
	var all []map[string]string
	for _, k := range keys {
		point, err := k.private.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		point = point[1:]
		encode := base64.RawURLEncoding.EncodeToString
		all = append(all, map[string]string{
			"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": k.id,
			"x": encode(point[:len(point)/2]), "y": encode(point[len(point)/2:]),
		})
	}
	return all
}

// Claims are those of a token, beside iss and, unless they are given, iat and exp an hour later.
type Claims map[string]any

// Sign returns a token with the claims, signed with the newest key.
func (i *Issuer) Sign(claims Claims) string {
	i.t.Helper()
	i.mu.Lock()
	k := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	all := jwt.MapClaims{"iss": i.URL, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["kid"] = k.id
	signed, err := token.SignedString(k.private)
	if err != nil {
		i.t.Fatal(err)
	}
	return signed
}
