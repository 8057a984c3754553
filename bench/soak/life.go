package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/bench/link"
)

// client lives: it connects, does things, and comes back when it has gone.
type client struct {
	world     *world
	number    int
	transport link.Transport
	random    *rand.Rand
	conn      *connection
}

const (
	// thinking is the mean time between two things that a client does.
	thinking = 1500 * time.Millisecond
	// pinging is less than half of the gateway's patience with silent clients.
	pinging = 10 * time.Second
	// stalling is longer than a gateway waits for a client that takes nothing.
	stalling = 14 * time.Second
	// grace is how long after a restart of a hub server its calls may fail.
	grace = 25 * time.Second
)

// run lives until the context ends. It stops before each act while the world pauses.
func (c *client) run(ctx context.Context) {
	next := time.Now()
	pinged := next
	for ctx.Err() == nil {
		if c.conn == nil && !c.arrive(ctx) {
			continue
		}
		if over, err := c.conn.over(); over {
			c.lost(err)
			continue
		}
		if time.Since(pinged) > pinging {
			c.conn.ping()
			pinged = time.Now()
		}
		if time.Now().Before(next) || !c.world.pause.try() {
			c.rest(ctx)
			continue
		}
		c.act(ctx)
		c.world.pause.leave()
		next = time.Now().Add(time.Duration(c.random.ExpFloat64() * float64(thinking)))
	}
	if c.conn != nil {
		c.depart("stayed to the end", c.conn.leave)
	}
}

func (c *client) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}

func (c *client) arrive(ctx context.Context) bool {
	conn, err := connect(ctx, &c.world.dialer, c.transport, "user"+strconv.Itoa(c.number), c.world.all)
	if err != nil {
		if ctx.Err() == nil {
			c.world.fault(c, fmt.Errorf("does not connect: %w", err))
			c.rest(ctx)
		}
		return false
	}
	c.conn = conn
	c.world.count(c, "connected")
	c.world.here.Add(1)
	return true
}

// lost is a connection that ended although the client reads and answers.
func (c *client) lost(err error) {
	c.world.fault(c, fmt.Errorf("lost its connection: %w", err))
	c.depart("was lost", c.conn.cut)
}

// depart ends the connection in a way and looks at what it has seen.
func (c *client) depart(how string, end func()) {
	end()
	c.world.here.Add(-1)
	c.world.count(c, how)
	for _, fault := range c.conn.faults {
		c.world.fault(c, fault)
	}
	c.conn = nil
}

func (c *client) act(ctx context.Context) {
	switch n := c.random.IntN(100); {
	case n < 45:
		c.echo()
	case n < 65:
		c.changeGroups()
	case n < 75:
		c.stream()
	case n < 85:
		c.sendBack()
	case n < 90:
		c.depart("cut its socket", c.conn.cut)
	case n < 98:
		c.leave()
	default:
		c.stall(ctx)
	}
}

// called judges the error of a call: a hub server that goes may take some with it.
func (c *client) called(what string, err error) bool {
	var answered errCall
	switch {
	case err == nil:
		c.world.count(c, what)
		return true
	case errors.As(err, &answered) && time.Since(c.world.lastRestart()) < grace:
		c.world.count(c, what+" failed beside a restart")
	default:
		if over, _ := c.conn.over(); over {
			return false // the loss is judged by run
		}
		c.world.fault(c, fmt.Errorf("%s: %w", what, err))
	}
	return false
}

func (c *client) echo() {
	text := strconv.Itoa(c.random.Int())
	value, err := c.conn.invoke("Echo", text)
	if c.called("echoed", err) && string(value) != strconv.Quote(text) {
		c.world.fault(c, fmt.Errorf("echo of %s is %s", text, value))
	}
}

func (c *client) changeGroups() {
	group := c.world.groups[c.random.IntN(len(c.world.groups))]
	c.conn.mu.Lock()
	_, member := c.conn.expected[group.name]
	if member {
		// Until the leaving is done messages may come or not.
		delete(c.conn.expected, group.name)
	}
	delete(c.conn.left, group.name)
	c.conn.mu.Unlock()
	if member {
		_, err := c.conn.invoke("Leave", group.name)
		if c.called("left a group", err) {
			started, _ := group.sent()
			c.conn.mu.Lock()
			c.conn.left[group.name] = started
			c.conn.mu.Unlock()
		}
		return
	}
	_, err := c.conn.invoke("Join", group.name)
	if !c.called("joined a group", err) {
		return
	}
	// What was sent between the joining and this moment may have come already; it is not looked at.
	c.conn.mu.Lock()
	c.conn.expected[group.name] = expect(group)
	c.conn.mu.Unlock()
}

const streamed = 60

func (c *client) stream() {
	made := &call{}
	_, err := c.conn.call(made, 4, "Count", streamed, 2)
	if !c.called("streamed", err) {
		return
	}
	for i, n := range made.items {
		if n != i {
			c.world.fault(c, fmt.Errorf("item %d of a stream is %d", i, n))
			return
		}
	}
	if len(made.items) != streamed {
		c.world.fault(c, fmt.Errorf("a stream has %d items", len(made.items)))
	}
}

// sendBack has the hub send to its caller and then complete: in this order they must come.
func (c *client) sendBack() {
	made := &call{echo: strconv.Itoa(c.random.Int())}
	_, err := c.conn.call(made, invocation, "EchoBack", made.echo)
	c.conn.mu.Lock()
	missing := made.echo != ""
	c.conn.mu.Unlock()
	if c.called("sent back", err) && missing {
		c.world.fault(c, errors.New("the completion came before what the method had sent"))
	}
}

// leave waits for what was sent before it goes.
func (c *client) leave() {
	c.caughtUp()
	c.depart("left", c.conn.leave)
}

// caughtUp waits until everything that was accepted for this client has come.
func (c *client) caughtUp() {
	type goal struct {
		e *expectation
		n int
	}
	var goals []goal
	c.conn.mu.Lock()
	for _, e := range c.conn.expected {
		_, accepted := e.source.sent()
		goals = append(goals, goal{e, accepted})
	}
	c.conn.mu.Unlock()
	for end := time.Now().Add(link.AnswerTime); ; time.Sleep(20 * time.Millisecond) {
		missing := ""
		c.conn.mu.Lock()
		for _, g := range goals {
			if !g.e.upTo(g.n) {
				missing = fmt.Sprintf("%s: %d has not come, the last one was %d", g.e.source.name, g.n, g.e.last)
			}
		}
		c.conn.mu.Unlock()
		if over, _ := c.conn.over(); missing == "" || over {
			return
		}
		if time.Now().After(end) {
			c.world.fault(c, errors.New(missing))
			return
		}
	}
}

// stall takes nothing for a while. The gateway may close the client for that.
func (c *client) stall(ctx context.Context) {
	c.conn.stall()
	timer := time.NewTimer(stalling)
	defer timer.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case <-timer.C:
			waiting = false
		case <-tick.C:
			waiting = !c.world.pause.holds()
		}
	}
	c.depart("stalled", c.conn.cut)
}
