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
	reusable  uint64 // free or known garbage: what giving back could free
	allocated uint64 // by the program since its start
	cycles    uint64 // collections since the start
	held      uint64 // by the gateway for its clients, as Gateway.Held says
}

// giveMemoryBack looks after the memory of the program while the server lives.
func (s *server) giveMemoryBack(held func() int64) {
	ctx, stop := context.WithCancel(context.Background())
	s.web.wg.Go(func() { giveMemoryBack(ctx, held) })
	s.built.add("memory", ignoreContext(stop))
}

// giveMemoryBack returns memory to the operating system when the program has
// become quiet. The runtime alone keeps what a burst of connections or messages
// took: it would free it only at a collection, and nothing allocates enough to
// cause one while ten thousand clients just idle.
func giveMemoryBack(ctx context.Context, held func() int64) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	w := watchMemory(readMemory(held))
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.look(readMemory(held)) {
			debug.FreeOSMemory()
		}
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
	// burstShare: a burst allocates more than one part in so many of it.
	burstShare = 2
	// minBurst is the least resident memory that is looked through after a burst.
	minBurst = 64 << 20
)

// memoryWatch decides when memory is given back.
//
// What was garbage at the last collection the runtime knows. What has become
// garbage since is only guessed: as much as clients made the gateway hold then
// and do not now. A burst that began and ended between two looks leaves no trace
// at all, so memory is looked through once when it has become quiet after one.
type memoryWatch struct {
	before memoryUse
	// peak is the most that was held since the last collection.
	peak uint64
	// burst: there was one, and no collection since it has become quiet.
	burst bool
}

// watchMemory begins with the use at the start. A start is a burst: reading options takes ten times what stays of it.
func watchMemory(now memoryUse) memoryWatch { return memoryWatch{before: now, burst: true} }

// look takes the use one interval after the one before and reports whether a
// collection now would free much and disturb little.
func (w *memoryWatch) look(now memoryUse) bool {
	allocated := now.allocated - w.before.allocated
	if now.cycles != w.before.cycles {
		w.peak = w.before.held
	}
	w.peak = max(w.peak, now.held)
	w.burst = w.burst || allocated > now.resident/burstShare && now.resident > minBurst
	w.before = now
	if allocated >= now.resident/quietShare {
		return false
	}
	reusable := now.reusable + w.peak - now.held
	worth := w.burst || reusable > minGiveBack && reusable > now.resident/giveBackShare
	if worth {
		w.burst, w.peak = false, now.held
	}
	return worth
}

func readMemory(held func() int64) memoryUse {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 { return samples[i].Value.Uint64() }
	use := memoryUse{resident: value(0) - value(1), reusable: value(2), allocated: value(5), cycles: value(6)}
	use.held = uint64(max(0, held()))
	if objects, live := value(3), value(4); objects > live {
		use.reusable += objects - live
	}
	return use
}
