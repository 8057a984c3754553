package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuers are the issuers of OpenID Connect whose tokens a Verifier accepts beside those that are
// signed with an access key. Its methods are called concurrently.
type Issuers interface {
	// Generation changes when a token that was accepted before has to be looked at again: the keys of an
	// issuer have changed, or what its claims allow. It must be cheap.
	Generation() uint64
	// Key returns the key of the issuer for the token, or several, as a jwt.Keyfunc does. It may wait for
	// the issuer, for a bounded time. Errors are of type *TokenError.
	Key(issuer string, token *jwt.Token) (any, error)
	// Grant says what a token with these claims allows, whoever has signed it. Numbers are json.Number.
	Grant(claims map[string]any) Grant
}

// Grant is what a token of an issuer allows. For what it does not allow it has the error, of type
// *TokenError.
type Grant struct {
	// Server: to connect as a hub server, and to get access keys for clients.
	Server error
	// Read: REST with GET and HEAD. Write: REST with every method.
	Read, Write error
	// Admin: to see what the admin address shows, and with more claims to manage the gateway.
	Admin error
	// Client: to connect as a client, namely as Holder says.
	Client error
	Holder Holder
}

// Holder is the client that a token of an issuer stands for.
type Holder struct {
	User   string
	Groups []string
	// Enters says whether the client may enter a hub.
	Enters func(hub string) bool
	// Closes: the client is closed when its token expires.
	Closes bool
}

// noIssuers is what a Verifier has that knows no issuer.
type noIssuers struct{}

func (noIssuers) Generation() uint64 { return 0 }
func (noIssuers) Key(string, *jwt.Token) (any, error) {
	return nil, &TokenError{Failure: TokenAlgorithm}
}
func (noIssuers) Grant(map[string]any) Grant { return Grant{} }

// isSymmetric reports whether a token says that it is signed with a secret.
func isSymmetric(t *jwt.Token) bool { return strings.HasPrefix(t.Method.Alg(), "HS") }

// issued makes of a token of an issuer what the other methods work with. System claims of an issuer
// mean nothing: they are the gateway's and its applications'.
func (v *Verifier) issued(t *verified, raw string) {
	grant := v.options.Issuers.Grant(decodedClaims(raw))
	t.grant = &grant
	own := Claims{Issued: true, UserID: grant.Holder.User, Groups: grant.Holder.Groups, User: t.claims.User, Expires: t.claims.Expires}
	if grant.Holder.Closes {
		own.CloseAt = own.Expires
	}
	t.claims = own
	kept := []Claim{{Type: systemPrefix + "uid", Value: grant.Holder.User}}
	for _, claim := range t.all {
		if !isSystem(claim.Type) {
			kept = append(kept, claim)
		}
	}
	t.all = kept
}

// decodedClaims are the claims of a token as encoding/json has them; nil if it is none.
func decodedClaims(token string) map[string]any {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var claims map[string]any
	if decoder.Decode(&claims) != nil {
		return nil
	}
	return claims
}

// client returns the error of a client of the hub.
func (g *Grant) client(hub string) error {
	switch {
	case g.Client != nil:
		return g.Client
	case g.Holder.Enters != nil && !g.Holder.Enters(hub):
		return &TokenError{Failure: TokenRight, Detail: "the token does not open this hub"}
	}
	return nil
}

// rest returns the error of a REST request.
func (g *Grant) rest(method, escapedPath string) error {
	switch {
	case isAccessKeyPath(escapedPath):
		return g.Server
	case method == "GET" || method == "HEAD":
		return g.Read
	}
	return g.Write
}

// isAccessKeyPath reports whether a path is the one of the operation that gives out access keys for
// clients, in any version of the API.
func isAccessKeyPath(path string) bool {
	path = strings.TrimSuffix(path, "/")
	return EqualFoldASCII(path, "/api/auth/accessKey") || EqualFoldASCII(path, "/api/v1/auth/accessKey")
}

// AccessKey returns a key with which an application may sign tokens for its clients, and its id, for
// whoever presents a token that may connect as a hub server.
func (v *Verifier) AccessKey(token string) (ClientKey, error) {
	t, err := v.verify(token)
	switch {
	case err != nil:
		return ClientKey{}, err
	case t.grant != nil && t.grant.Server != nil:
		return ClientKey{}, t.grant.Server
	case t.grant == nil && !t.keyEnds.IsZero():
		return ClientKey{}, errClientKeyOnly
	}
	keys := v.keyring().keys
	if len(keys) == 0 || keys[0] == "" {
		return ClientKey{}, &TokenError{Failure: TokenSignature, Detail: errNoKeys.Error()}
	}
	return NewClientKey(keys[0], v.options.Now()), nil
}

var errClientKeyOnly = &TokenError{Failure: TokenRight, Detail: "the key that signed the token is for tokens of clients only"}

// local returns the error of a token that is signed with a key for clients, nil for others.
func (t *verified) local() error {
	if t.keyEnds.IsZero() {
		return nil
	}
	return errClientKeyOnly
}

// checkKey refuses a token whose key has ended since it was verified.
func (t *verified) checkKey(now time.Time) error {
	if !t.keyEnds.IsZero() && !now.Before(t.keyEnds) {
		return &TokenError{Failure: TokenSignature, Detail: "the access key that signed it has ended"}
	}
	return nil
}
