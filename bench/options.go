// Package bench puts load on a gateway from outside, the way its users do: it
// opens many WebSocket clients, sends through the REST API, counts every
// delivery where it arrives and, given the server's process id, tells what a
// delivery cost the server. Its clients are as lean as they can be, since they
// share the machine with what they measure.
package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// Limits of Options.
const (
	MinPayload  = len(markerPrefix) + nonceLength + slotLength + stampLength
	MaxPayload  = 1 << 20
	MaxInFlight = 4096
	MaxClients  = 1_000_000
	// MaxCallers bounds the clients of Echo.
	MaxCallers = 1<<(4*slotLength) - 1
)

// Protocol is a hub protocol by the name of its handshake.
type Protocol string

// The hub protocols that the clients speak.
const (
	JSON        Protocol = "json"
	MessagePack Protocol = "messagepack"
)

// Kind is what is sent while the clients are connected.
type Kind string

// The kinds of load.
const (
	// Nothing leaves the clients idle.
	Nothing Kind = "nothing"
	// Broadcast sends each message to every client.
	Broadcast Kind = "broadcast"
	// ToUsers sends each message to one random client by its user id.
	ToUsers Kind = "to-users"
	// Echo has each client call the method echo, again as soon as it is answered. The hub must
	// have that method, which returns its one argument; the floor has it if told so.
	Echo Kind = "echo"
)

// Options describe one run.
type Options struct {
	Target  Target
	Clients Clients
	Load    Load
	// PID is the server's process, on this machine; 0 means it is not looked at.
	PID int
	// Tree counts the processes that this one started too.
	Tree bool
	// Progress gets a line now and then; nil means none.
	Progress io.Writer
}

// Target is the server under load.
type Target struct {
	// Endpoint is http://host:port or https://host:port, with a path prefix if any.
	Endpoint *url.URL
	// REST is where messages are sent to, if not to Endpoint: another node of the same cluster, for example.
	REST *url.URL
	Hub  string
	// Application makes the clients those of ASP.NET SignalR. The run is then the application of that
	// name too: it serves the hub. ServerToken signs tokens for that, given the key of a hub. Empty
	// means clients of ASP.NET Core SignalR, and messages through REST.
	Application string
	ServerToken func(hub string) (string, error)
	// Floor says that the server is bench/floor: no negotiation, no tokens, and
	// its own path for sending.
	Floor bool
	// Peer makes the server one of another kind; nil means hubgate or the floor. Its clients only take
	// what is broadcast.
	Peer *Peer
	// TLS is used with https; nil means the system's defaults.
	TLS *tls.Config
	// ClientToken signs the token of one user, RESTToken that of one REST
	// resource, given as URL without a query. Unused with Floor; safe for
	// concurrent use.
	ClientToken func(user string) (string, error)
	RESTToken   func(resource string) (string, error)
}

// Clients says what connects.
type Clients struct {
	Count    int      `json:"count"`
	Protocol Protocol `json:"protocol"`
	// Negotiate makes each client negotiate first, on a connection of its own.
	Negotiate bool `json:"negotiate"`
	// Parallel bounds the clients that are connecting at a time; 0 means all at once.
	Parallel int `json:"parallel"`
	// Stalled is how many further clients join, shake hands and then never read
	// again. Nothing is expected of them.
	Stalled int `json:"stalled"`
	// Timeout bounds one client's connecting and one message's delivery.
	Timeout time.Duration `json:"timeout_ns"`
}

// Load says what is sent.
type Load struct {
	Kind Kind `json:"kind"`
	// Payload is the length of the one text argument in bytes.
	Payload int `json:"payload_bytes"`
	// InFlight is how many messages may be under way: the next one is sent when
	// fewer than that are not yet with all their receivers. With Echo it is not
	// used: each client has one call under way.
	InFlight int `json:"in_flight"`
	// Count messages are sent, or as many as fit into Duration if that is not zero.
	Count    int           `json:"count"`
	Duration time.Duration `json:"duration_ns"`
	// Rate bounds the messages of a second, evenly spread; 0 is as many as InFlight allows.
	// Not with Echo.
	Rate float64 `json:"rate"`
	// Warmup messages go first and are not measured.
	Warmup int `json:"warmup"`
	// Idle is how long the clients then stay connected before memory is read.
	Idle time.Duration `json:"idle_ns"`
}

func (o *Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Target.Endpoint != nil && (o.Target.Endpoint.Scheme == "http" || o.Target.Endpoint.Scheme == "https"),
		"the endpoint must be an http or https URL")
	check(o.Target.REST == nil || !o.Target.Floor, "the floor takes messages where it takes clients")
	if o.Target.Application != "" {
		check(!o.Target.Floor, "the floor serves no clients of ASP.NET SignalR: compare with its own")
		check(o.Target.ServerToken != nil, "the application needs a signer")
		check(o.Clients.Negotiate && o.Clients.Protocol == JSON, "clients of ASP.NET SignalR negotiate, and have no protocol but JSON")
	}
	if p := o.Target.Peer; p != nil {
		if err := p.validate(); err != nil {
			errs = append(errs, err)
		}
		check(!o.Target.Floor && o.Target.Application == "", "a peer is neither the floor nor a gateway")
		check(o.Clients.Protocol == JSON && !o.Clients.Negotiate, "clients of a peer do not negotiate, and have no protocol but its own")
		check(o.Load.Kind == Broadcast || o.Load.Kind == Nothing, "a peer gets broadcasts, or nothing")
	}
	check(o.Target.Floor || o.Target.Peer != nil || o.Target.ClientToken != nil && o.Target.RESTToken != nil, "tokens need a signer")
	check(o.Clients.Count > 0 && o.Clients.Count <= MaxClients, "clients: 1 to %d", MaxClients)
	check(o.Clients.Stalled >= 0 && o.Clients.Stalled <= MaxClients, "stalled clients: 0 to %d", MaxClients)
	check(o.Clients.Protocol == JSON || o.Clients.Protocol == MessagePack && !o.Target.Floor,
		"protocol: json or messagepack, only json on the floor")
	check(!(o.Target.Floor && o.Load.Kind == ToUsers), "the floor knows no users")
	check(o.Clients.Timeout > 0, "the timeout must be positive")
	if o.Load.Kind != Nothing {
		check(o.Load.Kind == Broadcast || o.Load.Kind == ToUsers || o.Load.Kind == Echo, "kind: nothing, broadcast, to-users or echo")
		check(o.Load.Kind != Echo || o.Clients.Count <= MaxCallers, "clients that call: 1 to %d", MaxCallers)
		check(o.Load.Payload >= MinPayload && o.Load.Payload <= MaxPayload, "payload: %d to %d bytes", MinPayload, MaxPayload)
		check(o.Load.InFlight > 0 && o.Load.InFlight <= MaxInFlight, "in flight: 1 to %d", MaxInFlight)
		check(o.Load.Rate >= 0, "the rate must not be negative")
		check(o.Load.Rate == 0 || o.Load.Kind != Echo, "a rate bounds what is sent, and clients that call send at their own pace: leave out the rate or echo")
		check(o.Load.Count > 0 || o.Load.Duration > 0, "a count or a duration is needed")
	}
	if len(errs) > 0 {
		return OptionsError{errors.Join(errs...)}
	}
	return nil
}

// OptionsError is what is wrong with the options of a run.
type OptionsError struct{ error }

func (e OptionsError) Unwrap() error { return e.error }

// slots is how many messages may be under way.
func (o *Options) slots() int {
	if o.Load.Kind == Echo {
		return o.Clients.Count
	}
	return max(o.Load.InFlight, 1)
}
