package admin

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
)

// maxHubLabels bounds the hubs that have series of their own. A token can
// create a hub, so their number is not ours; all further hubs of a generation are one series.
const (
	maxHubLabels = 200
	otherHubs    = "_other"
)

// otherLike returns the name of the series of which a hub is a part that has none of its own.
func otherLike(hub string) string {
	if generationOf(hub) == AspNet {
		return hubname.ApplicationPrefix + otherHubs
	}
	return otherHubs
}

// Modes are the service modes of hubs. Its methods may be called concurrently.
type Modes interface {
	// NamedHubs returns the keys of the hubs that the settings name.
	NamedHubs() []string
	// ModeOf returns the mode of a hub in the words of the settings.
	ModeOf(hub string) string
	// TakesServers says whether hub servers can connect to the hub.
	TakesServers(hub string) bool
}

// WatchModes makes m the modes that are shown: as hubgate_hub_info, and by
// series at 0 for hubs that have no client or no hub server yet.
func (a *Admin) WatchModes(m Modes) { a.node.watchModes(m) }

// noModes are shown before WatchModes was called.
type noModes struct{}

func (noModes) NamedHubs() []string      { return nil }
func (noModes) ModeOf(string) string     { return "" }
func (noModes) TakesServers(string) bool { return false }

var descHubInfo = desc("hub_info", "Always 1; the label says the hub's service mode.", "hub", "mode")

// knownHubs remembers which hubs have series. A hub is known while the core or
// the settings know it, while it has hub servers, and for a while after the
// last of them: an alert needs a series at 0, not one that has ended.
type knownHubs struct {
	mu sync.Mutex
	// named are the hubs with series of their own: the first ones seen, so that
	// a series does not jump between a hub and the rest.
	named map[string]bool
	// served is when a hub was last seen with hub servers or with clients that
	// wait for one.
	served map[string]time.Time
	// applications are the names in the settings that turned out to be those of applications of
	// ASP.NET SignalR.
	applications map[string]bool
}

// hubsKnown are the hubs of one scrape, by the hub's key.
type hubsKnown struct {
	all   map[string]bool // every hub that is known
	named map[string]bool // those with series of their own
	// served have hub servers, or had some a while ago.
	served map[string]bool
}

// update returns the hubs that are known now.
func (k *knownHubs) update(now time.Time, clients []gateway.HubStats, servers []ServerHubStats, settings []string) hubsKnown {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := hubsKnown{all: make(map[string]bool), served: make(map[string]bool)}
	for i := range servers {
		k.served[servers[i].Hub] = now
	}
	maps.DeleteFunc(k.served, func(_ string, last time.Time) bool { return now.Sub(last) > gateway.EmptyHubLife })
	for hub := range k.served {
		known.all[hub], known.served[hub] = true, true
	}
	for i := range clients {
		known.all[clients[i].Hub] = true
	}
	k.addNamed(known.all, settings)
	// Those that have series keep them, then the first ones by name get some.
	maps.DeleteFunc(k.named, func(hub string, _ bool) bool { return !known.all[hub] })
	for _, hub := range slices.Sorted(maps.Keys(known.all)) {
		if len(k.named) >= maxHubLabels {
			break
		}
		k.named[hub] = true
	}
	known.named = maps.Clone(k.named)
	return known
}

// addNamed adds what the settings name: a hub, until an application of that name was seen and no
// hub. The settings have one list for both.
func (k *knownHubs) addNamed(all map[string]bool, settings []string) {
	for _, hub := range settings {
		application := hubname.ApplicationPrefix + hub
		if all[application] && !all[hub] {
			k.applications[hub] = true
		}
		if k.applications[hub] {
			all[application] = true
		} else {
			all[hub] = true
		}
	}
	maps.DeleteFunc(k.applications, func(hub string, _ bool) bool { return !slices.Contains(settings, hub) })
}

// clientSeries returns what is shown of the clients of every known hub, those
// without a name of their own as one.
func (k hubsKnown) clientSeries(hubs []gateway.HubStats, transports []string, reasons map[gateway.DropReason]uint64) []gateway.HubStats {
	for _, hub := range missing(k.all, hubs, func(h gateway.HubStats) string { return h.Hub }) {
		empty := gateway.HubStats{Hub: hub}
		empty.Dropped = make(map[gateway.DropReason]uint64, len(reasons))
		for reason := range reasons {
			empty.Dropped[reason] = 0
		}
		hubs = append(hubs, empty)
	}
	hubs = bounded(hubs, k.named)
	for i := range hubs {
		hubs[i].ByTransport = withZeros(hubs[i].ByTransport, transports)
	}
	return hubs
}

// serverSeries returns what is shown of the hub servers of every known hub that
// takes or had some, those without a name of their own as one.
func (k hubsKnown) serverSeries(hubs []ServerHubStats, kinds []string, takesServers func(string) bool) []ServerHubStats {
	wanted := maps.Clone(k.all)
	maps.DeleteFunc(wanted, func(hub string, _ bool) bool { return !k.served[hub] && !takesServers(hub) })
	for _, hub := range missing(wanted, hubs, func(h ServerHubStats) string { return h.Hub }) {
		hubs = append(hubs, ServerHubStats{Hub: hub})
	}
	hubs = boundedServers(hubs, k.named)
	for i := range hubs {
		hubs[i].ByKind = withZeros(hubs[i].ByKind, kinds)
	}
	return hubs
}

// missing returns the wanted hubs that have no stats.
func missing[T any](wanted map[string]bool, stats []T, name func(T) string) []string {
	rest := maps.Clone(wanted)
	for _, s := range stats {
		delete(rest, name(s))
	}
	return slices.Sorted(maps.Keys(rest))
}

// withZeros returns the counts with every value of a closed list in them.
func withZeros(counts map[string]int, values []string) map[string]int {
	all := make(map[string]int, len(values))
	for _, v := range values {
		all[v] = 0
	}
	maps.Copy(all, counts)
	return all
}

// bounded returns the hubs' stats with all those made one that are not named.
func bounded(hubs []gateway.HubStats, named map[string]bool) []gateway.HubStats {
	var list []gateway.HubStats
	others := make(map[string]gateway.HubStats)
	for _, h := range hubs {
		if named[h.Hub] {
			list = append(list, h)
			continue
		}
		name := otherLike(h.Hub)
		other, ok := others[name]
		if !ok {
			other = gateway.HubStats{Hub: name, ByTransport: make(map[string]int)}
		}
		for transport, count := range h.ByTransport {
			other.ByTransport[transport] += count
		}
		other.Add(h.Traffic)
		others[name] = other
	}
	return slices.AppendSeq(list, maps.Values(others))
}
