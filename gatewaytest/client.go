// Package gatewaytest holds the fakes that tests of several packages share: a
// client without a network and an application that records what it is told.
package gatewaytest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// Client is a client and its transport in one: a pump collects what the
// gateway sends. Its methods may be called concurrently.
type Client struct {
	Conn *gateway.Conn

	tb   testing.TB
	name string
	wake chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something arrives
	got     []string
	end     *gateway.Cause
	aborted *gateway.Cause
	stalled bool
	done    bool
}

// Options say what is special about a client.
type Options struct {
	ID, Hub, User string
	// Transport is the transport's name; empty is WebSockets.
	Transport string
	// Protocol of the handshake; empty is json, "-" sends no handshake.
	Protocol string
	// Stalled clients take nothing until Unstall.
	Stalled bool
	// Identity, if set, is used as it is, with ID, Hub and User from above.
	Identity gateway.Identity
}

// Connect attaches a client and sends its handshake. The client is ended when the test ends.
func Connect(tb testing.TB, g *gateway.Gateway, o Options) *Client {
	tb.Helper()
	c, err := TryConnect(tb, g, o)
	require.NoError(tb, err)
	return c
}

// TryConnect is Connect for clients that may be refused.
func TryConnect(tb testing.TB, g *gateway.Gateway, o Options) (*Client, error) {
	c := &Client{tb: tb, name: o.Transport, wake: make(chan struct{}, 1), changed: make(chan struct{}), stalled: o.Stalled}
	if c.name == "" {
		c.name = gateway.WebSockets
	}
	id := o.Identity
	id.ID, id.Hub, id.HubName, id.User = o.ID, o.Hub, o.Hub, o.User
	conn, err := g.Attach(id, c)
	if err != nil {
		return nil, err
	}
	c.Conn = conn
	c.wg.Go(c.pump)
	tb.Cleanup(func() {
		conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		c.finish()
		c.wg.Wait()
	})
	switch o.Protocol {
	case "-":
	case "":
		_ = conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e"))
	default:
		_ = conn.Feed([]byte("{\"protocol\":\"" + o.Protocol + "\",\"version\":1}\x1e"))
	}
	return c, nil
}

// Name implements gateway.Transport.
func (c *Client) Name() string { return c.name }

// Abilities implements gateway.Transport.
func (c *Client) Abilities() gateway.Abilities {
	switch c.name {
	case gateway.LongPolling:
		return gateway.Abilities{Polled: true}
	case gateway.ServerSentEvents:
		return gateway.Abilities{TextOnly: true, EarliestClose: time.Second}
	}
	return gateway.Abilities{}
}

// Wake implements gateway.Transport.
func (c *Client) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Abort implements gateway.Transport.
func (c *Client) Abort(cause gateway.Cause) {
	c.mu.Lock()
	if c.aborted == nil {
		c.aborted = &cause
	}
	c.notifyLocked()
	c.mu.Unlock()
	c.finish()
	c.Conn.Ended(cause)
}

func (c *Client) finish() {
	c.mu.Lock()
	c.done = true
	c.mu.Unlock()
	c.Wake()
}

func (c *Client) pump() {
	for range c.wake {
		c.mu.Lock()
		stalled, done := c.stalled, c.done
		c.mu.Unlock()
		if done {
			return
		}
		if stalled {
			continue
		}
		var b gateway.Batch
		for c.Conn.Take(&b, 64<<10) {
			c.keep(&b)
			c.Conn.Wrote(&b, nil)
			if b.End != nil {
				c.Conn.Ended(*b.End)
				return
			}
		}
	}
}

func (c *Client) keep(b *gateway.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range b.Records {
		c.got = append(c.got, string(r.Bytes))
	}
	if b.End != nil {
		c.end = b.End
	}
	c.notifyLocked()
}

func (c *Client) notifyLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Stall makes a client take nothing until Unstall.
func (c *Client) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// Unstall lets a stalled client read again.
func (c *Client) Unstall() {
	c.mu.Lock()
	c.stalled = false
	c.mu.Unlock()
	c.Wake()
}

// Got returns the records so far, with their framing.
func (c *Client) Got() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// Want waits until a record contains the text and fails the test if ctx ends first.
func (c *Client) Want(ctx context.Context, text string) {
	c.tb.Helper()
	require.NoError(c.tb, c.until(ctx, func() bool {
		for _, r := range c.got {
			if strings.Contains(r, text) {
				return true
			}
		}
		return false
	}), "no record with %q in %q", text, c.Got())
}

// WantEnd waits for the end and returns its cause.
func (c *Client) WantEnd(ctx context.Context) gateway.Cause {
	c.tb.Helper()
	require.NoError(c.tb, c.until(ctx, func() bool { return c.end != nil || c.aborted != nil }), "the connection did not end")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		return *c.end
	}
	return *c.aborted
}

// Aborted reports whether the transport was ended without its queue.
func (c *Client) Aborted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aborted != nil
}

// WantNone fails if a record contains the text. Call it when nothing is under way.
func (c *Client) WantNone(text string) {
	c.tb.Helper()
	for _, r := range c.Got() {
		require.NotContains(c.tb, r, text)
	}
}

func (c *Client) until(ctx context.Context, cond func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := cond(), c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.New("gave up waiting")
		}
	}
}
