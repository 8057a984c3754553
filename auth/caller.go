package auth

import (
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The names of those who sign with an access key.
const (
	CallerPrimary   = "primary"
	CallerSecondary = "secondary"
)

// Caller names who has signed a token that REST has just accepted: CallerPrimary or CallerSecondary for
// the access keys, else the issuer and the subject of the token. It is for limits and says nothing secret.
// A token that is not accepted any more has "".
func (v *Verifier) Caller(token string) string {
	t, err := v.verify(token)
	if err != nil {
		return ""
	}
	return t.caller
}

// caller finds out which key of the ring has signed a token; it is done once for each token.
func (r *keyring) caller(parsed *jwt.Token, token string, p *payload) string {
	if !isSymmetric(parsed) {
		return p.issuer + " " + p.claims.UserID
	}
	text := token[:max(0, strings.LastIndexByte(token, '.'))]
	names := [...]string{CallerPrimary, CallerSecondary}
	for i, key := range r.keys[:min(len(r.keys), len(names))] {
		if parsed.Method.Verify(text, parsed.Signature, []byte(key.Reveal())) == nil {
			return names[i]
		}
	}
	return "other"
}
