package arm

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/secret"
)

// caller is who has sent a request.
type caller struct {
	name   string // stands in the history of the settings
	reader bool   // may only look
}

// authenticate finds out who calls. Accepted are the admin token itself, a token of the token endpoint, and a
// token of an issuer with a right.
func (c *call) authenticate() error {
	token := bearer(c.r)
	admin := c.h.options.AdminToken()
	var err error
	switch {
	case token == "":
		err = &auth.TokenError{Failure: auth.TokenMissing}
	case admin != "" && sameSecret(token, admin.Reveal()):
		c.caller = caller{name: "admin token"}
		return nil
	default:
		err = c.signed(token, admin)
	}
	if err == nil {
		return nil
	}
	return c.unauthorized(err)
}

// signed accepts a token of the token endpoint, else one of an issuer.
func (c *call) signed(token string, admin secret.Text) error {
	if admin != "" && auth.IsManagerToken(token) {
		m, err := auth.VerifyManager(tokenKey(admin), token, c.h.options.Now())
		if err != nil {
			return err
		}
		c.caller = caller{name: m.Name}
		return nil
	}
	who, reader, err := c.h.options.Issued(token)
	if err != nil {
		return err
	}
	c.caller = caller{name: who, reader: reader}
	return nil
}

// unauthorized is the answer to a token that is not accepted.
func (c *call) unauthorized(err error) error {
	refused, ok := errors.AsType[*auth.TokenError](err)
	if !ok {
		return err
	}
	challenge := refused.Challenge()
	if refused.Status() == http.StatusUnauthorized {
		// Clients learn from it where tokens are to be had.
		where := `authorization_uri="` + c.base() + "/" + c.h.options.Place.Tenant + `"`
		if rest, more := strings.CutPrefix(challenge, "Bearer "); more {
			where += ", " + rest
		}
		challenge = "Bearer " + where
	}
	if challenge != "" {
		c.w.Header().Set("WWW-Authenticate", challenge)
	}
	c.h.log.Debug("resource API: token refused", "reason", refused.Failure, "detail", refused.Detail)
	return refuse(refused.Status(), codeOf(refused), "%s.", refused.Description())
}

func codeOf(e *auth.TokenError) string {
	switch {
	case e.Failure == auth.TokenMissing:
		return "AuthenticationFailed"
	case e.Failure == auth.TokenExpired:
		return "ExpiredAuthenticationToken"
	case e.Status() == http.StatusForbidden:
		return "AuthorizationFailed"
	}
	return "InvalidAuthenticationToken"
}

// bearer returns the token of a request; "" is none.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// sameSecret compares without telling by its time how much is right.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// tokenKey is the key of the token endpoint. It comes from the admin token, so that every node that has the same
// one accepts the others' tokens, and a new admin token ends all that were given out before.
func tokenKey(admin secret.Text) auth.Secret {
	mac := hmac.New(sha256.New, []byte(admin.Reveal()))
	mac.Write([]byte("hubgate: tokens of the resource API"))
	return auth.Secret(hex.EncodeToString(mac.Sum(nil)))
}

// readOnly: the route changes nothing and shows no key.
func readOnly(r *route) bool {
	return r.method == http.MethodGet || r.pattern[len(r.pattern)-1] == "checknameavailability"
}
