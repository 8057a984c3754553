package servermode

import (
	"slices"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
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
	sc, found := h.pick(w)
	if found != choseOne {
		return nil, found // not a *serverConn that is nil
	}
	return sc, choseOne
}

func (h *hub) pick(w wish) (*serverConn, choice) {
	if w.server != "" {
		named := func(sc *serverConn) bool { return sc.peer.serverID == w.server && w.fits(sc) }
		if sc, found := h.least(w, named); found != choseNone || w.required {
			return sc, found
		}
	}
	if sc, found := h.least(w, w.fits); found != choseNone || !w.weak {
		return sc, found
	}
	if slices.ContainsFunc(h.servers, func(sc *serverConn) bool { return !sc.isWeak() && !sc.draining() }) {
		return nil, choseNone
	}
	return h.least(w, func(sc *serverConn) bool {
		return sc.isWeak() && !sc.draining() && sc.dialect.lastResort(sc.peer.agent) && sc.peer.serverID != w.not
	})
}

func (w wish) fits(sc *serverConn) bool {
	return !sc.isWeak() && !sc.draining() && sc.peer.level >= w.level && (w.not == "" || sc.peer.serverID != w.not)
}

func (sc *serverConn) isWeak() bool { return sc.peer.kind == serviceprotocol.KindWeak }

// least returns the fitting server connection with the fewest clients, of those that get clients
// first if there is one. Quiet connections count only if all that fit are quiet.
func (h *hub) least(w wish, fits func(*serverConn) bool) (best *serverConn, found choice) {
	for _, quiet := range []bool{false, true} {
		for _, sc := range h.servers {
			switch {
			case !fits(sc) || sc.quiet() != quiet || !h.belongs(sc):
			case !sc.out.takesClient(w.paced):
				found = choseLater
			case best == nil || sc.isBetter(best):
				best = sc
			}
		}
		if best != nil {
			return best, choseOne
		}
		if found != choseNone {
			return nil, found
		}
	}
	return nil, choseNone
}

// isBetter compares two connections that fit a client.
func (sc *serverConn) isBetter(other *serverConn) bool {
	if sc.peer.whole != other.peer.whole {
		return sc.peer.whole
	}
	return sc.clients.count() < other.clients.count()
}

// quiet reports whether nothing has come from the hub server for a while.
func (sc *serverConn) quiet() bool {
	return !sc.clock.paused.Load() && sc.silence() > quietLimit
}
