package servermode

import (
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Deadlines of less than a second are checked every tick, all others every sweepTicks ticks.
const (
	tick       = 50 * time.Millisecond
	sweepTicks = 20
)

// sweep checks deadlines until the Backend is closed.
func (b *Backend) sweep() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; {
		select {
		case <-b.stop:
			return
		case <-b.roomy:
			b.surviving(b.handOut)
			b.surviving(b.moveClients)
		case now := <-ticker.C:
			b.surviving(func() { b.results.sendDelayed(now) })
			b.surviving(b.handOut)
			b.surviving(b.peers.noteIdle)
			if n++; n%sweepTicks == 1 {
				b.surviving(func() { b.sweepAll(now) })
			}
		}
	}
}

func (b *Backend) sweepAll(now time.Time) {
	for _, sc := range b.conns.all() {
		sc.sweep()
	}
	b.peers.tellStatus()
	b.moveClients()
	b.giveUp()
	b.results.expire(now)
}

var plainPing = &serviceprotocol.Ping{}

// sweep pings the hub server, and ends the connection after too long a silence. The handshake has
// its own deadline.
func (sc *serverConn) sweep() {
	if !sc.clock.established.Load() {
		return
	}
	sc.clients.unbar(sc.b.now())
	if sc.silence() > silenceLimit && !sc.clock.paused.Load() {
		sc.end(EndSilent, nil)
		return
	}
	sc.askForTracing()
	if now := sc.b.now(); now >= sc.clock.nextPing {
		// Pings must not be more than five seconds apart (H24), and the next sweep may be late.
		sc.clock.nextPing = now + pingInterval - sweepTicks*tick
		sc.clock.pinged(now)
		sc.out.put(plainPing)
	}
}

// askForTracing asks the hub server to give what it sends tracing ids, as long as somebody reads them.
func (sc *serverConn) askForTracing() {
	reads := sc.b.opts.MessageLog
	if on := reads != nil && reads(); on != sc.clock.logs {
		sc.clock.logs = on
		sc.out.put(serviceprotocol.MessageLogPing(on))
	}
}
