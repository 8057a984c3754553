package life

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/stream"
)

var (
	worldRuns   = flag.Int("world.schedules", 150, "how many schedules the test of all parts together tries")
	worldReplay = flag.Uint64("world.replay", 0, "the one schedule that is run again")
)

// world is nodes with clients that come and go, which are killed and cut off, while the store has
// outages. Leases are as package nodes promises them: a node that cannot reach the store is fenced
// after 12 s; after 20 s another one claims it.
type world struct {
	rng   *rand.Rand
	shelf *shelf
	nodes []*being
	wg    sync.WaitGroup
	over  atomic.Bool
	// unburied is for how many nodes there is something left to do.
	unburied atomic.Int64

	mu      sync.Mutex
	clients map[string]*life
	serial  int
	wrong   []string
}

// life is what became of a client.
type life struct {
	begun   bool // the application was told of its beginning: its birth is logged, unless that was counted
	by      []string
	node    *being
	leaving bool
	// givenUp: it was closed because its node was given up.
	givenUp bool
	told    time.Time // when its own node told of it
	// settled: that was so long before its node was cut off or died that the log has it.
	settled bool
}

// being is a node.
type being struct {
	w    *world
	name string
	*lifeLog
	undertaker *undertaker
	ends       *teller
	ctx        context.Context
	kill       func()
	cut        time.Time // until then; guarded by w.mu
	dead       bool
	since      atomic.Int64 // when it last reached the store
	given      atomic.Bool  // it was claimed, and has to find out
}

// reach is a shelf as one node reaches it.
type reach struct {
	*shelf
	b *being
}

func (r reach) blocked(ctx context.Context) error {
	r.b.w.mu.Lock()
	cut := r.b.dead || time.Now().Before(r.b.cut)
	r.b.w.mu.Unlock()
	if cut {
		<-ctx.Done()
		return stream.Unavailable(ctx.Err())
	}
	return nil
}

func (r reach) Ensure(ctx context.Context) error {
	if err := r.blocked(ctx); err != nil {
		return err
	}
	return r.shelf.Ensure(ctx)
}

func (r reach) Write(ctx context.Context, subject string, data []byte, sequence uint64, lasts time.Duration) (uint64, error) {
	if err := r.blocked(ctx); err != nil {
		return 0, err
	}
	return r.shelf.Write(ctx, subject, data, sequence, lasts)
}

func (r reach) Last(ctx context.Context, subject string) (stream.Message, error) {
	if err := r.blocked(ctx); err != nil {
		return stream.Message{}, err
	}
	return r.shelf.Last(ctx, subject)
}

func (r reach) Next(ctx context.Context, filter string, from uint64) (stream.Message, error) {
	if err := r.blocked(ctx); err != nil {
		return stream.Message{}, err
	}
	return r.shelf.Next(ctx, filter, from)
}

func (r reach) Following(ctx context.Context, filter string, from uint64) ([]stream.Message, error) {
	if err := r.blocked(ctx); err != nil {
		return nil, err
	}
	return r.shelf.Following(ctx, filter, from)
}

func (r reach) PurgeBefore(ctx context.Context, subject string, sequence uint64) error {
	if err := r.blocked(ctx); err != nil {
		return err
	}
	return r.shelf.PurgeBefore(ctx, subject, sequence)
}

func (r reach) Put(ctx context.Context, subject, id string, data []byte) error {
	if err := r.blocked(ctx); err != nil {
		return err
	}
	r.b.w.mu.Lock()
	fails := r.b.w.rng.IntN(300) == 0
	r.b.w.mu.Unlock()
	if fails {
		return stream.ErrUnavailable
	}
	return r.shelf.Put(ctx, subject, id, data)
}

// Fenced is what a lease says.
func (b *being) Fenced() bool {
	return b.given.Load() || b.silent() > 12*time.Second
}

// silent is for how long a node has not reached the store.
func (b *being) silent() time.Duration { return time.Since(time.Unix(0, b.since.Load())) }

func (b *being) reached() { b.since.Store(time.Now().UnixNano()) }

func (w *world) start(i int) *being {
	b := &being{w: w, name: fmt.Sprintf("%c-%d", 'a'+i, w.serial)}
	b.reached()
	w.serial++
	b.lifeLog = newLog(reach{w.shelf, b}, "log.", b.name, b, counts.New(events))
	b.undertaker = &undertaker{
		inc: func() string { return b.name }, logs: reach{w.shelf, b}, prefix: "log.", outbox: reach{w.shelf, b}, subject: "out.",
		fence: b, counts: b.counts,
	}
	b.ctx, b.kill = context.WithCancel(context.Background())
	w.wg.Go(func() { b.writer.Run(b.ctx) })
	hook := Webhook{Later: errLater, Send: func(record []byte) error {
		w.tell(string(record[len("record of "):]), b, "released by "+b.name)
		return nil
	}}
	b.ends = &teller{log: b.lifeLog, buries: b.undertaker, hook: hook, logger: slog.New(slog.DiscardHandler)}
	w.wg.Go(func() { b.ends.release(b.ctx) })
	return b
}

// tell is the application.
func (w *world) tell(id string, b *being, by string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b != nil && b.dead {
		return
	}
	w.clients[id].by = append(w.clients[id].by, by)
	if b != nil {
		w.clients[id].told = time.Now()
	}
}

// come has a client connect to a node.
func (w *world) come(b *being) {
	w.mu.Lock()
	w.serial++
	id := fmt.Sprintf("c%05d", w.serial)
	c := &life{node: b}
	w.clients[id] = c
	w.mu.Unlock()
	w.wg.Go(func() {
		b.born(b.ctx, "chat", id, person(id))
		w.mu.Lock()
		defer w.mu.Unlock()
		c.begun = !b.dead
	})
}

// leave has a client end.
func (w *world) leave(id string, c *life) {
	c.leaving = true
	w.wg.Go(func() {
		if !c.node.ends.ending(c.node.ctx, id, person(id)) {
			return
		}
		w.tell(id, c.node, "ended by "+c.node.name)
		c.node.ended(id)
	})
}

// claims claims the nodes that have not reached the store for 20 s.
func (w *world) claims() {
	for i, b := range w.nodes {
		w.mu.Lock()
		down := false
		w.shelf.do(func() { down = w.shelf.down })
		reaches := !down && !b.dead && time.Now().After(b.cut)
		switch {
		case reaches && b.given.Load():
			if w.rng.IntN(50) == 0 {
				b.abandonLocked(i)
			}
		case reaches:
			b.reached()
		case !b.given.Load() && b.silent() > 20*time.Second:
			b.given.Store(true)
			for _, c := range w.clients {
				c.settled = c.settled || c.node == b && !c.told.IsZero() && c.told.Before(time.Unix(0, b.since.Load()).Add(-time.Second))
			}
			w.bury(b.undertaker.inc())
		}
		w.mu.Unlock()
	}
}

// abandonLocked is what a node does that finds out that it was claimed: its clients end, and it begins
// anew.
func (b *being) abandonLocked(i int) {
	w := b.w
	b.name = fmt.Sprintf("%c-%d", 'a'+i, w.serial)
	w.serial++
	b.abandon(b.name)
	b.given.Store(false)
	b.reached()
	for id, c := range w.clients {
		if c.node == b && c.begun && !c.leaving {
			c.givenUp = true
			w.leave(id, c)
		}
	}
}

// bury has any node that lives do what is to be done for a dead one, until it is done.
func (w *world) bury(inc string) {
	w.unburied.Add(1)
	w.wg.Go(func() {
		for !w.over.Load() {
			time.Sleep(time.Second)
			w.mu.Lock()
			var able []*being
			for _, b := range w.nodes {
				if !b.dead && !b.given.Load() && b.silent() < 5*time.Second {
					able = append(able, b)
				}
			}
			var by *being
			if len(able) > 0 {
				by = able[w.rng.IntN(len(able))]
			}
			w.mu.Unlock()
			if by != nil && by.undertaker.bury(by.ctx, inc) == nil {
				w.unburied.Add(-1)
				return
			}
		}
	})
}

// happen is what goes wrong, or not, in a moment.
func (w *world) happen() {
	w.mu.Lock()
	i := w.rng.IntN(len(w.nodes))
	b := w.nodes[i]
	dice := w.rng.IntN(1000)
	var ids []string
	for id, c := range w.clients {
		if c.begun && !c.leaving && !c.node.dead {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	w.mu.Unlock()
	switch {
	case dice < 400 && !b.dead:
		w.come(b)
	case dice < 700 && len(ids) > 0:
		w.mu.Lock()
		id := ids[w.rng.IntN(len(ids))]
		w.leave(id, w.clients[id])
		w.mu.Unlock()
	case dice < 701 && !b.dead:
		w.mu.Lock()
		b.dead = true
		w.mu.Unlock()
		b.kill()
	case dice < 708:
		w.restart(i)
	case dice > 708 && dice < 711 && time.Now().After(b.cut):
		w.mu.Lock()
		b.cut = time.Now().Add(time.Duration(w.rng.IntN(40_000)) * time.Millisecond)
		w.mu.Unlock()
	case dice > 712 && dice < 720:
		w.shelf.do(func() { w.shelf.refuse = 1 })
	case dice > 720 && dice < 728:
		w.shelf.do(func() { w.shelf.lose = 1 })
	case dice == 728:
		w.outage()
	}
}

// restart starts a node that is dead, and was claimed.
func (w *world) restart(i int) {
	if b := w.nodes[i]; b.dead && b.given.Load() {
		next := w.start(i)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.nodes[i] = next
	}
}

func (w *world) outage() {
	w.shelf.do(func() { w.shelf.down = true })
	lasts := time.Duration(w.rng.IntN(9000)) * time.Millisecond
	w.wg.Go(func() {
		time.Sleep(lasts)
		w.shelf.do(func() { w.shelf.down = false })
	})
}

// outbox tells what was put into it.
func (w *world) outbox(told map[string]bool) {
	var ids []string
	w.shelf.do(func() { ids = slices.Collect(maps.Keys(w.shelf.puts)) })
	for _, id := range ids {
		if !told[id] {
			told[id] = true
			w.tell(id[len("d/"):], nil, "from the outbox")
		}
	}
}

func (w *world) run() {
	told := make(map[string]bool)
	for range 3000 { // a minute
		w.happen()
		w.claims()
		w.outbox(told)
		time.Sleep(20 * time.Millisecond)
	}
	for range 600 { // a minute in which all is well
		w.mu.Lock()
		for _, b := range w.nodes {
			b.cut = time.Time{}
		}
		w.mu.Unlock()
		for i := range w.nodes {
			w.restart(i)
		}
		w.claims()
		w.outbox(told)
		time.Sleep(100 * time.Millisecond)
	}
	w.mu.Lock()
	for id, c := range w.clients {
		if c.begun && !c.leaving && !c.node.dead {
			w.leave(id, c)
		}
	}
	w.mu.Unlock()
	time.Sleep(20 * time.Second)
	w.outbox(told)
	w.over.Store(true)
	for _, b := range w.nodes {
		b.kill()
	}
	w.wg.Wait()
}

// check returns what is wrong: each client is told of once. A client may be told of twice if its node
// died, or was cut off, while it was told; and not at all if its birth was not logged when its node died, which was
// counted.
func (w *world) check() (wrong []string, lost int) {
	untold, unlogged := 0, uint64(0)
	seen := make(map[*being]bool)
	for id, c := range w.clients {
		if !seen[c.node] {
			seen[c.node] = true
			if c.node.dead {
				unlogged += c.node.counts.Get(EventUnlogged)
			}
		}
		fromOutbox := slices.Contains(c.by, "from the outbox")
		if fromOutbox {
			lost++
		}
		switch {
		case !c.begun && len(c.by) <= 1:
		case len(c.by) == 0:
			untold++
		case len(c.by) > 2 || len(c.by) == 2 && !fromOutbox:
			wrong = append(wrong, fmt.Sprintf("%s: %v", id, c.by))
		case len(c.by) == 2 && (!c.leaving || c.givenUp || c.settled):
			wrong = append(wrong, fmt.Sprintf("%s did not leave by itself: %v", id, c.by))
		}
	}
	if n := w.unburied.Load(); n > 0 {
		wrong = append(wrong, fmt.Sprintf("%d dead nodes are not buried", n))
	}
	if untold > int(unlogged) {
		wrong = append(wrong, fmt.Sprintf("%d are not told of, and %d were not logged", untold, unlogged))
	}
	return wrong, lost
}

func TestN32N40EndsAreToldOnce(t *testing.T) {
	one := func(t *testing.T, seed uint64) (lost int) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{rng: rand.New(rand.NewPCG(seed, 2)), shelf: new(shelf), clients: make(map[string]*life)}
			for i := range 3 {
				w.nodes = append(w.nodes, w.start(i))
			}
			w.run()
			var wrong []string
			wrong, lost = w.check()
			require.Empty(t, wrong, "-world.replay %d", seed)
		})
		return lost
	}
	if *worldReplay != 0 {
		one(t, *worldReplay)
		return
	}
	lost := 0
	for seed := range uint64(*worldRuns) {
		lost += one(t, seed+1)
	}
	require.NotZero(t, lost)
	t.Log(*worldRuns, "schedules,", lost, "ends of clients told by other nodes")
}
