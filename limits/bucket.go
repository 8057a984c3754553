package limits

import (
	"sync"
	"time"
)

// bucket is a token bucket. Tokens may be less than none: then somebody was held back for what it took.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	at     int64 // when tokens was right, in nanoseconds of the Set's clock
	// refs are the meters that use it, so that it is not forgotten. Guarded by its shard.
	refs int
	// key is where it is in its table.
	key string
	// said is what was taken since the other nodes were told.
	said float64
}

// fill brings the tokens up to date. Called with mu held.
func (b *bucket) fill(r *rule, now int64) {
	if passed := now - b.at; passed > 0 {
		b.tokens = min(r.capacity(), b.tokens+float64(passed)*r.perNano())
		b.at = now
	}
}

// take takes n tokens. If they are not there yet but will be within patience, they are taken all the same, and hold is
// how long until then; else nothing is taken, and reset is how long until they could be, longest at most. What is
// larger than the bucket needs it to be full.
func (b *bucket) take(r *rule, n float64, now int64, patience time.Duration) (hold, reset time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(r, now)
	missing := min(n, r.capacity()) - b.tokens
	if missing <= 0 {
		b.tokens -= n
		b.said += n
		return 0, 0
	}
	wait := r.until(missing)
	if wait > patience {
		return 0, wait
	}
	b.tokens -= n
	b.said += n
	return wait, 0
}

// spend takes n tokens that were taken on another node.
func (b *bucket) spend(r *rule, n float64, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(r, now)
	b.tokens -= n
}

// takeSaid returns what was taken since it was called last.
func (b *bucket) takeSaid() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = 0
	return said
}

// missing is how long until n tokens could be taken.
func (b *bucket) missing(r *rule, n float64, now int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(r, now)
	if missing := min(n, r.capacity()) - b.tokens; missing > 0 {
		return r.until(missing)
	}
	return 0
}

// give gives tokens back that were taken for something that another rule refused.
func (b *bucket) give(r *rule, n float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(r.capacity(), b.tokens+n)
	b.said -= n
}

// full reports whether a new bucket would be the same.
func (b *bucket) full(r *rule, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(r, now)
	return b.tokens >= r.capacity()
}

const (
	shards = 16
	// maxBuckets bounds the buckets of one rule. Beyond it all who come share one.
	maxBuckets = 1 << 18
	// sweepFrom is from how many buckets of a shard on those are looked for that can be forgotten, before
	// there is a new one.
	sweepFrom = 64
)

// table finds the buckets of users, hubs or keys. One that nobody uses and that is full is forgotten.
type table struct {
	rule   *rule
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	// sweepAt is how many there may be before the next look.
	sweepAt int
	swept   int64 // when the last look was
	// crowd is for those for whom there is no room.
	crowd *bucket
}

// get returns the bucket of a name, with one more user of it: put takes that back.
func (t *table) get(name string, now int64) *bucket {
	s := &t.shards[hash(name)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		if b = s.make(t.rule, name, now); b == s.crowd {
			return b
		}
	}
	b.refs++
	return b
}

// make makes a bucket. Called with mu held.
func (s *shard) make(r *rule, name string, now int64) *bucket {
	if s.buckets == nil {
		s.buckets, s.sweepAt = make(map[string]*bucket), sweepFrom
	}
	const most = maxBuckets / shards
	if len(s.buckets) >= s.sweepAt && (len(s.buckets) < most || now-s.swept > int64(time.Second)) {
		s.sweep(r, now)
		s.swept, s.sweepAt = now, min(most, max(sweepFrom, 2*len(s.buckets)))
	}
	if len(s.buckets) >= most {
		if s.crowd == nil {
			s.crowd = &bucket{tokens: r.capacity(), at: now}
		}
		return s.crowd
	}
	b := &bucket{tokens: r.capacity(), at: now, key: name}
	s.buckets[name] = b
	return b
}

// sweep forgets what a new bucket would be the same as. Called with mu held.
func (s *shard) sweep(r *rule, now int64) {
	for name, b := range s.buckets {
		if b.refs == 0 && b.full(r, now) {
			delete(s.buckets, name)
		}
	}
}

// put takes back a use.
func (t *table) put(b *bucket) {
	s := &t.shards[hash(b.key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.refs > 0 {
		b.refs--
	}
}

// takeSaid returns what was taken of each bucket since it was called last.
func (t *table) takeSaid() map[string]int {
	all := make(map[string]int)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for name, b := range s.buckets {
			if said := int(b.takeSaid()); said > 0 {
				all[name] = said
			}
		}
		s.mu.Unlock()
	}
	return all
}

// forget forgets all that can be.
func (t *table) forget(now int64) (left int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.sweep(t.rule, now)
		left += len(s.buckets)
		s.mu.Unlock()
	}
	return left
}

// hash spreads names over shards.
func hash(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}
