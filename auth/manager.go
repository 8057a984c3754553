package auth

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// managerUse is the value of the claim "use" by which a token of a manager is told from every other.
const managerUse = "hubgate-manager"

// Manager is whom a token is for that opens the management of the gateway, and nothing else.
type Manager struct {
	// Name is the one under which changes are noted.
	Name string
	// Tenant is the directory that the token says to be of.
	Tenant string
	// Issuer is the URL of whoever has made the token, Audience the URL that it was asked for. Clients read
	// them; VerifyManager does not compare them.
	Issuer, Audience string
}

// managerClaims are the claims of the token, under the names that clients of Azure look for.
type managerClaims struct {
	jwt.RegisteredClaims
	Use         string `json:"use"`
	Tenant      string `json:"tid"`
	Application string `json:"appid"`
	Object      string `json:"oid"`
	Version     string `json:"ver"`
}

// SignManager returns a token (HS256) for the manager. The key must be of its own, not an access key. A
// lifetime of 0 means DefaultTokenLifetime.
func SignManager(key Secret, m Manager, now time.Time, lifetime time.Duration) (string, error) {
	if key == "" || m.Name == "" {
		return "", errors.New("sign manager's token: needs a key and a name")
	}
	if lifetime == 0 {
		lifetime = DefaultTokenLifetime
	}
	claims := managerClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: m.Issuer, Subject: m.Name, Audience: jwt.ClaimStrings{m.Audience},
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Use: managerUse, Tenant: m.Tenant, Application: m.Name, Object: m.Name, Version: "1.0",
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key.Reveal()))
	if err == nil && len(token) > DefaultMaxTokenBytes {
		err = ErrTokenTooLong
	}
	return token, err
}

// IsManagerToken says whether a token claims to be one of SignManager. It checks nothing: it is for choosing who
// checks.
func IsManagerToken(token string) bool {
	if len(token) > DefaultMaxTokenBytes {
		return false
	}
	use, _ := decodedClaims(token)["use"].(string)
	return use == managerUse
}

// EndOfIssuersToken returns when a token ends that was verified before, if an issuer has signed it: not an access
// key, and not for ever. It checks nothing.
func EndOfIssuersToken(token string) (end time.Time, ok bool) {
	if len(token) > DefaultMaxTokenBytes {
		return time.Time{}, false
	}
	var claims jwt.RegisteredClaims
	parsed, _, err := jwt.NewParser().ParseUnverified(token, &claims)
	if err != nil || isSymmetric(parsed) || claims.ExpiresAt == nil {
		return time.Time{}, false
	}
	return claims.ExpiresAt.Time, true
}

// VerifyManager returns whom a token of SignManager is for. Errors are of type *TokenError.
func VerifyManager(key Secret, token string, now time.Time) (Manager, error) {
	if len(token) > DefaultMaxTokenBytes {
		return Manager{}, &TokenError{Failure: TokenTooLarge}
	}
	if key == "" {
		return Manager{}, &TokenError{Failure: TokenSignature, Detail: errNoKeys.Error()}
	}
	var claims managerClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(key.Reveal()), nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(),
		jwt.WithLeeway(DefaultLeeway), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil {
		return Manager{}, managerError(err)
	}
	if claims.Use != managerUse || claims.Subject == "" {
		return Manager{}, &TokenError{Failure: TokenAudience, Detail: "the token is not for the management of the gateway"}
	}
	m := Manager{Name: claims.Subject, Tenant: claims.Tenant, Issuer: claims.Issuer}
	if len(claims.Audience) > 0 {
		m.Audience = claims.Audience[0]
	}
	return m, nil
}

func managerError(err error) error {
	failure := TokenMalformed
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		failure = TokenExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		failure = TokenNotYetValid
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		failure = TokenSignature
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		failure = TokenNoExpiry
	}
	return &TokenError{Failure: failure}
}
