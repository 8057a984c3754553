package presence

import (
	"context"
	"errors"
	"net/http"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// FailureReason is why a request about presence failed. The list is closed: it is the field "reason" of
// the log line, the label of the metric and, but for TokenRefused, the code in the answer.
type FailureReason string

const (
	// ReasonOff: the setting presence.access is off.
	ReasonOff FailureReason = "PresenceOff"
	// ReasonUnknownRoute: the contract has no such path.
	ReasonUnknownRoute FailureReason = "UnknownRoute"
	// ReasonMethod: the path does not have the method.
	ReasonMethod FailureReason = "MethodNotAllowed"
	// ReasonToken: there is no token, or it was refused; the error says why.
	ReasonToken FailureReason = "TokenRefused"
	// ReasonForbidden: the token is good, but does not name the right.
	ReasonForbidden FailureReason = "Forbidden"
	// ReasonParameter: a parameter breaks the contract.
	ReasonParameter FailureReason = "InvalidParameter"
	// ReasonTooMany: too many such requests are under way.
	ReasonTooMany FailureReason = "TooManyRequests"
	// ReasonRateLimited: the caller is over a rule of the operator.
	ReasonRateLimited FailureReason = "RateLimited"
	// ReasonIncomplete: nodes of the cluster did not answer in time.
	ReasonIncomplete FailureReason = "NodesSilent"
	// ReasonCallerGone: the caller closed its connection before the answer.
	ReasonCallerGone FailureReason = "CallerGone"
	// ReasonInternal: any other error.
	ReasonInternal FailureReason = "InternalError"
)

// failureList is every FailureReason: each is counted from zero.
var failureList = []FailureReason{
	ReasonOff, ReasonUnknownRoute, ReasonMethod, ReasonToken, ReasonForbidden, ReasonParameter, ReasonTooMany, ReasonRateLimited,
	ReasonIncomplete, ReasonCallerGone, ReasonInternal,
}

// failure is an answer other than success.
type failure struct {
	status  int
	reason  FailureReason
	message string
	// retryAfter, in seconds, and challenge become headers if not zero.
	retryAfter int
	challenge  string
	cause      error // for the log alone
}

// Error is the log text.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.cause }

func invalid(message string) error {
	return &failure{status: http.StatusBadRequest, reason: ReasonParameter, message: message}
}

// asFailure is the one place where errors get a status. What it does not know says nothing of itself to
// the caller.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if t, ok := errors.AsType[*auth.TokenError](err); ok {
		return &failure{status: t.Status(), reason: ReasonToken, message: t.Description() + ".", retryAfter: t.RetryAfter(), challenge: t.Challenge(), cause: t}
	}
	if name, ok := badParameter(err); ok {
		return &failure{status: http.StatusBadRequest, reason: ReasonParameter, message: "The parameter " + name + " is not valid.", cause: err}
	}
	if over, ok := errors.AsType[*gateway.Overrun](err); ok {
		return &failure{status: http.StatusTooManyRequests, reason: ReasonRateLimited, retryAfter: over.RetryAfter(), message: over.Error()}
	}
	switch {
	case errors.Is(err, auth.ErrNoPresence):
		return &failure{status: http.StatusForbidden, reason: ReasonForbidden, message: "The token's claim " + auth.PresenceClaim + " does not name the right " + auth.PresenceRead + ".", cause: err}
	case errors.Is(err, gateway.ErrIncomplete):
		return &failure{status: http.StatusServiceUnavailable, reason: ReasonIncomplete, retryAfter: 5, message: "Not all nodes of the gateway answered in time. The list would not be complete.", cause: err}
	case errors.Is(err, context.Canceled):
		return &failure{status: http.StatusServiceUnavailable, reason: ReasonCallerGone, message: "The request was given up.", cause: err}
	}
	return &failure{status: http.StatusInternalServerError, reason: ReasonInternal, message: "The gateway could not carry out the request.", cause: err}
}

// badParameter returns the parameter that the generated code could not read.
func badParameter(err error) (name string, ok bool) {
	if bad, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		return bad.ParamName, true
	}
	if missing, ok := errors.AsType[*RequiredParamError](err); ok {
		return missing.ParamName, true
	}
	if many, ok := errors.AsType[*TooManyValuesForParamError](err); ok {
		return many.ParamName, true
	}
	return "", false
}
