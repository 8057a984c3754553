package natsd

import (
	"context"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"
)

const (
	// lookEvery is how often the names of peers are looked up, lookSoon how
	// often while there are peers and none is connected.
	lookEvery = 10 * time.Second
	lookSoon  = time.Second
	lookTime  = 5 * time.Second
	// maxAddresses bounds what the names of peers may stand for together.
	maxAddresses = 256
	// keepGone is how long an address is still dialled that no name stands for
	// any more. The node there may live on: a node that is about to end is taken
	// out of names first, and giving its address up would cut it off.
	keepGone = 10 * time.Minute
)

// routes are the addresses that a node dials. The server by itself would look
// up a name once and take any one address of it; here every address is dialled,
// and those that have gone are given up.
type routes struct {
	cluster *Cluster
	report  func(Trouble, string)
	// answers are what each peer's name stood for when it was last looked up.
	answers map[string][]string
	dialled []string
	// last is when an address was last what a name stood for.
	last map[string]time.Time
	now  func() time.Time
	// mesh is whom other nodes speak of.
	mesh *mesh
	// self is the node's own address. The server hangs up when it meets itself,
	// and does not dial it again.
	self string
}

func newRoutes(c *Cluster, name, self string, report func(Trouble, string)) *routes {
	return &routes{
		cluster: c, self: self, report: report, now: time.Now,
		answers: make(map[string][]string), last: make(map[string]time.Time), mesh: newMesh(name),
	}
}

// lookUp returns all addresses of all peers, in order. A name that cannot be
// looked up now stands for what it did before.
func (r *routes) lookUp(ctx context.Context) []string {
	if r.cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	var found []string
	for _, peer := range r.cluster.Peers {
		if addrs, err := r.addresses(ctx, peer); err == nil {
			r.answers[peer] = addrs
		} else if ctx.Err() == nil {
			r.report(TroubleLookup, "looking up "+peer+": "+err.Error())
		}
		found = append(found, r.answers[peer]...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return found[:min(len(found), maxAddresses)]
}

func (r *routes) addresses(ctx context.Context, peer string) ([]string, error) {
	host, port, err := net.SplitHostPort(peer)
	if err != nil || net.ParseIP(host) != nil {
		return []string{peer}, err
	}
	ips, err := r.cluster.Resolver.LookupHost(ctx, host)
	var addrs []string
	for _, ip := range ips {
		addrs = append(addrs, net.JoinHostPort(ip, port))
	}
	return addrs, err
}

// met notes an address at which a node was met, to be dialled as one that a name stands for.
func (r *routes) met(addr string) {
	if addr == "" || slices.Contains(r.dialled, addr) || len(r.dialled) >= maxAddresses {
		return
	}
	r.last[addr] = r.now()
	r.dialled = slices.Sorted(maps.Keys(r.last))
}

// all returns the routes to start with.
func (r *routes) all(ctx context.Context) []*url.URL {
	r.change(ctx)
	return r.current()
}

// current returns the routes to those that are dialled now. The server wants
// one at least.
func (r *routes) current() []*url.URL {
	switch {
	case r.cluster == nil:
		return nil
	case len(r.dialled) == 0:
		return urls([]string{r.self})
	}
	return urls(r.dialled)
}

func urls(addrs []string) []*url.URL {
	var list []*url.URL
	for _, addr := range addrs {
		list = append(list, &url.URL{Scheme: "nats-route", Host: addr})
	}
	return list
}

// change looks the names up again, and whom other nodes speak of. It returns the routes to have from now on,
// and whether that is news.
func (r *routes) change(ctx context.Context) ([]*url.URL, bool) {
	now := r.now()
	for _, addr := range append(r.lookUp(ctx), r.mesh.dials(now, r.last)...) {
		r.last[addr] = now
	}
	maps.DeleteFunc(r.last, func(_ string, at time.Time) bool { return now.Sub(at) > keepGone })
	dial := slices.Sorted(maps.Keys(r.last))
	dial = dial[:min(len(dial), maxAddresses)]
	if slices.Equal(dial, r.dialled) {
		return nil, false
	}
	r.dialled = dial
	return r.current(), true
}
