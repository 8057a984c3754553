// Package gatewaytest holds the fakes that tests of several packages share: a
// client without a network and an application that records what it is told.
package gatewaytest

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Client is a client and its transport in one: a pump collects what the
// gateway sends. It lives like the transport it names (life.go), and fails its
// test when the core breaks the rules of a transport. Its methods may be called
// concurrently.
type Client struct {
	Conn *gateway.Conn

	tb     testing.TB
	name   string
	manner gateway.Manner // of a client that returns, else nil
	cursor string         // with which it came
	// numbers: its transport has Abilities.Numbers.
	numbers bool
	life    life
	raw     *rawSocket // nil: written by the pump only
	wake    chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something arrives or changes
	heard   heard
	pumping pumping
	broken  []string
}

// heard is what has come from the gateway.
type heard struct {
	got     []string
	partial bool // the last of got is not whole
	end     *gateway.Cause
	aborted *gateway.Cause
}

// pumping is what the pump does.
type pumping struct {
	stalled bool
	paused  bool // it was stalled once, and then the pump looks without being woken
	hold    bool // it stays between Take and Wrote
	inside  bool // it is there
	broken  bool // the socket takes nothing more of workers
	cut     int  // if not 0, the next batch fails behind so many records, less one
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
	// Raw clients can be written to by workers, through a socket of the operating
	// system. The test is skipped where there is none.
	Raw bool
	// Returns clients may lose their transport and come back (Client.Return). They are started
	// without a handshake and speak Marked.
	Returns bool
	// Numbers clients ask for stateful reconnect, and may come back with ReturnNumbered.
	Numbers bool
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
	c := newClient(tb, o)
	id := o.Identity
	id.ID, id.Hub, id.HubName, id.User = o.ID, o.Hub, o.Hub, o.User
	conn, err := g.Attach(id, c)
	if err != nil {
		return nil, err
	}
	c.begin(conn)
	tb.Cleanup(c.cleanUp)
	switch {
	case o.Protocol == "-":
	case o.Returns:
		_ = conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: Marked}})
	default:
		_ = c.Feed(hubprotocol.AppendHandshakeRequest(nil, cmp.Or(o.Protocol, hubprotocol.JSON), o.version()))
	}
	return c, nil
}

func (o *Options) version() int {
	if o.Numbers {
		return 2
	}
	return 1
}

func newClient(tb testing.TB, o Options) *Client {
	c := &Client{tb: tb, name: o.Transport, wake: make(chan struct{}, 1), changed: make(chan struct{}), pumping: pumping{stalled: o.Stalled, paused: o.Stalled}}
	if c.name == "" {
		c.name = gateway.WebSockets
	}
	c.numbers = o.Numbers
	if o.Returns {
		c.manner, c.cursor = Manner{}, "0"
	}
	c.life.init()
	if o.Raw {
		c.raw = newRawSocket(tb, c)
	}
	return c
}

// cleanUp ends the client and reports what the core did wrong.
func (c *Client) cleanUp() {
	c.Conn.Close(gateway.Cause{Reason: gateway.CloseNormal}) // whatever the reader waits for
	c.Release()
	c.Leave()
	c.wg.Wait()
	if c.raw != nil {
		c.raw.close()
	}
	for _, what := range c.broken {
		c.tb.Errorf("client %s: %s", c.Conn.Identity().ID, what)
	}
}

// Stall makes a client take nothing until Unstall.
func (c *Client) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumping.stalled, c.pumping.paused = true, true
}

// Unstall lets a stalled client read again.
func (c *Client) Unstall() {
	c.mu.Lock()
	c.pumping.stalled = false
	c.mu.Unlock()
	c.signal()
}

// Hold makes the pump stay between Take and Wrote, inside its socket as it were,
// until Release or the end of the connection.
func (c *Client) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumping.hold = true
}

// Cut makes the transport fail in the middle of the next batch, or of the one in which the pump is held:
// the client gets the first records of it and no more.
func (c *Client) Cut(records int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumping.cut = records + 1
}

// Release lets a pump go on that is held.
func (c *Client) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumping.hold = false
	c.notifyLocked()
}

// Inside reports whether the pump is between Take and Wrote.
func (c *Client) Inside() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pumping.inside
}

// Got returns the records so far, with their framing.
func (c *Client) Got() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.pumping.stalled && !c.pumping.inside {
		c.takeRawLocked()
	}
	return append([]string(nil), c.heard.got...)
}

// Want waits until a record contains the text and fails the test if ctx ends first.
func (c *Client) Want(ctx context.Context, text string) {
	c.tb.Helper()
	require.NoError(c.tb, c.until(ctx, func() bool {
		for _, r := range c.heard.got {
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
	require.NoError(c.tb, c.until(ctx, func() bool { return c.heard.end != nil || c.heard.aborted != nil }), "the connection did not end")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard.end != nil {
		return *c.heard.end
	}
	return *c.heard.aborted
}

// Aborted reports whether the transport was ended without its queue.
func (c *Client) Aborted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard.aborted != nil
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

func (c *Client) notifyLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}
