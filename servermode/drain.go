package servermode

import "github.com/hubgate/hubgate/serviceprotocol"

const (
	finNone int32 = iota
	// finStay: it gets no new clients, and keeps those that it has (fin:0, fin:2).
	finStay
	// finMigrate: it gets no new clients, and those that it has move to other hub servers (fin:1).
	finMigrate
)

// draining reports whether the connection gets no new clients.
func (sc *serverConn) draining() bool { return sc.fin.Load() != finNone }

// drain carries out what a hub server wants that leaves. Each request is acknowledged (H74).
func (sc *serverConn) drain(fin serviceprotocol.Fin) {
	leaving := finStay
	if fin == serviceprotocol.FinMigrate {
		leaving = finMigrate
	}
	if sc.fin.Swap(leaving) == finNone {
		sc.log.Info("hub server leaves", "fin", string(fin), "clients", sc.clients.count())
	}
	sc.b.peers.tellStatus()
	sc.out.put(serviceprotocol.FinAckPing())
	if leaving == finMigrate {
		sc.moveClients()
	}
}
