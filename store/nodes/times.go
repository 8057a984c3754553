package nodes

import "time"

// DefaultLease is how long a node may not renew its record before the others give it up.
const DefaultLease = 20 * time.Second

// times are all times of leases. They have fixed proportions.
type times struct {
	renew time.Duration // how often the record is written
	fence time.Duration // after that long without a renewal a node may do nothing that must happen once
	stale time.Duration // after that long without a change a record may be claimed
	fresh time.Duration // who claims has renewed its own record not longer ago
	look  time.Duration // how often the records of the others are read
	retry time.Duration // how soon what failed is tried again
	// attempt bounds one question to the store.
	attempt time.Duration
}

func timesOf(lease time.Duration) times {
	if lease <= 0 {
		lease = DefaultLease
	}
	return times{
		renew: lease * 3 / 20, fence: lease * 12 / 20, stale: lease, fresh: lease / 4,
		look: lease / 20, retry: lease / 80, attempt: lease / 10,
	}
}

const (
	// tombstoneLasts is how long the server keeps the record of a node that is no more: a node that
	// comes back after that has to know by itself that it was given up.
	tombstoneLasts = time.Hour
	// lostWithin: a node whose record is not there although it was renewed not longer ago has not
	// been given up. The store has lost the record.
	lostWithin = tombstoneLasts / 2
)

// moment is a time on both clocks of a machine. The monotonic one may stop while the machine sleeps,
// and the wall clock may be set.
type moment struct{ mono, wall time.Duration }

// since is how long ago a moment was, at most.
func (m moment) since(earlier moment) time.Duration {
	return max(m.mono-earlier.mono, m.wall-earlier.wall)
}

// surely is how long ago a moment was, at least, if the clock is not wrong.
func (m moment) surely(earlier moment) time.Duration { return m.mono - earlier.mono }

// clock tells moments.
type clock struct{ began time.Time }

func (c clock) now() moment {
	now := time.Now()
	return moment{mono: now.Sub(c.began), wall: now.Round(0).Sub(c.began.Round(0))}
}
