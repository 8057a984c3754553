package servermode

import (
	"slices"
	"time"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// wish says which server connections fit a client.
type wish struct {
	// server is the server id that the client prefers, "" for none. If it is required, no other
	// fits.
	server   string
	required bool
	// not is the server id that the client leaves. It does not fit.
	not string
	// level is the lowest migration level that fits.
	level int32
	// weak allows a Weak connection if the hub has no other.
	weak bool
	// paced is set for clients that come together with many others. Only a server connection whose
	// queue is at most half full has room for them.
	paced bool
}

// quietLimit is the silence after which a server connection gets no new clients, as long as the hub
// has others. Its hub server has missed two pings by then.
const quietLimit = 12 * time.Second

// choose returns the server connection with the fewest clients that fits.
func (t *hubTable) choose(key string, w wish) (hubServer, choice) {
	h := t.get(key)
	if h == nil {
		return nil, choseNone
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pick(w)
}

// candidate is a server connection that may get clients: one of this node, or a remoteServer.
type candidate interface {
	hubServer
	about() *peer
	// draining reports whether it gets no new clients.
	draining() bool
	// quiet reports whether nothing has come from its hub server for a while.
	quiet() bool
	// clientCount is how many it has, as far as this node knows.
	clientCount() int
	// takesClient reports whether there is room for another one.
	takesClient(paced bool) bool
	// put sends a message that is about none of its clients.
	put(m sp.Message)
}

func (h *hub) pick(w wish) (hubServer, choice) {
	if w.server != "" {
		named := func(c candidate) bool { return c.about().serverID == w.server && w.fits(c) }
		if c, found := h.nearest(w, named); found != choseNone || w.required {
			return c, found
		}
	}
	if c, found := h.nearest(w, w.fits); found != choseNone || !w.weak {
		return c, found
	}
	if h.any(func(c candidate) bool { return !c.about().isWeak() && !c.draining() }) {
		return nil, choseNone
	}
	return h.nearest(w, func(c candidate) bool {
		p := c.about()
		return p.isWeak() && !c.draining() && dialectOf(p.homes[0]).lastResort(p.agent) && p.serverID != w.not
	})
}

func (w wish) fits(c candidate) bool {
	p := c.about()
	return !p.isWeak() && !c.draining() && p.level >= w.level && (w.not == "" || p.serverID != w.not)
}

func (p *peer) isWeak() bool { return p.kind == sp.KindWeak }

// nearest returns the best fitting server connection of this node, and of other nodes if this one has
// none. Quiet connections count only if all that fit are quiet. A client that is paced waits for one
// of this node.
func (h *hub) nearest(w wish, fits func(candidate) bool) (hubServer, choice) {
	for _, quiet := range []bool{false, true} {
		alike := func(c candidate) bool { return c.quiet() == quiet && fits(c) && h.belongs(c) }
		best, found := least(h.servers, w, alike)
		if found == choseOne || found == choseLater && w.paced {
			return best, found
		}
		if best, far := least(h.remote, w, alike); far != choseNone {
			return best, far
		}
		if found != choseNone {
			return nil, found
		}
	}
	return nil, choseNone
}

// least returns the fitting server connection with the fewest clients, of those that get clients
// first if there is one.
func least[C candidate](of []C, w wish, fits func(candidate) bool) (hubServer, choice) {
	var best candidate // not a C, which may be a pointer that is nil
	found := choseNone
	for _, c := range of {
		switch {
		case !fits(c):
		case !c.takesClient(w.paced):
			found = choseLater
		case best == nil || isBetter(c, best):
			best = c
		}
	}
	if best != nil {
		return best, choseOne
	}
	return nil, found
}

// isBetter compares two connections that fit a client.
func isBetter(c, other candidate) bool {
	if c.about().whole != other.about().whole {
		return c.about().whole
	}
	return c.clientCount() < other.clientCount()
}

// any reports whether there is such a server connection, on any node. h.mu is held.
func (h *hub) any(is func(candidate) bool) bool {
	return slices.ContainsFunc(h.servers, func(sc *serverConn) bool { return is(sc) }) ||
		slices.ContainsFunc(h.remote, func(rs *remoteServer) bool { return is(rs) })
}

func (sc *serverConn) about() *peer { return &sc.peer }

func (sc *serverConn) clientCount() int { return sc.clients.count() }

func (sc *serverConn) takesClient(paced bool) bool { return sc.out.takesClient(paced) }

// quiet reports whether nothing has come from the hub server for a while.
func (sc *serverConn) quiet() bool {
	return !sc.clock.paused.Load() && sc.silence() > quietLimit
}
