package servermode

import (
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// tick is how often deadlines are looked at that are shorter than a second,
// sweepTicks how many of them pass between two looks at the others.
const (
	tick       = 50 * time.Millisecond
	sweepTicks = 20
)

// sweep watches the deadlines of all server connections until the Backend is closed.
func (b *Backend) sweep() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-b.stop:
			return
		case now := <-ticker.C:
			b.results.sendDelayed(now)
			if n%sweepTicks != 0 {
				continue
			}
			for _, sc := range b.serverConns() {
				sc.sweep(now)
			}
			for _, h := range b.hubs.all() {
				for _, s := range h.waitingSince(now) {
					s.end(serverClosed)
				}
			}
			b.results.expire(now)
		}
	}
}

var plainPing = &serviceprotocol.Ping{}

// sweep pings, notices silence and moves the clients of a hub server that leaves.
// Connections before their handshake have no such deadlines.
func (sc *serverConn) sweep(now time.Time) {
	if !sc.clock.established.Load() {
		return
	}
	silent := now.Sub(time.Unix(0, sc.clock.lastRead.Load()))
	if silent > silenceLimit && !sc.clock.paused.Load() {
		sc.end(EndSilent, nil)
		return
	}
	if !now.Before(sc.clock.nextPing) {
		// The next sweep may come late: never more than five seconds apart (H24).
		sc.clock.nextPing = now.Add(pingInterval - sweepTicks*tick)
		sc.out.put(plainPing)
	}
	if sc.leaving.Load() == leavingMigrate {
		for _, s := range sc.clients.all() {
			s.sweepMove(now)
		}
	}
}
