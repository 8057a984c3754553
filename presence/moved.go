package presence

import (
	"maps"
	"sync"
	"time"
)

// movedLately is for how long a node tells that a connection went to another one.
const movedLately = 2 * answerBound

// departures are when connections went to other nodes. A connection is never at none; but who asks two nodes does not
// ask them at the same moment, and might be told by the one that it is not there yet, and by the other one that it is
// there no more.
type departures struct {
	mu   sync.Mutex
	last map[string]time.Time // by hub
}

// left notes that a connection of the hub is another node's now.
func (d *departures) left(hub string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		d.last = make(map[string]time.Time)
	}
	if _, known := d.last[hub]; !known {
		maps.DeleteFunc(d.last, func(_ string, at time.Time) bool { return time.Since(at) > movedLately })
	}
	d.last[hub] = time.Now()
}

// since is the value of answer.Moved.
func (d *departures) since(hub string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.last[hub]; ok && time.Since(at) <= movedLately {
		return time.Since(at).Milliseconds() + 1
	}
	return 0
}

// movedWithin reports whether a connection went to another node less than so long before the answer.
func (a *answer) movedWithin(d time.Duration) bool {
	return a.Moved > 0 && time.Duration(a.Moved-1)*time.Millisecond <= d
}
