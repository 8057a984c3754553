package presence

import (
	"runtime"
	"slices"
	"sort"
	"sync"
	"time"
)

// names are ids or names as they were at one moment, in parts that are ordered each. They are never
// ordered as a whole: that would hold up a processor for long, and a page needs only their beginning.
type names struct {
	parts [][]string
	total int
}

const (
	// partSize is how many names are ordered at a time, at least.
	partSize = 4096
	// maxParts bounds what a page has to look at for each of its names.
	maxParts = 64
)

// order makes names of a list, which it changes.
func order(list []string) *names {
	n := &names{total: len(list)}
	size := max(partSize, len(list)/maxParts+1)
	for len(list) > 0 {
		part := list[:min(len(list), size)]
		list = list[len(part):]
		slices.Sort(part)
		n.parts = append(n.parts, part)
		runtime.Gosched()
	}
	return n
}

// after visits the names behind last, smallest first, each once, until visit returns false.
func (n *names) after(last string, visit func(name string) bool) {
	rest := make([][]string, 0, len(n.parts))
	for _, part := range n.parts {
		at := sort.Search(len(part), func(i int) bool { return part[i] > last })
		if at < len(part) {
			rest = append(rest, part[at:])
		}
	}
	for len(rest) > 0 {
		least := 0
		for i := range rest {
			if rest[i][0] < rest[least][0] {
				least = i
			}
		}
		name := rest[least][0]
		if !visit(name) {
			return
		}
		for i := 0; i < len(rest); i++ {
			for len(rest[i]) > 0 && rest[i][0] == name {
				rest[i] = rest[i][1:]
			}
			if len(rest[i]) == 0 {
				rest[i] = rest[len(rest)-1]
				rest = rest[:len(rest)-1]
				i--
			}
		}
	}
}

const (
	// keptListings and keptNames bound what is kept for listings that go on.
	keptListings, keptNames = 8, 1 << 21
	// keptFor is how long it is kept after its last page.
	keptFor = 15 * time.Second
	// keptFrom is from how many names on keeping is worth it.
	keptFrom = 2 * partSize
)

// kept are the names of listings whose next page is still to come, so that a listing of many pages looks at
// everything once. A listing whose names are not kept any more looks again.
type kept struct {
	mu       sync.Mutex
	listings map[listing]*keptList
}

// listing is one caller's way through the pages of a list.
type listing struct {
	number           uint64
	kind             kind
	hub, user, group string
}

type keptList struct {
	names *names
	used  time.Time
}

// get returns what is kept of a listing, nil if that is nothing.
func (k *kept) get(of listing) *names {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget()
	l := k.listings[of]
	if l == nil {
		return nil
	}
	l.used = time.Now()
	return l.names
}

// put keeps the names of a listing, unless they are few.
func (k *kept) put(of listing, n *names) {
	if n.total < keptFrom || n.total > keptNames {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget()
	if k.listings == nil {
		k.listings = make(map[listing]*keptList)
	}
	k.listings[of] = &keptList{n, time.Now()}
	for k.over() {
		k.dropOldest(of)
	}
	time.AfterFunc(keptFor+time.Second, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.forget()
	})
}

// forget drops what was not used for a while. Called with mu held.
func (k *kept) forget() {
	for of, l := range k.listings {
		if time.Since(l.used) > keptFor {
			delete(k.listings, of)
		}
	}
}

// over reports whether more is kept than may be. Called with mu held.
func (k *kept) over() bool {
	sum := 0
	for _, l := range k.listings {
		sum += l.names.total
	}
	return len(k.listings) > 1 && (len(k.listings) > keptListings || sum > keptNames)
}

// dropOldest drops the one that was not used longest, but not the one that was just made. Called with mu held.
func (k *kept) dropOldest(but listing) {
	var oldest listing
	found := false
	for of, l := range k.listings {
		if of != but && (!found || l.used.Before(k.listings[oldest].used)) {
			oldest, found = of, true
		}
	}
	delete(k.listings, oldest)
}
