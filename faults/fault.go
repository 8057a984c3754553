// Package faults injects faults into hubs that are marked for it, so that the authors of clients see how these take a
// network or a gateway that fails. Everything it does has an end, and is counted.
package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what a fault does. The list is closed: it is the label of the metric.
type Kind string

const (
	// Drop loses a share of the deliveries to clients.
	Drop Kind = "drop"
	// Delay delivers later to a share of the connections, in order.
	Delay Kind = "delay"
	// Cut breaks the transports of a share of the connections without a word, as a network would.
	Cut Kind = "cut"
	// Close closes a share of the connections; the clients are told, and may reconnect.
	Close Kind = "close"
	// Negotiate refuses a share of the clients that negotiate, with status 503.
	Negotiate Kind = "negotiate"
	// Webhook makes a share of the webhook calls slower.
	Webhook Kind = "webhook"
)

// Kinds returns the closed list.
func Kinds() []Kind { return []Kind{Drop, Delay, Cut, Close, Negotiate, Webhook} }

// canonical is the kind as the list has it: people may write it in other letters.
func (k Kind) canonical() Kind { return Kind(strings.ToLower(string(k))) }

func (k Kind) known() bool { return slices.Contains(Kinds(), k) }

// unknown says what is wrong with a kind that is not known.
func unknown() string { return fmt.Sprintf("is none of %v", Kinds()) }

const (
	// MaxTime is the longest that a fault lasts, DefaultTime how long it does if nobody says.
	MaxTime, DefaultTime = time.Hour, 5 * time.Minute
	// MaxDelay is the longest Delay.
	MaxDelay = time.Minute
	// MinEvery is the shortest Every.
	MinEvery = 100 * time.Millisecond
	// maxHeld is how many bytes are held back for the clients of a hub at a node.
	maxHeld = 16 << 20
)

// Spec is what an operator asks for.
type Spec struct {
	Hub  string
	Kind Kind
	// Share is the part that is hit, more than 0 and at most 1.
	Share float64
	// Delay is by how much Delay and Webhook delay, at most MaxDelay.
	Delay time.Duration
	// Every has Cut and Close come again, each time for other connections. 0 is once, at once.
	Every time.Duration
	// For is how long the fault lasts, at most MaxTime; 0 stands for DefaultTime. Cut and Close without Every
	// take none.
	For time.Duration
	// By is who asks, for people.
	By string
}

// Fault is a fault in force.
type Fault struct {
	Spec
	Until time.Time
	// Hits is how often it has hit at this node.
	Hits uint64
}

// ErrNotMarked refuses a fault for a hub that is not marked. It is an *InvalidError.
var ErrNotMarked error = &InvalidError{
	Field: "hub", Reason: "is not marked for faults: start the gateway with --faults-hub HUB, or with hubs.HUB.faults in its file",
}

// InvalidError says what is wrong with a Spec.
type InvalidError struct{ Field, Reason string }

// Error names the field and the reason.
func (e *InvalidError) Error() string { return e.Field + " " + e.Reason }

// once reports whether the fault is over when it has happened.
func (s *Spec) once() bool { return s.repeats() && s.Every == 0 }

// repeats reports whether the fault happens to connections at a moment, instead of to what they do.
func (s *Spec) repeats() bool { return s.Kind == Cut || s.Kind == Close }

// check fills in what was left out. The error is an *InvalidError.
func (s *Spec) check() error {
	s.Hub, s.Kind = strings.ToLower(s.Hub), s.Kind.canonical()
	if s.For == 0 && !s.once() {
		s.For = DefaultTime
	}
	delays := s.Kind == Delay || s.Kind == Webhook
	for _, rule := range []struct {
		broken        bool
		field, reason string
	}{
		{s.Hub == "", "hub", "is missing"},
		{!s.Kind.known(), "kind", unknown()},
		{!(s.Share > 0 && s.Share <= 1), "share", "is not more than 0 and at most 1"},
		{delays && (s.Delay <= 0 || s.Delay > MaxDelay), "delay", "is not more than 0 and at most " + MaxDelay.String()},
		{!delays && s.Delay != 0, "delay", "is for delay and webhook only"},
		{!s.repeats() && s.Every != 0, "every", "is for cut and close only"},
		{s.Every != 0 && s.Every < MinEvery, "every", "is less than " + MinEvery.String()},
		{s.once() && s.For != 0, "for", "needs every: without it " + string(s.Kind) + " happens once, at once"},
		{s.For < 0 || s.For > MaxTime, "for", "is not more than 0 and at most " + MaxTime.String()},
	} {
		if rule.broken {
			return &InvalidError{rule.field, rule.reason}
		}
	}
	return nil
}
