package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memoryInterval is how often the memory in use is looked at.
const memoryInterval = 10 * time.Second

// memoryUse is what the runtime says about its memory, in bytes.
type memoryUse struct {
	resident  uint64 // obtained from the operating system and not given back
	reusable  uint64 // free or garbage: what giving back could free
	allocated uint64 // by the program since its start
}

// giveMemoryBack returns memory to the operating system when the program has
// become quiet. The runtime alone keeps what a burst of connections or messages
// took: it would free it only at a collection, and nothing allocates enough to
// cause one while ten thousand clients just idle.
func giveMemoryBack(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	before := readMemory()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := readMemory()
		if now.worthGivingBack(before) {
			debug.FreeOSMemory()
		}
		before = now
	}
}

const (
	// minGiveBack is the least that is worth a collection.
	minGiveBack = 4 << 20
	// giveBackShare is the part of resident memory that must be reusable, one in so many.
	giveBackShare = 6
	// quietShare: quiet is who allocates less than one part in so many of its
	// resident memory in an interval.
	quietShare = 10
)

// worthGivingBack reports whether a collection now would free much and disturb
// little; before is the use one interval ago.
func (m memoryUse) worthGivingBack(before memoryUse) bool {
	quiet := m.allocated-before.allocated < m.resident/quietShare
	return quiet && m.reusable > minGiveBack && m.reusable > m.resident/giveBackShare
}

func readMemory() memoryUse {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	use := memoryUse{resident: value(0) - value(1), reusable: value(2), allocated: value(5)}
	if objects, live := value(3), value(4); objects > live {
		use.reusable += objects - live
	}
	return use
}
