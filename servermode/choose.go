package servermode

import (
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// wish is what a client asks of the server connection it is to get.
type wish struct {
	// server is a server id, "" for any. If it is required, no other will do.
	server   string
	required bool
	// not is a server id that the client leaves.
	not string
	// level is the least migration level.
	level int32
	// weak allows Weak connections as the last resort.
	weak bool
	// paced is for clients that many others come with: they wait until the hub server has taken
	// what was sent to it before.
	paced bool
}

// hubServerAgent is how the user agents of hub servers begin, as opposed to those of clients of
// the management library (section 8.3).
const hubServerAgent = "Microsoft.Azure.SignalR/"

// quietLimit is the silence after which a server connection gets no new client while the hub has
// others: the hub server has then missed two pings.
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
		return sc.isWeak() && !sc.draining() && strings.HasPrefix(sc.peer.agent, hubServerAgent) && sc.peer.serverID != w.not
	})
}

func (w wish) fits(sc *serverConn) bool {
	return !sc.isWeak() && !sc.draining() && sc.peer.level >= w.level && (w.not == "" || sc.peer.serverID != w.not)
}

func (sc *serverConn) isWeak() bool { return sc.peer.kind == serviceprotocol.KindWeak }

// least returns the fitting server connection with the fewest clients. Those that have been quiet
// for too long only count if all that fit are quiet.
func (h *hub) least(w wish, fits func(*serverConn) bool) (best *serverConn, found choice) {
	for _, quiet := range []bool{false, true} {
		for _, sc := range h.servers {
			switch {
			case !fits(sc) || sc.quiet() != quiet:
			case !sc.out.takesClient(w.paced):
				found = choseLater
			case best == nil || sc.clients.count() < best.clients.count():
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

// quiet reports whether nothing has come from the hub server for a while.
func (sc *serverConn) quiet() bool {
	return !sc.clock.paused.Load() && sc.silence() > quietLimit
}
