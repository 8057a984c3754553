package nodes

import (
	"maps"
	"slices"
)

// compare finds out which other nodes have settings that differ from this one's, and says so when that
// changes.
func (l *Lease) compare() {
	if l.opts.Settings == nil {
		return
	}
	now := make(map[string][]string)
	for _, s := range l.machine.others.seen {
		r := &s.record
		if s.inc == l.machine.inc || r.Node == l.opts.Tag || r.Claimant != "" || l.opts.Calls.Gone(r.Link) {
			continue
		}
		if parts := l.opts.Unlike(l.machine.self.Settings, r.Settings); len(parts) > 0 {
			now[r.Node] = parts
		}
	}
	before := l.flags.unlike
	if maps.EqualFunc(now, before, slices.Equal) {
		return
	}
	l.flags.unlike = now
	for _, node := range slices.Sorted(maps.Keys(now)) {
		if !slices.Equal(now[node], before[node]) {
			l.opts.Logger.Warn("another node has other settings than this one: what a client is given depends on its node", "node", node, "settings", now[node])
		}
	}
	for _, node := range slices.Sorted(maps.Keys(before)) {
		if now[node] == nil {
			l.opts.Logger.Info("no settings are known any more in which another node differs from this one", "node", node)
		}
	}
}
