package arm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/secret"
)

// authenticate finds out who calls: with a token of the token endpoint, or with one that manages the gateway anyway.
func (c *call) authenticate() error {
	token := bearer(c.r)
	if token == "" {
		return c.unauthorized(&auth.TokenError{Failure: auth.TokenMissing})
	}
	if auth.IsManagerToken(token) {
		if here := c.h.options.Here; here != nil {
			if err := here(c.r); err != nil {
				return c.unauthorized(err)
			}
		}
		m, err := auth.VerifyManager(c.h.key, token, c.h.options.Now())
		if err != nil {
			return c.unauthorized(err)
		}
		c.caller = m.Name
		return nil
	}
	who, err := c.admits(c.r)
	if err != nil {
		return c.unauthorized(err)
	}
	c.caller = who
	return nil
}

// admits asks whoever knows. Cookies are left out: they are for pages of another address of the same machine.
func (c *call) admits(r *http.Request) (string, error) {
	if r.Header.Get("Cookie") != "" {
		r = r.Clone(r.Context())
		r.Header.Del("Cookie")
	}
	who, err := c.h.options.Admits(r)
	if again, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok && again.RetryAfter() > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(again.RetryAfter()/time.Second)+1))
	}
	return who, err
}

// statusOf is the status of the answer to a token that is not accepted.
func statusOf(err error) int {
	if refused, ok := errors.AsType[interface {
		error
		Status() int
	}](err); ok {
		return refused.Status()
	}
	return http.StatusUnauthorized
}

// unauthorized is the answer to a token that is not accepted. With 401 it says where tokens are to be had.
func (c *call) unauthorized(err error) error {
	text, challenge := err.Error(), ""
	refused, ofToken := errors.AsType[*auth.TokenError](err)
	if ofToken {
		text, challenge = refused.Description()+".", strings.TrimPrefix(strings.TrimPrefix(refused.Challenge(), "Bearer"), " ")
	} else if statusOf(err) == http.StatusUnauthorized {
		challenge = `error="invalid_token"`
	}
	status := statusOf(err)
	if status == http.StatusUnauthorized {
		where := `Bearer authorization_uri="` + c.base() + "/" + c.h.options.Place.Tenant + `"`
		if challenge != "" {
			where += ", " + challenge
		}
		c.w.Header().Set("WWW-Authenticate", where)
	}
	return refuse(status, codeOf(status, refused), "%s", text)
}

func codeOf(status int, e *auth.TokenError) string {
	switch {
	case e != nil && e.Failure == auth.TokenMissing:
		return "AuthenticationFailed"
	case e != nil && e.Failure == auth.TokenExpired:
		return "ExpiredAuthenticationToken"
	case status == http.StatusForbidden:
		return "AuthorizationFailed"
	case status == http.StatusTooManyRequests:
		return "TooManyRequests"
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

// tokenKey is the key of the token endpoint. It comes from the admin token: every node that has the same one
// accepts the others' tokens, and a new admin token ends all that were given out before.
func tokenKey(seed secret.Text) auth.Secret {
	mac := hmac.New(sha256.New, []byte(seed.Reveal()))
	mac.Write([]byte("hubgate: tokens of the resource API"))
	return auth.Secret(hex.EncodeToString(mac.Sum(nil)))
}
