package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/bench/link"
)

// world is the clients, the senders and what they have seen.
type world struct {
	lab    *lab
	o      options
	dialer link.Dialer
	all    *source
	groups []*source
	tally  tally
	pause  pause
	// here counts the connected clients.
	here atomic.Int64

	mu        sync.Mutex
	restarted time.Time
	// restarting is held while a hub server is away.
	restarting sync.Mutex
}

const groupCount = 25

func newWorld(l *lab, o options) *world {
	w := &world{lab: l, o: o, dialer: l.dialer(), all: &source{name: "all"}}
	w.pause.init()
	for i := range groupCount {
		w.groups = append(w.groups, &source{name: fmt.Sprintf("group%d", i)})
	}
	return w
}

func (w *world) count(c *client, what string) {
	w.tally.count(what + " (" + c.transport.String() + ")")
}

func (w *world) fault(c *client, err error) {
	w.tally.fault(fmt.Errorf("client %d, %v: %w", c.number, c.transport, err))
}

func (w *world) lastRestart() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.restarted
}

// run lets everybody live, and looks at the gateway after the warm-up and at the end.
func (w *world) run(ctx context.Context, out io.Writer) (before, after reading, err error) {
	app, err := w.serveAspNet(ctx)
	if err != nil {
		return before, after, err
	}
	defer app.Close()
	living, stop := context.WithCancel(ctx)
	var everybody sync.WaitGroup
	for i := range w.o.clients {
		c := &client{world: w, number: i, transport: link.Transport(i % int(link.Transports)), random: rand.New(rand.NewPCG(w.o.seed, uint64(i)))}
		everybody.Go(func() { c.run(living) })
	}
	for i := range w.o.aspNet {
		everybody.Go(func() { w.newAspNetClient(i).run(living) })
	}
	everybody.Go(func() { w.sendAspNet(living, app) })
	everybody.Go(func() { w.send(living) })
	everybody.Go(func() { w.restart(living) })
	defer everybody.Wait()
	defer stop()

	fmt.Fprintln(out, "warming up")
	if err := sleep(ctx, w.o.warmup); err != nil {
		return before, after, err
	}
	if before, err = w.look(w.pause.end); err != nil {
		return before, after, err
	}
	fmt.Fprintf(out, "after %v: %s\n", w.o.warmup, before)
	if err := sleep(ctx, w.o.duration-w.o.warmup); err != nil {
		return before, after, err
	}
	// Nobody acts any more but to leave: a client that cut its socket now would still have messages waiting for it
	// when the gateway ends.
	after, err = w.look(func() {
		stop()
		w.pause.giveUp()
	})
	return before, after, err
}

// everybody is how many clients there are.
func (w *world) everybody() int { return w.o.clients + w.o.aspNet }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// remembering is a little more than the gateway remembers an ended connection, which is the life of its
// token. What the gateway keeps for clients that may come back it keeps longer, but as much of it each time.
const remembering = tokenLife + 4*time.Second

// look pauses everybody, waits until the gateway has forgotten the connections that have ended,
// and measures. It calls resume at the end of the pause.
func (w *world) look(resume func()) (reading, error) {
	w.restarting.Lock() // nobody is away
	defer w.restarting.Unlock()
	w.pause.begin()
	defer resume()
	for end := time.Now().Add(link.AnswerTime); int(w.here.Load()) < w.everybody(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return reading{}, fmt.Errorf("%d of %d clients are connected", w.here.Load(), w.everybody())
		}
	}
	time.Sleep(remembering)
	r, err := w.lab.measure()
	if err == nil && r.connections != w.everybody() {
		err = fmt.Errorf("the gateway counts %d connections of %d", r.connections, w.everybody())
	}
	return r, err
}

// restart ends and starts the hub servers, in turns.
func (w *world) restart(ctx context.Context) {
	for i := 0; sleep(ctx, w.o.restartEvery) == nil; i++ {
		s := w.lab.servers[i%len(w.lab.servers)]
		w.restarting.Lock()
		if ctx.Err() != nil {
			w.restarting.Unlock()
			return
		}
		w.touch()
		err := s.restart()
		w.touch()
		w.restarting.Unlock()
		if err != nil {
			w.tally.fault(err)
			return
		}
		if s.graceful {
			w.tally.count("hub server restarted gracefully")
		} else {
			w.tally.count("hub server killed")
		}
	}
}

func (w *world) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restarted = time.Now()
}

// sending is the time between two messages of a source.
const sending = 400 * time.Millisecond

// send sends numbered messages: one sender for all clients, one for the groups.
func (w *world) send(ctx context.Context) {
	var senders sync.WaitGroup
	senders.Go(func() {
		for sleep(ctx, sending) == nil {
			w.publish(w.all, "")
		}
	})
	senders.Go(func() {
		for i := 0; sleep(ctx, sending/5) == nil; i++ {
			g := w.groups[i%len(w.groups)]
			w.publish(g, "/groups/"+g.name)
		}
	})
	senders.Wait()
}

// padding gives messages their sizes; now and then there is a large one.
func padding(n int) string {
	if n%40 == 0 {
		return strings.Repeat("x", 100_000)
	}
	return strings.Repeat("x", n%300)
}

func (w *world) publish(s *source, target string) {
	if !w.pause.enter() {
		return
	}
	defer w.pause.leave()
	n := s.next()
	path := "/api/hubs/" + strings.ToLower(hub) + target + "/:send"
	token, err := sign(w.lab.gateway.URL+path, "")
	if err != nil {
		w.tally.fault(err)
		return
	}
	body := fmt.Sprintf(`{"target":"n","arguments":[%q,%d,%q]}`, s.name, n, padding(n))
	r, err := http.NewRequest(http.MethodPost, w.lab.gateway.URL+path+"?api-version=2022-06-01", bytes.NewReader([]byte(body)))
	if err != nil {
		w.tally.fault(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.tally.fault(err)
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err != nil || resp.StatusCode != http.StatusAccepted {
		w.tally.fault(errors.Join(errors.New("send: "+resp.Status), err))
		return
	}
	s.done(n)
	w.tally.count("sent")
}

// pause lets everybody finish what they do, and holds them.
type pause struct {
	mu      sync.Mutex
	changed sync.Cond
	active  int
	held    bool
	givenUp bool
}

func (p *pause) init() { p.changed.L = &p.mu }

func (p *pause) holds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// try begins an act unless the world pauses.
func (p *pause) try() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		return false
	}
	p.active++
	return true
}

// enter begins an act, and waits while the world pauses. It reports whether there is an end of the pause.
func (p *pause) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.held && !p.givenUp {
		p.changed.Wait()
	}
	if p.givenUp {
		return false
	}
	p.active++
	return true
}

func (p *pause) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.changed.Broadcast()
}

// begin returns when nothing is under way.
func (p *pause) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
	for p.active > 0 {
		p.changed.Wait()
	}
}

// giveUp makes the pause one without end.
func (p *pause) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.givenUp = true
	p.changed.Broadcast()
}

func (p *pause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	p.changed.Broadcast()
}
