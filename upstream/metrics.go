package upstream

import "time"

// Metrics watches a Backend. Its methods may be called concurrently, must be
// cheap and must not call back.
type Metrics interface {
	// Called reports a webhook that ended: the index of its template in the
	// settings, the category of the event, and how long it took from its turn in
	// the connection's queue on.
	Called(template int, category string, result Result, took time.Duration)
	// Skipped reports an event for which no webhook was called.
	Skipped(category string, reason SkipReason)
	// Queued changes the number of events that wait in the queues of connections.
	Queued(delta int)
}

// Result is how a webhook ended. The list is closed.
type Result string

const (
	// ResultOK is status 200 or 204 with an acceptable body.
	ResultOK Result = "ok"
	// ResultStatus is any other status.
	ResultStatus Result = "status"
	// ResultRejected is 401 or 403 to a connected event (D13).
	ResultRejected Result = "rejected"
	// ResultTooLarge is an answer over the limit (R72).
	ResultTooLarge Result = "too_large"
	// ResultMalformed is an answer that is no Completion of the invocation.
	ResultMalformed Result = "malformed"
	// ResultConnect is a failure before anything was sent: name, connect, TLS.
	ResultConnect Result = "connect"
	// ResultGuarded is an address that the guard refuses.
	ResultGuarded Result = "guarded"
	// ResultBroken is a connection that broke after the event may have been sent.
	ResultBroken Result = "broken"
	// ResultTimeout is no answer, or no complete one, in time.
	ResultTimeout Result = "timeout"
	// ResultBusy is no turn at the origin in time; nothing was sent.
	ResultBusy Result = "busy"
	// ResultToken is a webhook that wants a token of the gateway, for which there is none; nothing was sent.
	ResultToken Result = "token"
	// ResultShutdown is a call that was cut off by the end of the gateway.
	ResultShutdown Result = "shutdown"
)

// Results lists every Result, for metrics that start at zero.
var Results = []Result{
	ResultOK, ResultStatus, ResultRejected, ResultTooLarge, ResultMalformed, ResultConnect,
	ResultGuarded, ResultBroken, ResultTimeout, ResultBusy, ResultToken, ResultShutdown,
}

// SkipReason is why no webhook was called for an event. The list is closed.
type SkipReason string

const (
	// SkipUnmatched: no template takes the message (D3).
	SkipUnmatched SkipReason = "unmatched"
	// SkipUnsupported: streaming invocations have no webhook (C88).
	SkipUnsupported SkipReason = "unsupported"
	// SkipTarget: the target cannot stand in a header or a URL.
	SkipTarget SkipReason = "target"
	// SkipURL: the template makes no URL, mostly because of its secrets (R65).
	SkipURL SkipReason = "url"
	// SkipFull: the connection's queue is full (D14).
	SkipFull SkipReason = "queue_full"
	// SkipRejected: the upstream rejected the client (D13).
	SkipRejected SkipReason = "client_rejected"
	// SkipPanic: a fault of the gateway in the handling of this event, once per
	// fault; its webhook may have been called before. The connection is ended.
	SkipPanic SkipReason = "panic"
	// SkipAbandoned: the event waited behind one with SkipPanic.
	SkipAbandoned SkipReason = "abandoned"
	// SkipShutdown: the gateway ended first.
	SkipShutdown SkipReason = "shutdown"
	// SkipHeld: this node may not say now that the client has ended. It says so later, or another node
	// does, see Life.
	SkipHeld SkipReason = "held"
	// SkipLeft: the gateway ended first. The event stays in the outbox.
	SkipLeft SkipReason = "left"
	// SkipElsewhere: others have given this node up, and deliver the event.
	SkipElsewhere SkipReason = "elsewhere"
	// SkipWaited: a client waits for the answer, and an earlier event of it could not be delivered in time.
	SkipWaited SkipReason = "waited"
)

// SkipReasons lists every SkipReason, for metrics that start at zero.
var SkipReasons = []SkipReason{
	SkipUnmatched, SkipUnsupported, SkipTarget, SkipURL, SkipFull, SkipRejected, SkipPanic, SkipAbandoned, SkipShutdown, SkipHeld,
	SkipLeft, SkipElsewhere, SkipWaited,
}

type nopMetrics struct{}

func (nopMetrics) Called(int, string, Result, time.Duration) {}
func (nopMetrics) Skipped(string, SkipReason)                {}
func (nopMetrics) Queued(int)                                {}
