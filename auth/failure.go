package auth

import "net/http"

// Failure says why a token was refused. The list is closed: it is what the log
// line and the metric label carry.
type Failure string

// The reasons for which a token is refused.
const (
	// TokenMissing: the request has no bearer token.
	TokenMissing Failure = "TokenMissing"
	// TokenTooLarge: longer than VerifierOptions.MaxTokenBytes.
	TokenTooLarge Failure = "TokenTooLarge"
	// TokenMalformed: not a JSON web token, or a registered claim of a wrong type.
	TokenMalformed Failure = "TokenMalformed"
	// TokenAlgorithm: signed by anything but HS256, HS512 and what is accepted of issuers; "none" included.
	TokenAlgorithm Failure = "TokenAlgorithm"
	// TokenLocalKey: signed with an access key, and these are switched off (R12).
	TokenLocalKey Failure = "TokenLocalKey"
	// TokenIssuer: signed by an issuer that is not among those that are accepted.
	TokenIssuer Failure = "TokenIssuer"
	// TokenIssuerDown: the keys of its issuer are not known, and cannot be read now.
	TokenIssuerDown Failure = "TokenIssuerDown"
	// TokenSignature: signed by none of the current access keys, or by no key of its issuer.
	TokenSignature Failure = "TokenSignature"
	// TokenNoExpiry: no exp claim.
	TokenNoExpiry Failure = "TokenNoExpiry"
	// TokenExpired: exp has passed by more than the leeway.
	TokenExpired Failure = "TokenExpired"
	// TokenNotYetValid: nbf is further away than the leeway.
	TokenNotYetValid Failure = "TokenNotYetValid"
	// TokenAudience: made for another hub, path, application or host, or for nothing.
	TokenAudience Failure = "TokenAudience"
	// TokenRight: its issuer has given no right to what is asked for.
	TokenRight Failure = "TokenRight"
)

// Failures returns the whole list, in the order in which tokens are checked.
func Failures() []Failure {
	return []Failure{
		TokenMissing, TokenTooLarge, TokenMalformed, TokenAlgorithm, TokenLocalKey, TokenIssuer, TokenIssuerDown,
		TokenSignature, TokenNoExpiry, TokenExpired, TokenNotYetValid, TokenAudience, TokenRight,
	}
}

// Description is a sentence for the caller. It is fixed text of printable ASCII
// without quotes.
func (f Failure) Description() string {
	switch f {
	case TokenMissing:
		return "The request has no bearer token"
	case TokenTooLarge:
		return "The token is too long"
	case TokenMalformed:
		return "The token is malformed"
	case TokenAlgorithm:
		return "The token must be signed with HS256 or HS512 and an access key. Tokens of Microsoft Entra and other issuers need the setting oidc.issuers"
	case TokenLocalKey:
		return "Access keys are switched off, use a token of an issuer"
	case TokenIssuer:
		return "The issuer is invalid"
	case TokenIssuerDown:
		return "The keys of the issuer cannot be read now"
	case TokenSignature:
		return "The signature key was not found"
	case TokenNoExpiry:
		return "The token has no expiration"
	case TokenExpired:
		return "The token is expired"
	case TokenNotYetValid:
		return "The token is not valid yet"
	case TokenAudience:
		return "The audience is invalid"
	case TokenRight:
		return "The token does not allow this"
	}
	return "The token is invalid"
}

// TokenError is the error of every refused token. It never holds the token or
// any part of it but, if the signature was good, its audience.
type TokenError struct {
	Failure Failure
	// Detail is for the log: what was expected and what was found. May be empty.
	Detail string
}

// Error is the log text.
func (e *TokenError) Error() string {
	text := "token refused: " + string(e.Failure)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Description is a sentence for the caller, safe to send.
func (e *TokenError) Description() string { return e.Failure.Description() }

// Status is the HTTP status of the answer: 413 for a token that is too large, 503 while its issuer
// cannot be asked, 403 for one that does not give the right, 401 for all others.
func (e *TokenError) Status() int {
	switch e.Failure {
	case TokenTooLarge:
		return http.StatusRequestEntityTooLarge
	case TokenIssuerDown:
		return http.StatusServiceUnavailable
	case TokenRight:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

// RetryAfter is after how many seconds the same token may be presented again, 0 if that would change
// nothing.
func (e *TokenError) RetryAfter() int {
	if e.Failure == TokenIssuerDown {
		return 5
	}
	return 0
}

// Challenge is the value of WWW-Authenticate: `Bearer` if there was no token,
// "" where Status is neither 401 nor 403 (the header is then left out), else
// `Bearer error="invalid_token", error_description="…"`, or insufficient_scope with 403.
func (e *TokenError) Challenge() string {
	switch {
	case e.Failure == TokenMissing:
		return "Bearer"
	case e.Failure == TokenRight:
		return `Bearer error="insufficient_scope", error_description="` + e.Description() + `"`
	case e.Status() != http.StatusUnauthorized:
		return ""
	}
	return `Bearer error="invalid_token", error_description="` + e.Description() + `"`
}
