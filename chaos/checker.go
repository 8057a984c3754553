package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// checker knows who has sent what and who has got what, and finds what is lost, doubled or out of order.
// Its methods may be called from anywhere.
type checker struct {
	dying atomic.Int64 // a time.Duration; see the constants

	mu         sync.Mutex
	origins    map[string]*origin
	receivers  []*receiver
	faults     []*fault
	violations map[string][]string // by what is wrong
	delays     []time.Duration
	deliveries int
	// latest is the delivery that took longest.
	latest struct {
		took     time.Duration
		id, text string
	}
}

func newChecker() *checker {
	c := &checker{origins: make(map[string]*origin), violations: make(map[string][]string)}
	c.dying.Store(int64(dying))
	return c
}

// patient takes the slowest delivery so far for the time in which a message may still be under way when a connection
// ends. It is for scenarios in which everything is slow and nothing is broken: there a message that is late and one that is
// lost look alike at a connection that ends, and only there.
func (c *checker) patient() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dying.Store(max(c.dying.Load(), int64(c.latest.took)))
}

// send returns the origin of a name, which is made on first demand.
func (c *checker) send(name, node string, ordered bool) *origin {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.origins[name]
	if o == nil {
		o = &origin{name: name, node: node, ordered: ordered}
		c.origins[name] = o
	}
	return o
}

func (c *checker) origin(name string) *origin {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.origins[name]
}

// enter begins the stay of a client whose handshake was answered.
func (c *checker) enter(who identity) *receiver {
	r := &receiver{checker: c, who: who, ready: time.Now(), groups: make(map[string]time.Time), got: make(map[string]*arrivals)}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		if f.storeless && f.covers(r.ready, r.ready) {
			r.who.standing = ""
		}
	}
	c.receivers = append(c.receivers, r)
	return r
}

// fault begins one.
func (c *checker) fault(what string, bound time.Duration, between func(from, to string) bool) *fault {
	f := &fault{what: what, between: between, bound: bound, from: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f)
	return f
}

// violate notes that a promise was broken.
func (c *checker) violate(what, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.violations[what] = append(c.violations[what], time.Now().UTC().Format("15:04:05.000")+" "+text)
}

// maxDelays are kept for the percentiles.
const maxDelays = 1 << 20

// arrived notes how long a delivery took.
func (c *checker) arrived(who identity, origin string, n int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliveries++
	if took > c.latest.took {
		c.latest.took, c.latest.id, c.latest.text = took, who.id, fmt.Sprintf("%s %d to %v", origin, n, who)
	}
	if len(c.delays) < maxDelays {
		c.delays = append(c.delays, took)
	}
}

// living are the receivers that have not ended.
func (c *checker) living() []*receiver {
	c.mu.Lock()
	all := slices.Clone(c.receivers)
	c.mu.Unlock()
	return slices.DeleteFunc(all, func(r *receiver) bool { return !r.living() })
}

// loss is a message that did not come.
type loss struct {
	origin   string
	n        int
	message  message
	receiver identity
}

// settle waits until everything has come that must, at most for bound. Then it returns what has not, and
// counts what the faults excuse.
func (c *checker) settle(ctx context.Context, bound time.Duration) []loss {
	var lost []loss
	// Whatever becomes of the wait: what counts is what is missing then.
	_ = until(ctx, bound, func() bool {
		lost = c.missing()
		return len(lost) == 0
	})
	for _, l := range lost {
		c.violate("loss", fmt.Sprintf("%v has not got %s %d, accepted at %s", l.receiver, l.origin, l.n, l.message.ended.UTC().Format("15:04:05.000")))
	}
	return lost
}

// missing are the losses that nothing excuses.
func (c *checker) missing() []loss {
	c.mu.Lock()
	receivers, faults := slices.Clone(c.receivers), slices.Clone(c.faults)
	origins := make([]*origin, 0, len(c.origins))
	for _, o := range c.origins {
		origins = append(origins, o)
	}
	c.mu.Unlock()
	for _, f := range faults {
		f.reset()
	}
	var lost []loss
	for _, o := range origins {
		all := o.messages()
		for _, r := range receivers {
			lost = append(lost, r.missing(o, all, faults)...)
		}
	}
	return lost
}

func (r *receiver) missing(o *origin, all []message, faults []*fault) (lost []loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got[o.name]
	for i, m := range all {
		if got.has(i+1) || !r.owed(m) {
			continue
		}
		// The youngest fault is the one to blame.
		excused := false
		for j := len(faults) - 1; j >= 0 && !excused; j-- {
			if excused = faults[j].excuses(o, m, r); excused {
				faults[j].count(m)
			}
		}
		if !excused {
			lost = append(lost, loss{o.name, i + 1, m, r.who})
		}
	}
	return lost
}

// percentile of the times from sending to arrival.
func (c *checker) percentile(p float64) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.delays) == 0 {
		return 0
	}
	slices.Sort(c.delays)
	return c.delays[int(p*float64(len(c.delays)-1))]
}
