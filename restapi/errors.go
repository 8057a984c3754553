package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// failure is an answer other than success. All errors of handlers become one.
type failure struct {
	status int
	reason FailureReason
	// code goes into the header x-ms-error-code and the body; SDKs compare it.
	// Without it the answer has no body.
	code    ErrorCode
	target  ErrorDetailTarget
	message string
	// retryAfter, in seconds, and challenge become headers if not zero.
	retryAfter int
	challenge  string
	// encodings, if not empty, are the codings that a body may have.
	encodings string
	// cause is for the log alone.
	cause error
}

// Error is the log text.
func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.cause }

// The codes that SDKs compare with the operations that answer them: a 404
// without the exact one is an exception in .NET (R26–R29).
const (
	codeNoConnection      = "Warning.Connection.NotExisted"
	codeNoConnectionToAdd = "Error.Connection.NotExisted"
	codeNoUser            = "Warning.User.NotExisted"
	codeNoGroup           = "Warning.Group.NotExisted"
	codeUserNotInGroup    = "Info.User.NotInGroup"
)

const (
	codeRequestInvalid    = "Error.Request.Invalid"
	codeRequestNotExisted = "Error.Request.NotExisted"
	codeThrottled         = "Error.Request.Throttled"
	codeRequestUnknown    = "Error.Request.Unknown"
	codeUnknown           = "Error.Unknown.Unknown"
)

func notExisted(code ErrorCode, target ErrorDetailTarget, message string) error {
	return &failure{status: http.StatusNotFound, reason: ReasonNotExisted, code: code, target: target, message: message}
}

// invalid refuses a parameter; its code names the target.
func invalid(target ErrorDetailTarget, message string) error {
	return &failure{
		status: http.StatusBadRequest, reason: ReasonParameter,
		code: "Error." + string(target) + ".Invalid", target: target, message: message,
	}
}

// refused is a failure of the request as a whole.
func refused(status int, reason FailureReason, message string) *failure {
	return &failure{
		status: status, reason: reason, code: codeRequestInvalid, target: ErrorDetailTargetRequest, message: message,
	}
}

// asFailure is the one place where errors get a status. What it does not know
// says nothing of itself to the caller.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if f, ok := errors.AsType[*auth.TokenError](err); ok {
		return tokenFailure(f)
	}
	if over, ok := errors.AsType[*gateway.Overrun](err); ok {
		return limited(over)
	}
	if name, ok := badParameter(err); ok {
		f := asFailure(invalid(parameterTarget(name), "The parameter "+name+" is not valid."))
		f.cause = err
		return f
	}
	if none, ok := errors.AsType[*gateway.NoAnswer](err); ok {
		return unanswered(none)
	}
	// What a store without room says; the name is no one else's, unlike Temporary.
	var full interface{ Full() bool }
	var down interface{ Unavailable() bool }
	switch {
	case errors.Is(err, gateway.ErrHubBusy):
		return unavailable(ReasonHubBusy, 1, "Too many bytes are waiting for the clients of this hub. The message was not sent.", nil)
	case errors.Is(err, gateway.ErrTooManyGroups):
		f := asFailure(invalid(ErrorDetailTargetConnection, "The connection is in too many groups."))
		f.reason = ReasonTooManyGroups
		return f
	case errors.Is(err, context.Canceled):
		return &failure{
			status: http.StatusInternalServerError, reason: ReasonCallerGone, code: codeUnknown,
			message: "The request was given up.", cause: err,
		}
	case errors.As(err, &full) && full.Full():
		return unavailable(ReasonFull, 60, "There is no room for further memberships.", err)
	case errors.As(err, &down) && down.Unavailable():
		return unavailable(ReasonStoreDown, 5, "The memberships of users cannot be reached now. Whether a change was made is not known; it may be asked for again.", err)
	case errors.Is(err, gateway.ErrIncomplete):
		return unavailable(ReasonIncomplete, 5, "Not all nodes of the gateway answered in time.", err)
	}
	return &failure{
		status: http.StatusInternalServerError, reason: ReasonInternal, code: codeUnknown,
		message: "The gateway could not carry out the request.", cause: err,
	}
}

// unavailable is the failure of what may be tried again, after so many seconds.
func unavailable(reason FailureReason, retryAfter int, message string, cause error) *failure {
	return &failure{
		status: http.StatusServiceUnavailable, reason: reason, code: codeRequestUnknown,
		target: ErrorDetailTargetRequest, retryAfter: retryAfter, message: message, cause: cause,
	}
}

// limited is the failure of a caller that is over a rule of the operator.
func limited(over *gateway.Overrun) *failure {
	return &failure{
		status: http.StatusTooManyRequests, reason: ReasonRateLimited, code: codeThrottled,
		target: ErrorDetailTargetRequest, retryAfter: over.RetryAfter(), message: over.Error(),
	}
}

func tokenFailure(err *auth.TokenError) *failure {
	f := &failure{status: err.Status(), reason: ReasonToken, challenge: err.Challenge(), retryAfter: err.RetryAfter(), cause: err}
	if f.status != http.StatusUnauthorized {
		f.code, f.target, f.message = codeRequestInvalid, ErrorDetailTargetRequest, err.Description()+"."
	}
	return f
}

// badParameter returns the parameter that the generated code could not read.
// Its own errors hold Go's wording and are for the log.
func badParameter(err error) (name string, ok bool) {
	if bad, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		return bad.ParamName, true
	}
	if missing, ok := errors.AsType[*RequiredParamError](err); ok {
		return missing.ParamName, true
	}
	return "", false
}

func parameterTarget(name string) ErrorDetailTarget {
	switch name {
	case "connection":
		return ErrorDetailTargetConnection
	case "group":
		return ErrorDetailTargetGroup
	case "user", "userId":
		return ErrorDetailTargetUser
	}
	return ErrorDetailTargetRequest
}

// write sends the answer. The code is also a header because HEAD has no body.
func (f *failure) write(w http.ResponseWriter) {
	header := w.Header()
	if f.challenge != "" {
		header.Set("WWW-Authenticate", f.challenge)
	}
	if f.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.encodings != "" {
		header.Set("Accept-Encoding", f.encodings)
	}
	if f.reason == ReasonBodyTooLarge || f.reason == ReasonBodyTooSlow {
		// What is still to come is not waited for.
		header.Set("Connection", "close")
	}
	if f.code == "" {
		w.WriteHeader(f.status)
		return
	}
	// Only strings are in it: encoding them cannot fail.
	body, _ := json.Marshal(ErrorDetail{Code: f.code, Message: f.message, Target: f.target})
	header.Set("x-ms-error-code", f.code)
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}
