package gateway

import (
	"errors"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/filter"
)

// Verb is what a Command asks of a hub.
type Verb uint8

const (
	// VerbSend delivers Frames to the target.
	VerbSend Verb = iota + 1
	// VerbJoin adds the target's connections to Group.
	VerbJoin
	// VerbLeave removes the target's connections from Group.
	VerbLeave
	// VerbLeaveAll removes the target's connections from every group.
	VerbLeaveAll
	// VerbClose closes the target's connections with Cause.
	VerbClose
	// VerbCount counts the target's connections; with Group set, those in it.
	VerbCount
	// VerbList is VerbCount that also names the connections, a page of them.
	VerbList
	// VerbInvoke is VerbSend to a connection whose client has to answer (Gateway.Invoke).
	VerbInvoke
	// VerbRefresh gives the target's connections another end of their authentication, Membership.Until.
	VerbRefresh
)

// TargetKind says how a Target's IDs are meant.
type TargetKind uint8

const (
	TargetAll TargetKind = iota + 1
	TargetConnections
	TargetUsers
	TargetGroups
)

// Target names connections of one hub.
type Target struct {
	Kind TargetKind
	// IDs are connection ids, user ids or group names; unused for TargetAll.
	IDs []string
	// Except are connection ids, ExceptUsers user ids that are left out.
	Except, ExceptUsers []string
	// Filter, if there is one, leaves out the connections that it does not take at the moment at which
	// the command comes to them.
	Filter *filter.Filter
}

// Command is the one form of everything that REST, hub servers and other
// nodes ask of a hub. It is immutable once handed over.
type Command struct {
	// Hub is the hub's key: lower case, with the application's prefix if any.
	Hub    string
	Verb   Verb
	Target Target
	// Group is the group of VerbJoin, VerbLeave and VerbCount.
	Group string
	// Frames is the message of VerbSend and VerbInvoke.
	Frames *hubprotocol.Frames
	// Cause is the explanation of VerbClose.
	Cause Cause
	// Membership qualifies VerbJoin, VerbLeave and VerbRefresh.
	Membership Membership
	// Page is what VerbList names.
	Page Page
	// Invocation is the invocation id in the message of VerbInvoke.
	Invocation string
	// Any asks VerbCount only whether there is a connection: the first that is found is the answer,
	// and Result.Matched is not the whole number. Other nodes are not told of it.
	Any bool
	// By says who asks, for logs and those who watch.
	By Sender
	// From is the tag of the node that the command comes from, "" if that is this one. The Backplane
	// sets it; it is no part of the wire form.
	From string
	// Trace is the id under which logs and those who watch show the command; it may be empty.
	Trace string

	// Span is the W3C traceparent of the span that asks for the command, "" if there is none that is kept.
	Span string

	// came, if not nil, is called once when the fan-out of a send on this node is over.
	came func(SendReport)
}

// Sender is who asks for a command. The list is closed. It is not told to other nodes: what comes
// from one of them has none.
type Sender string

const (
	// SenderREST: a request to the REST API.
	SenderREST Sender = "rest"
	// SenderServer: a hub server.
	SenderServer Sender = "server"
)

// Membership says on whose behalf a connection is in a group.
type Membership struct {
	// ByUser marks a membership that stands for the user, not the connection.
	ByUser bool
	// Until ends a membership by user; zero means no end.
	Until time.Time
}

// Result is the answer to a Command, summed over all nodes.
type Result struct {
	// Matched is the number of connections the verb found. For VerbSend it is
	// zero: sends are not waited for.
	Matched int
	// Members is the page of VerbList, ordered by id.
	Members []Member
	// Receipt is that of a send that somebody follows.
	Receipt Receipt
}

// Add joins the results of two parts of a cluster.
func (r *Result) Add(other Result) {
	r.Matched += other.Matched
	r.Members = append(r.Members, other.Members...)
	r.Receipt.add(&other.Receipt)
}

var (
	// ErrHubBusy refuses a send while too many bytes wait for the hub's clients (D12).
	ErrHubBusy = errors.New("too many bytes are waiting for the clients of this hub")
	// ErrTooManyConnections refuses a client over the connection quota (C21).
	ErrTooManyConnections = errors.New("connection count reaches limit")
	// ErrTooManyHubs refuses a client of a new hub over the hub limit.
	ErrTooManyHubs = errors.New("hub count reaches limit")
	// ErrTooManyGroups refuses a membership over the connection's group limit.
	ErrTooManyGroups = errors.New("group count of the connection reaches limit")
	// ErrDraining refuses a client while the gateway shuts down.
	ErrDraining = errors.New("the gateway is shutting down")
	// ErrConnectionExists refuses a second connection with the same id.
	ErrConnectionExists = errors.New("a connection with this id exists")
	// errClosed refuses a command after the gateway's end.
	errClosed = errors.New("the gateway is closed")
	// errFault says that a part of a command was lost in a panic, which was logged.
	errFault = errors.New("the gateway failed to carry the command out")
	// ErrConnectionEnded refuses an id whose connection has ended.
	ErrConnectionEnded = errors.New("the connection with this id has ended")
	// ErrMissed refuses a client that comes back for records that are not kept any more.
	ErrMissed = errors.New("messages that the client has missed are not kept any more")
	// ErrNotStarted refuses a record of a client before Conn.Start.
	// ErrTooManyReturns is for a client that gives its connection another transport all the time.
	ErrTooManyReturns = errors.New("the client comes back too often")
	ErrNotStarted     = errors.New("the connection has not started")
)
