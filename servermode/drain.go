package servermode

import "github.com/hubgate/hubgate/serviceprotocol"

const (
	leavingNot int32 = iota
	// leavingStay: no new clients; those it has stay (fin:0, fin:2).
	leavingStay
	// leavingMigrate: its clients move to other hub servers (fin:1).
	leavingMigrate
)

// draining reports whether the connection gets no new clients.
func (sc *serverConn) draining() bool { return sc.leaving.Load() != leavingNot }

// drain obeys a hub server that leaves, and says so each time (H74).
func (sc *serverConn) drain(fin serviceprotocol.Fin) {
	leaving := leavingStay
	if fin == serviceprotocol.FinMigrate {
		leaving = leavingMigrate
	}
	if sc.leaving.Swap(leaving) == leavingNot {
		sc.log.Info("hub server leaves", "fin", string(fin), "clients", sc.clients.count())
	}
	sc.out.put(serviceprotocol.FinAckPing())
	if leaving == leavingMigrate {
		for _, s := range sc.clients.all() {
			s.beginMove()
		}
	}
}
