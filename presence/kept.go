package presence

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// keptListings and keptNames bound what is kept for listings that go on.
	keptListings, keptNames = 8, 1 << 21
	// keptFor is how long it is kept after its last page.
	keptFor = 15 * time.Second
	// keptFrom is from how many names on keeping is worth it.
	keptFrom = 2 * partSize
	// maxLate bounds what has come late to a listing. One that has more looks again.
	maxLate = partSize
)

// kept are the names of listings whose next page is still to come, so that a listing of many pages looks at
// everything once. A listing whose names are not kept any more looks again.
type kept struct {
	// listed is how many listings there are: while there are none, a client that comes costs one load.
	listed   atomic.Int32
	mu       sync.Mutex // guards what follows
	listings map[listing]*keptList
}

// listing is one caller's way through the pages of a list.
type listing struct {
	number           uint64
	kind             kind
	hub, user, group string
}

// keptList is a listing whose names are looked at, or were.
type keptList struct {
	begun, used time.Time
	names       *names // nil while they are looked at
	// late are the names of clients that other nodes have handed over since: they were there all the while, but not here.
	late []string
}

// get returns what is kept of a listing, nil if that is nothing.
func (k *kept) get(of listing) *names {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget()
	l := k.listings[of]
	if l == nil || l.names == nil {
		return nil
	}
	l.used = time.Now()
	return l.names.with(slices.Clone(l.late))
}

// begin notes that the names of a listing are about to be looked at.
func (k *kept) begin(of listing) *keptList {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget()
	if k.listings == nil {
		k.listings = make(map[listing]*keptList)
	}
	at := time.Now()
	l := &keptList{begun: at, used: at}
	k.listings[of] = l
	for k.over() {
		k.dropOldest(of)
	}
	k.count()
	return l
}

// end takes the names of a listing, nil if they could not be looked at, and returns them with those that came
// late. They are kept, unless they are few.
func (k *kept) end(of listing, l *keptList, n *names) *names {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.count()
	if n == nil || n.total < keptFrom || n.total > keptNames {
		if k.listings[of] == l {
			delete(k.listings, of)
		}
		if n == nil {
			return nil
		}
		return n.with(l.late)
	}
	l.names, l.used = n, time.Now()
	for k.over() {
		k.dropOldest(of)
	}
	time.AfterFunc(keptFor+time.Second, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.forget()
	})
	return n.with(slices.Clone(l.late))
}

// arrived has a client that another node has handed over be part of the listings that began before. One that has
// only just connected need not be.
func (k *kept) arrived(c *gateway.Conn) {
	if k.listed.Load() == 0 {
		return
	}
	id, since := c.Identity(), c.Since()
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.count()
	for of, l := range k.listings {
		if of.hub != id.Hub || !since.Before(l.begun) {
			continue
		}
		name := id.ID
		if of.kind == kindUsers {
			name = id.User
		}
		switch {
		case of.kind == kindGroups || of.group != "" || len(l.late) == maxLate:
			delete(k.listings, of) // whoever asks for the next page looks again
		case name != "" && (of.user == "" || of.user == id.User):
			if at, found := slices.BinarySearch(l.late, name); !found {
				l.late = slices.Insert(l.late, at, name)
			}
		}
	}
}

// forget drops what was not used for a while. Called with mu held.
func (k *kept) forget() {
	for of, l := range k.listings {
		if time.Since(l.used) > keptFor {
			delete(k.listings, of)
		}
	}
	k.count()
}

// count counts the listings. Called with mu held.
func (k *kept) count() { k.listed.Store(int32(len(k.listings))) }

// over reports whether more is kept than may be. Called with mu held.
func (k *kept) over() bool {
	sum, done := 0, 0
	for _, l := range k.listings {
		if l.names != nil {
			sum, done = sum+l.names.total, done+1
		}
	}
	return done > 1 && (done > keptListings || sum > keptNames)
}

// dropOldest drops the one that was not used longest, but not the one that was just made. Called with mu held.
func (k *kept) dropOldest(but listing) {
	var oldest listing
	found := false
	for of, l := range k.listings {
		if of != but && l.names != nil && (!found || l.used.Before(k.listings[oldest].used)) {
			oldest, found = of, true
		}
	}
	delete(k.listings, oldest)
}
