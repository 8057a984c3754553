package main

import (
	"cmp"
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
	l.use(s.store.Current().Limits.Rules, over)
	cancel := s.store.Observe(func(old, next *settings.Settings) {
		if !slices.Equal(old.Limits.Rules, next.Limits.Rules) {
			l.use(next.Limits.Rules, over)
		}
	})
	s.built.add("limits", ignoreContext(func() {
		cancel()
		l.use(nil, over)
		l.lines.Close()
	}))
	s.admin.WatchLimits(l.over)
	return l
}

// use puts rules in force in place of those before.
func (l *rateLimits) use(rules []settings.Rule, over func(rule, hub, user string, did limits.Outcome)) {
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
		return
	}
	o := limits.Options{Nodes: l.hub.Nodes, Over: over}
	for _, r := range rules {
		o.Rules = append(o.Rules, limits.Rule{
			Name: r.Name, Scope: limits.Scope(r.Scope), What: limits.What(r.What), Rate: r.Rate, Burst: r.Burst,
			Text: r.Text, Hubs: r.Hubs, ReportOnly: r.ReportOnly,
		})
	}
	next := limits.New(o)
	l.set.Store(next)
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
