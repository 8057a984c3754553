package restapi

// FailureReason is why a request failed. The list is closed: it is the field "reason"
// of the log line and the label of the metric.
type FailureReason string

const (
	// ReasonUnknownRoute: the contract has no such path.
	ReasonUnknownRoute FailureReason = "UnknownRoute"
	// ReasonMethod: the path does not have the method.
	ReasonMethod FailureReason = "MethodNotAllowed"
	// ReasonURITooLong: path and query are over Limits.URIBytes.
	ReasonURITooLong FailureReason = "URITooLong"
	// ReasonPage: a browser asks whether a page may use REST; it may not.
	ReasonPage FailureReason = "PageRequest"
	// ReasonToken: there is no token, or it was refused; the error says why.
	ReasonToken FailureReason = "TokenRefused"
	// ReasonParameter: a parameter breaks the contract.
	ReasonParameter FailureReason = "InvalidParameter"
	// ReasonContentType: the body's type is none of the contract's.
	ReasonContentType FailureReason = "UnsupportedContentType"
	// ReasonContentEncoding: the body is compressed by anything but gzip.
	ReasonContentEncoding FailureReason = "UnsupportedContentEncoding"
	// ReasonBody: there is no body, or it is no message.
	ReasonBody FailureReason = "InvalidBody"
	// ReasonBodyTooLarge: the body is over Limits.BodyBytes.
	ReasonBodyTooLarge FailureReason = "BodyTooLarge"
	// ReasonBodyTooSlow: the body took longer than Limits.BodyTimeout.
	ReasonBodyTooSlow FailureReason = "BodyTooSlow"
	// ReasonNotExisted: no such connection, user, group or membership.
	ReasonNotExisted FailureReason = "NotExisted"
	// ReasonTooManyGroups: the connection is in as many groups as it may be.
	ReasonTooManyGroups FailureReason = "TooManyGroups"
	// ReasonHubBusy: too many bytes wait for the hub's clients (D12).
	ReasonHubBusy FailureReason = "HubBusy"
	// ReasonRateLimited: the caller is over a rule of the operator.
	ReasonRateLimited FailureReason = "RateLimited"
	// ReasonKeyReused: the Idempotency-Key belongs to another request.
	ReasonKeyReused FailureReason = "KeyReused"
	// ReasonKeyInUse: the first request with the Idempotency-Key has no answer yet.
	ReasonKeyInUse FailureReason = "KeyInUse"
	// ReasonTooManyKeys: no more of Idempotency-Key can be remembered.
	ReasonTooManyKeys FailureReason = "TooManyKeys"
	// ReasonFull: the store of memberships has no room.
	ReasonFull FailureReason = "StoreFull"
	// ReasonStoreDown: the store of memberships or of keys does not answer now.
	ReasonStoreDown FailureReason = "StoreUnavailable"
	// ReasonIncomplete: nodes of the cluster did not answer in time.
	ReasonIncomplete FailureReason = "NodesSilent"
	// ReasonDraining: health of a node that shuts down.
	ReasonDraining FailureReason = "Draining"
	// ReasonCallerGone: the caller closed its connection before the answer.
	ReasonCallerGone FailureReason = "CallerGone"
	// ReasonNoAnswer: the client did not answer in time.
	ReasonNoAnswer FailureReason = "NoAnswer"
	// ReasonClientError: the client answered with an error, or cannot answer.
	ReasonClientError FailureReason = "ClientError"
	// ReasonPanic: a handler panicked.
	ReasonPanic FailureReason = "Panic"
	// ReasonInternal: any other error.
	ReasonInternal FailureReason = "InternalError"
)

// failureList is every FailureReason: each is counted from zero.
var failureList = []FailureReason{
	ReasonUnknownRoute, ReasonMethod, ReasonURITooLong, ReasonPage, ReasonToken, ReasonParameter,
	ReasonContentType, ReasonContentEncoding, ReasonBody, ReasonBodyTooLarge, ReasonBodyTooSlow,
	ReasonNotExisted, ReasonTooManyGroups, ReasonHubBusy, ReasonRateLimited, ReasonKeyReused, ReasonKeyInUse, ReasonTooManyKeys, ReasonFull, ReasonStoreDown, ReasonIncomplete, ReasonDraining, ReasonCallerGone,
	ReasonNoAnswer, ReasonClientError, ReasonPanic, ReasonInternal,
}

// Failed returns how many requests failed since the start, by reason.
func (h *Endpoint) Failed() map[FailureReason]uint64 { return h.failed.Map() }
