package faults

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

var ids = maphash.MakeSeed()

func newSeed() uint64 { return rand.Uint64() }

// hit counts one hit.
func (s *Set) hit(a *active) {
	a.hits.Add(1)
	s.counts.Add(a.Kind, 1)
}

// chosen reports whether a connection is in the share, the same as long as the fault lasts.
func (a *active) chosen(id string) bool {
	return a.Share >= 1 || float64(maphash.String(ids, id)^a.seed)/math.MaxUint64 < a.Share
}

// happens reports whether it happens this time.
func (a *active) happens() bool { return a.Share >= 1 || rand.Float64() < a.Share }

// hubFaults are what the core asks for one hub. Nil fields are faults that are not in force.
type hubFaults struct {
	set                    *Set
	drop, delay, negotiate *active
	held                   atomic.Int64
}

// Delivery implements gateway.Faults.
func (f *hubFaults) Delivery(id string) (drop bool, delay time.Duration) {
	if f.drop != nil && f.drop.happens() {
		f.set.hit(f.drop)
		return true, 0
	}
	if f.delay != nil && f.delay.chosen(id) {
		f.set.hit(f.delay)
		return false, f.delay.Delay
	}
	return false, 0
}

// Holds implements gateway.Faults.
func (f *hubFaults) Holds(size int) bool {
	if f.held.Add(int64(size)) > maxHeld && size > 0 {
		f.held.Add(-int64(size))
		return false
	}
	return true
}

// RefusesNegotiate implements gateway.Faults.
func (f *hubFaults) RefusesNegotiate() bool {
	if f.negotiate == nil || !f.negotiate.happens() {
		return false
	}
	f.set.hit(f.negotiate)
	return true
}

// Webhook returns by how much a webhook of the hub is to be slowed down. Without such faults it is one load.
func (s *Set) Webhook(hub string) time.Duration {
	slow := s.webhooks.Load()
	if slow == nil {
		return 0
	}
	a := (*slow)[strings.ToLower(hub)]
	if a == nil || !a.happens() {
		return 0
	}
	s.hit(a)
	return a.Delay
}

// strike cuts or closes a share of the connections of this node.
func (s *Set) strike(a *active) {
	cause := gateway.Cause{Reason: gateway.CloseFaultInjected, Text: "A fault was injected.", AllowReconnect: true}
	s.opts.Hubs.Each(func(c *gateway.Conn) {
		if !c.IsOpen() || !strings.EqualFold(c.Identity().Hub, a.Hub) || !a.happens() {
			return
		}
		s.hit(a)
		if a.Kind == Cut {
			c.Sever(cause)
		} else {
			c.Close(cause)
		}
	})
}
