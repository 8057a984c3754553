// Package limits bounds how often clients come and how much is said, by rules of the operator: token
// buckets for each connection, user, hub or access key. A rule may only count what it would do. A Set is
// what the core asks (gateway.Limiter) and the REST API.
package limits

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// Scope says who has a bucket of its own.
type Scope string

const (
	// ScopeConnection: each connection.
	ScopeConnection Scope = "connection"
	// ScopeUser: each user of a hub. Anonymous clients are not counted.
	ScopeUser Scope = "user"
	// ScopeHub: each hub.
	ScopeHub Scope = "hub"
	// ScopeClient: all clients whose tokens have something in common, on any hub, see By.
	ScopeClient Scope = "client"
	// ScopeKey: each access key, for what its holders send over REST.
	ScopeKey Scope = "key"
)

// What says what is counted.
type What string

const (
	// WhatConnects: clients that connect.
	WhatConnects What = "connects"
	// WhatMessages: messages of clients, requests of REST.
	WhatMessages What = "messages"
	// WhatBytes: bytes of these.
	WhatBytes What = "bytes"
)

// Rule is one limit. It is valid: settings has checked it.
type Rule struct {
	// Name is unique.
	Name  string
	Scope Scope
	What  What
	// By is what the clients of ScopeClient have in common.
	By By
	// Rate is how many there may be in a second, on average; Burst is how many at once.
	Rate, Burst float64
	// Text says Rate as the operator wrote it.
	Text string
	// Hubs are the keys of the hubs that it is for; none is all. It is not for ScopeKey.
	Hubs string
	// ReportOnly counts what the rule would do, and does nothing.
	ReportOnly bool
}

// Outcome is what a rule did with something that was over it. The list is closed.
type Outcome string

const (
	// OutcomeHeld: the client was held back.
	OutcomeHeld Outcome = "Held"
	// OutcomeRefused: the request got 429, or the client was closed.
	OutcomeRefused Outcome = "Refused"
	// OutcomeReported: nothing, since the rule only counts.
	OutcomeReported Outcome = "Reported"
)

// Outcomes returns the closed list.
func Outcomes() []Outcome { return []Outcome{OutcomeHeld, OutcomeRefused, OutcomeReported} }

// Patience is how long a client is held back at most before its messages close it.
const Patience = time.Second

// rule is a Rule with what it has counted, and the buckets.
type rule struct {
	Rule
	hubs []string
	// nodes returns among how many nodes the rate is divided.
	nodes func() int
	table table
	over  map[Outcome]*atomic.Uint64
}

// perNano is the rate on this node, in a nanosecond. What is spread over all nodes is divided by them.
func (r *rule) perNano() float64 {
	rate := r.Rate / 1e9
	if r.Scope == ScopeHub || r.Scope == ScopeKey {
		rate /= float64(max(1, r.nodes()))
	}
	return rate
}

// longest bounds what is said of when to try again.
const longest = 24 * time.Hour

// until is how long it takes to make up for tokens that are missing, and longest at most: with a slow rule a
// large message may take longer than a Duration can say.
func (r *rule) until(missing float64) time.Duration {
	return time.Duration(min(missing/r.perNano(), float64(longest))) + 1
}

// capacity is how many tokens a bucket of this node holds.
func (r *rule) capacity() float64 {
	if r.Scope == ScopeHub || r.Scope == ScopeKey {
		return max(1, r.Burst/float64(max(1, r.nodes())))
	}
	return r.Burst
}

// forHub reports whether the rule is for a hub.
func (r *rule) forHub(hub string) bool { return len(r.hubs) == 0 || slices.Contains(r.hubs, hub) }

// error is the *gateway.Overrun of the rule.
func (r *rule) error(reset time.Duration) error {
	return &gateway.Overrun{Rule: r.Name, Text: r.describe(), Reset: reset}
}

func (r *rule) describe() string {
	return fmt.Sprintf("%s %s for each %s", r.Text, r.What, map[Scope]string{
		ScopeConnection: "connection", ScopeUser: "user", ScopeHub: "hub", ScopeKey: "access key", ScopeClient: r.By.String(),
	}[r.Scope])
}

// Options is what a Set works with.
type Options struct {
	Rules []Rule
	// Nodes returns how many nodes share what comes; nil means that this one is alone. It must be cheap.
	Nodes func() int
	// Over is told of each that was over a rule, for the log. It must not block. Nil tells nobody. User is "" if the rule is not about users.
	Over func(rule, hub, user string, did Outcome)
	// Now is a clock, in nanoseconds; nil is one that nobody sets.
	Now func() int64
}

// Set are rules in force. It implements gateway.Limiter. All methods may be called concurrently.
type Set struct {
	options Options
	rules   []*rule
	// connects, said and keys are the rules for clients that come, for what they say, and for REST.
	connects, said, keys []*rule
}

// New makes a Set; all buckets are full.
func New(o Options) *Set {
	if o.Nodes == nil {
		o.Nodes = func() int { return 1 }
	}
	if o.Over == nil {
		o.Over = func(string, string, string, Outcome) {}
	}
	if o.Now == nil {
		began := time.Now()
		o.Now = func() int64 { return int64(time.Since(began)) }
	}
	s := &Set{options: o}
	for _, given := range o.Rules {
		r := &rule{Rule: given, hubs: splitHubs(given.Hubs), nodes: o.Nodes, over: make(map[Outcome]*atomic.Uint64)}
		r.table.rule = r
		for _, did := range Outcomes() {
			r.over[did] = new(atomic.Uint64)
		}
		s.rules = append(s.rules, r)
		switch {
		case r.Scope == ScopeKey:
			s.keys = append(s.keys, r)
		case r.What == WhatConnects:
			s.connects = append(s.connects, r)
		default:
			s.said = append(s.said, r)
		}
	}
	return s
}

// ForClients reports whether some rule is about clients.
func (s *Set) ForClients() bool { return len(s.connects)+len(s.said) > 0 }

// ForKeys reports whether some rule is about REST.
func (s *Set) ForKeys() bool { return len(s.keys) > 0 }

// splitHubs reads the hubs of a rule.
func splitHubs(list string) (hubs []string) {
	for start, i := 0, 0; i <= len(list); i++ {
		if i == len(list) || list[i] == ',' {
			if i > start {
				hubs = append(hubs, list[start:i])
			}
			start = i + 1
		}
	}
	return hubs
}

// did counts and tells what a rule did.
func (s *Set) did(r *rule, hub, user string, what Outcome) {
	r.over[what].Add(1)
	if r.Scope != ScopeUser && r.Scope != ScopeConnection {
		user = ""
	}
	s.options.Over(r.Name, hub, user, what)
}

// Over returns how often each rule was passed since it is in force, by name and outcome.
func (s *Set) Over() map[string]map[Outcome]uint64 {
	all := make(map[string]map[Outcome]uint64, len(s.rules))
	for _, r := range s.rules {
		all[r.Name] = make(map[Outcome]uint64, len(r.over))
		for did, n := range r.over {
			all[r.Name][did] = n.Load()
		}
	}
	return all
}

// Forget forgets the buckets of those who have not been there for so long that they make no difference. It
// returns how many are left.
func (s *Set) Forget() (left int) {
	now := s.options.Now()
	for _, r := range s.rules {
		left += r.table.forget(now)
	}
	return left
}

// bucketKey names a bucket of a user or a hub.
func bucketKey(scope Scope, hub, user string) string {
	if scope == ScopeUser {
		return strconv.Itoa(len(hub)) + ":" + hub + user
	}
	return hub
}

// Connect implements gateway.Limiter.
func (s *Set) Connect(hub, user string, probe bool) error {
	now := s.options.Now()
	taken := 0
	for i, r := range s.connects {
		if !r.forHub(hub) || r.Scope == ScopeUser && user == "" {
			continue
		}
		b := r.table.get(bucketKey(r.Scope, hub, user), now)
		var reset time.Duration
		if probe {
			reset = b.missing(r, 1, now)
		} else {
			_, reset = b.take(r, 1, now, 0)
		}
		r.table.put(b)
		switch {
		case reset == 0:
			taken = i + 1
		case r.ReportOnly:
			if !probe {
				s.did(r, hub, user, OutcomeReported)
			}
		default:
			s.did(r, hub, user, OutcomeRefused)
			if !probe {
				s.giveBack(s.connects[:taken], hub, user, now)
			}
			return r.error(reset)
		}
	}
	return nil
}

// giveBack gives one token back to each rule.
func (s *Set) giveBack(rules []*rule, hub, user string, now int64) {
	for _, r := range rules {
		if r.ReportOnly || !r.forHub(hub) || r.Scope == ScopeUser && user == "" {
			continue
		}
		b := r.table.get(bucketKey(r.Scope, hub, user), now)
		b.give(r, 1)
		r.table.put(b)
	}
}

// REST counts a request of a caller with an access key, and its body. The error is an *gateway.Overrun.
func (s *Set) REST(key string, bytes int64) error {
	now := s.options.Now()
	for i, r := range s.keys {
		n := 1.0
		if r.What == WhatBytes {
			n = float64(bytes)
		}
		b := r.table.get(key, now)
		_, reset := b.take(r, n, now, 0)
		r.table.put(b)
		switch {
		case reset == 0:
		case r.ReportOnly:
			s.did(r, "", "", OutcomeReported)
		default:
			s.did(r, "", "", OutcomeRefused)
			for _, before := range s.keys[:i] {
				if before.ReportOnly {
					continue
				}
				n := 1.0
				if before.What == WhatBytes {
					n = float64(bytes)
				}
				b := before.table.get(key, now)
				b.give(before, n)
				before.table.put(b)
			}
			return r.error(reset)
		}
	}
	return nil
}

// Meter implements gateway.Limiter.
func (s *Set) Meter(hub, user string) gateway.Meter {
	return s.ClientMeter(&gateway.Identity{Hub: hub, User: user})
}

// ClientMeter implements gateway.ClientLimiter.
func (s *Set) ClientMeter(who *gateway.Identity) gateway.Meter {
	hub, user := who.Hub, who.User
	m := &meter{set: s, hub: hub, user: user}
	now := s.options.Now()
	for _, r := range s.said {
		if !r.forHub(hub) || r.Scope == ScopeUser && user == "" {
			continue
		}
		c := counted{rule: r}
		switch r.Scope {
		case ScopeConnection:
			c.bucket = &bucket{tokens: r.capacity(), at: now}
		case ScopeClient:
			key, ok := r.By.of(who)
			if !ok {
				continue
			}
			c.bucket, c.shared = r.table.get(key, now), true
		default:
			c.bucket, c.shared = r.table.get(bucketKey(r.Scope, hub, user), now), true
		}
		m.counted = append(m.counted, c)
	}
	if len(m.counted) == 0 {
		return nil
	}
	return m
}

// takeSaid returns what clients with something in common have said since it was called last, by rule. A nil Set has
// nothing.
func (s *Set) takeSaid() numbers {
	all := make(numbers)
	if s == nil {
		return all
	}
	for _, r := range s.said {
		if r.Scope != ScopeClient {
			continue
		}
		if said := r.table.takeSaid(); len(said) > 0 {
			all[r.key()] = said
		}
	}
	return all
}

// spend takes off what clients have said on another node. A nil Set has no rules.
func (s *Set) spend(about, value string, n int) {
	if s == nil {
		return
	}
	now := s.options.Now()
	for _, r := range s.said {
		if r.Scope == ScopeClient && r.key() == about {
			b := r.table.get(value, now)
			b.spend(r, float64(n), now)
			r.table.put(b)
		}
	}
}

// meter counts what one client says. It implements gateway.Meter.
type meter struct {
	set       *Set
	hub, user string
	counted   []counted
}

// counted is one rule with the bucket of the client.
type counted struct {
	rule   *rule
	bucket *bucket
	shared bool // the bucket is in the rule's table
}

// Take implements gateway.Meter.
func (m *meter) Take(bytes int) (hold time.Duration, over error) {
	now := m.set.options.Now()
	for i := range m.counted {
		c := &m.counted[i]
		patience := Patience
		if c.rule.ReportOnly {
			patience = 0
		}
		wait, reset := c.bucket.take(c.rule, c.tokens(bytes), now, patience)
		switch {
		case reset > 0 && c.rule.ReportOnly:
			m.set.did(c.rule, m.hub, m.user, OutcomeReported)
		case reset > 0:
			m.set.did(c.rule, m.hub, m.user, OutcomeRefused)
			for j := range i {
				if before := &m.counted[j]; !before.rule.ReportOnly {
					before.bucket.give(before.rule, before.tokens(bytes))
				}
			}
			return 0, c.rule.error(reset)
		case wait > 0:
			m.set.did(c.rule, m.hub, m.user, OutcomeHeld)
			hold = max(hold, wait)
		}
	}
	return hold, nil
}

// tokens is what a message costs.
func (c *counted) tokens(bytes int) float64 {
	if c.rule.What == WhatBytes {
		return math.Max(1, float64(bytes))
	}
	return 1
}

// End implements gateway.Meter.
func (m *meter) End() {
	for _, c := range m.counted {
		if c.shared {
			c.rule.table.put(c.bucket)
		}
	}
}
