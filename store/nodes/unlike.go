package nodes

import (
	"maps"
	"slices"
	"time"
)

// unlikeAfter is for how many renewals a difference has to last: nodes that take a change together tell
// of it one after the other.
const unlikeAfter = 2

// comparison is what is known of how the settings of other nodes differ from this one's.
type comparison struct {
	since map[string]time.Duration // by node, of those that differ
	told  map[string][]string      // the parts, of those that do so for long enough
}

// compare finds out which other nodes have settings that differ from this one's, and says so when that
// changes.
func (l *Lease) compare(now moment) {
	if l.opts.Settings == nil {
		return
	}
	c := &l.flags.unlike
	since, told := make(map[string]time.Duration), make(map[string][]string)
	for _, s := range l.machine.others.seen {
		r := &s.record
		if s.inc == l.machine.inc || r.Node == l.opts.Tag || r.Claimant != "" || l.opts.Calls.Gone(r.Link) {
			continue
		}
		parts := l.opts.Unlike(l.machine.self.Settings, r.Settings)
		if len(parts) == 0 {
			continue
		}
		since[r.Node] = now.mono
		if began, known := c.since[r.Node]; known {
			since[r.Node] = began
		}
		if now.mono-since[r.Node] >= unlikeAfter*l.times.renew {
			told[r.Node] = parts
		}
	}
	before := c.told
	c.since = since
	if maps.EqualFunc(told, before, slices.Equal) {
		return
	}
	c.told = told
	for _, node := range slices.Sorted(maps.Keys(told)) {
		if !slices.Equal(told[node], before[node]) {
			l.opts.Logger.Warn("another node has other settings than this one: what a client is given depends on its node", "node", node, "settings", told[node])
		}
	}
	for _, node := range slices.Sorted(maps.Keys(before)) {
		if told[node] == nil {
			l.opts.Logger.Info("no settings are known any more in which another node differs from this one", "node", node)
		}
	}
}
