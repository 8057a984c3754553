package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench/link"
)

// churn is clients that come and go all the time. They stay for a moment only.
type churn struct {
	stage *stage

	mu sync.Mutex
	// left is when a connection began to end, by id.
	left map[string]time.Time
	// visits is how many there were.
	visits int
}

const (
	// churners come and go at the same time, each of which stays for churnStay at most.
	churners  = 24
	churnStay = 200 * time.Millisecond
)

// churnKill kills each node while clients come and go. The application hears of the end of each client: once, or
// twice if it was just ending.
func churnKill(ctx context.Context, s *stage) error {
	c := &churn{stage: s, left: make(map[string]time.Time)}
	s.hooks.mayRepeat()
	living, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	for i := range churners {
		all.Go(func() { c.run(living, s.random(1000+i)) })
	}
	err := killEach(ctx, s)
	leave()
	all.Wait()
	s.report.note("%d clients have come and gone", c.visits)
	s.afterwards = func() { c.check() }
	return err
}

// run visits nodes until ctx ends.
func (c *churn) run(ctx context.Context, random *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		n := c.stage.cluster.nodes[random.IntN(len(c.stage.cluster.nodes))]
		if !n.ready.Load() {
			wait(ctx, lookEvery)
			continue
		}
		user := fmt.Sprintf("churn%d-%d", random.Uint32(), i)
		dialer := link.Dialer{Base: "http://" + n.door.address(), Hub: hubName, NoKeepAlives: true, Token: c.stage.token}
		l, err := dialer.Dial(ctx, link.WebSockets, user)
		if err != nil {
			wait(ctx, lookEvery)
			continue
		}
		bound := time.AfterFunc(arriving, l.Cut)
		if _, err := shakeHands(l); err == nil {
			wait(ctx, time.Duration(random.Int64N(int64(churnStay))))
		}
		bound.Stop()
		c.mu.Lock()
		c.left[l.ID()] = time.Now()
		c.visits++
		c.mu.Unlock()
		l.Cut()
	}
}

// check looks at those whose end was told twice, or of whose beginning nothing was told.
func (c *churn) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	twice, early := 0, 0
	for id, one := range c.stage.hooks.all() {
		if one.disconnected > 1 {
			twice++
			if !c.stage.diedWith(one.teller, c.left[id]) {
				c.stage.checker.violate("events", fmt.Sprintf("the end of %s was told %d times, first by %s", id, one.disconnected, one.teller))
			}
		}
		if one.connected == 0 && one.disconnected > 0 {
			early++
			if !slices.ContainsFunc(c.stage.killed, func(k killed) bool { return k.node == auth.NodeOf(id) }) {
				c.stage.checker.violate("events", fmt.Sprintf("disconnected of %s came without connected", id))
			}
		}
	}
	c.stage.report.note("the ends of %d clients that were just ending were told twice, of %d clients only the end was told", twice, early)
}
