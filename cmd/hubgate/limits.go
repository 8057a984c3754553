package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/limits"
	"github.com/hubgate/hubgate/settings"
)

// forgetEvery is how often users are looked for whose limits need not be remembered.
const forgetEvery = 30 * time.Second

// rateLimits are the operator's rules in force.
type rateLimits struct {
	hub      *gateway.Gateway
	verifier *auth.Verifier
	lines    *logsum.Lines[overRule]
	others   *limits.Others             // nil for a node alone
	set      atomic.Pointer[limits.Set] // nil while there are no rules

	mu sync.Mutex // guards what follows
	// past is what rules did that are not in force any more, or were put in force anew.
	past map[string]map[limits.Outcome]uint64
	stop chan struct{} // ends the forgetting; nil while there are no rules
}

// overRule are overruns that are alike for the log.
type overRule struct {
	rule, hub string
	outcome   limits.Outcome
}

// limitRates puts the rules of the settings in force, now and whenever they change.
func (s *server) limitRates(hub *gateway.Gateway, verifier *auth.Verifier) *rateLimits {
	l := &rateLimits{hub: hub, verifier: verifier, past: make(map[string]map[limits.Outcome]uint64)}
	if peers := s.nodes.peers(); peers != nil {
		l.others = limits.NewOthers(peers)
	}
	log := s.log.With("part", partLimits)
	line := func(of overRule, attrs ...any) {
		log.Warn("over a limit", append([]any{"rule", of.rule, "outcome", string(of.outcome), "hub", cmp.Or(of.hub, "(any)")}, attrs...)...)
	}
	l.lines = logsum.New(func(of overRule, times uint64) { line(of, "times", times) })
	over := func(rule, hub, user string, did limits.Outcome) {
		if of := (overRule{rule, hub, did}); l.lines.First(of) {
			line(of, slog.String("user", user))
		}
	}
	refused := func(rule, hub, user string) { over(rule, hub, user, limits.OutcomeRefused) }
	use := func(now *settings.Settings) { l.use(rulesOf(now), over) }
	use(s.store.Current())
	l.count(s.store.Current().Firewall.Counts, refused)
	cancel := s.store.Observe(func(old, next *settings.Settings) {
		if !slices.Equal(old.Limits.Rules, next.Limits.Rules) || !slices.Equal(old.Firewall.Traffic, next.Firewall.Traffic) {
			use(next)
		}
		if !slices.Equal(old.Firewall.Counts, next.Firewall.Counts) {
			l.count(next.Firewall.Counts, refused)
		}
	})
	s.built.add("limits", ignoreContext(func() {
		cancel()
		l.others.Close()
		l.use(nil, over)
		l.lines.Close()
	}))
	s.admin.WatchLimits(l.over)
	return l
}

// rulesOf are the rules of the settings: the operator's own, and those of the application firewall.
func rulesOf(s *settings.Settings) (rules []limits.Rule) {
	for _, r := range s.Limits.Rules {
		rules = append(rules, limits.Rule{
			Name: r.Name, Scope: limits.Scope(r.Scope), What: limits.What(r.What), Rate: r.Rate, Burst: r.Burst,
			Text: r.Text, Hubs: r.Hubs, ReportOnly: r.ReportOnly,
		})
	}
	for i, r := range s.Firewall.Traffic {
		rules = append(rules, limits.Rule{
			Name: fmt.Sprintf("clientTrafficControlRules.%d", i), Scope: limits.ScopeClient, What: limits.WhatBytes,
			By: limits.By{Kind: r.By, Claim: r.Claim}, Rate: float64(r.Bytes) / r.Window.Seconds(), Burst: float64(r.Bytes),
			Text: fmt.Sprintf("%d in %v", r.Bytes, r.Window),
		})
	}
	return rules
}

// count puts rules about the number of clients in force in place of those before. Clients that are there count.
func (l *rateLimits) count(rules []settings.CountRule, refused func(rule, hub, user string)) {
	if len(rules) == 0 {
		l.hub.Turn(nil)
		l.others.Count(nil)
		return
	}
	counts := make([]limits.Count, 0, len(rules))
	for i, r := range rules {
		counts = append(counts, limits.Count{Name: fmt.Sprintf("clientConnectionCountRules.%d", i), By: limits.By{Kind: r.By, Claim: r.Claim}, Max: r.Max})
	}
	counter := limits.NewCounter(counts, l.others, refused)
	l.hub.Turn(counter)
	l.hub.Each(func(c *gateway.Conn) {
		who := c.Identity()
		counter.Seen(who)
		if there, _ := l.hub.Lookup(who.ID); there == nil {
			counter.Leave(who) // it has ended meanwhile
		}
	})
	l.others.Count(counter)
}

// use puts rules in force in place of those before.
func (l *rateLimits) use(rules []limits.Rule, over func(rule, hub, user string, did limits.Outcome)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.set.Load(); before != nil {
		add(l.past, before.Over())
		close(l.stop)
		l.stop = nil
	}
	if len(rules) == 0 {
		l.set.Store(nil)
		l.hub.Limit(nil)
		l.others.Measure(nil)
		return
	}
	o := limits.Options{Nodes: l.hub.Nodes, Over: over, Rules: rules}
	next := limits.New(o)
	l.set.Store(next)
	l.others.Measure(next)
	l.stop = make(chan struct{})
	go forget(next, l.stop)
	if next.ForClients() {
		l.hub.Limit(next)
	} else {
		l.hub.Limit(nil)
	}
}

// forget forgets users who make no difference, until stop is closed.
func forget(s *limits.Set, stop <-chan struct{}) {
	every := time.NewTicker(forgetEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			s.Forget()
		case <-stop:
			return
		}
	}
}

// rest counts a request of a caller.
func (l *rateLimits) rest(token string, bytes int64) error {
	set := l.set.Load()
	if set == nil || !set.ForKeys() {
		return nil
	}
	return set.REST(l.verifier.Caller(token), bytes)
}

// over returns what each rule did since the start.
func (l *rateLimits) over() map[string]map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := make(map[string]map[limits.Outcome]uint64)
	add(sum, l.past)
	if set := l.set.Load(); set != nil {
		add(sum, set.Over())
	}
	named := make(map[string]map[string]uint64, len(sum))
	for rule, outcomes := range sum {
		named[rule] = byName(outcomes)
	}
	return named
}

func add(to, from map[string]map[limits.Outcome]uint64) {
	for rule, outcomes := range from {
		if to[rule] == nil {
			to[rule] = make(map[limits.Outcome]uint64)
		}
		for outcome, n := range outcomes {
			to[rule][outcome] += n
		}
	}
}
