package servermode_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/hubprotocol"
)

// manner is how the gateway speaks with clients of ASP.NET SignalR in these tests.
type manner struct{}

func (manner) Ping() []byte { return aspnetprotocol.KeepAlive }

func (manner) First() []byte { return aspnetprotocol.Init }

func (manner) Close(cause gateway.Cause, _ bool) []byte {
	if cause.Text == "" {
		return nil
	}
	return aspnetprotocol.AppendError(nil, aspnetprotocol.NoCursor, cause.Text)
}

func (manner) HasCursor(record []byte, cursor string) bool {
	return aspnetprotocol.HasCursor(record, cursor)
}

func (manner) Marked(record []byte) bool { return !aspnetprotocol.IsResponse(record) }

func (manner) KeepAlive() time.Duration { return 10 * time.Second }

func (manner) Away() time.Duration { return 30 * time.Second }

// aspnetClient is a client of ASP.NET SignalR, with its present transport.
type aspnetClient struct {
	*transport
	t    testing.TB
	conn *gateway.Conn
}

// lose ends the transport, and the client stays.
func (c *aspnetClient) lose() {
	c.stop(gateway.Cause{Reason: gateway.CloseNormal})
	synctest.Wait()
}

// comeBack connects the client again. It has read everything up to the frame with the cursor.
func (c *aspnetClient) comeBack(cursor string) {
	c.t.Helper()
	p := newTransport(c.polled)
	p.conn = c.conn
	p.begin(c.t)
	require.NoError(c.t, c.conn.Replace(p, cursor, nil))
	c.transport = p
	synctest.Wait()
}

// leave is the client ending the connection.
func (c *aspnetClient) leave() {
	c.conn.Close(gateway.Cause{Reason: gateway.CloseNormal})
	synctest.Wait()
}

// transport is one transport of a client. Its pump takes frames until it ends.
type transport struct {
	polled bool
	conn   *gateway.Conn
	wake   chan struct{}
	ended  chan struct{}
	once   sync.Once
	wg     sync.WaitGroup

	mu   sync.Mutex
	got  []string
	end  *gateway.Cause
	held bool // the client takes nothing, as one that does not poll
}

func newTransport(polled bool) *transport {
	return &transport{polled: polled, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (p *transport) Name() string {
	if p.polled {
		return gateway.LongPolling
	}
	return gateway.WebSockets
}

func (p *transport) Abilities() gateway.Abilities {
	return gateway.Abilities{TextOnly: true, Polled: p.polled, Returns: true}
}

func (p *transport) Manner() gateway.Manner { return manner{} }

func (p *transport) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *transport) Abort(cause gateway.Cause) { go p.stop(cause) }

// stop ends the transport. The first cause counts.
func (p *transport) stop(cause gateway.Cause) {
	p.once.Do(func() {
		p.mu.Lock()
		if p.end == nil {
			p.end = &cause
		}
		p.mu.Unlock()
		close(p.ended)
		p.conn.Lost(p, cause)
	})
}

// begin starts the pump, for the life of the test.
func (p *transport) begin(t testing.TB) {
	p.wg.Go(p.pump)
	t.Cleanup(func() {
		p.conn.Close(gateway.Cause{Reason: gateway.CloseNormal})
		p.stop(gateway.Cause{Reason: gateway.CloseNormal})
		p.wg.Wait()
	})
}

func (p *transport) pump() {
	for {
		select {
		case <-p.ended:
			return
		case <-p.wake:
		}
		var b gateway.Batch
		for p.takes() && p.conn.TakeFor(p, &b, 64<<10) {
			p.mu.Lock()
			for _, r := range b.Records {
				p.got = append(p.got, string(r.Bytes))
			}
			p.end = b.End
			p.mu.Unlock()
			p.conn.Wrote(&b, nil)
			if b.End != nil {
				p.stop(*b.End)
			}
		}
	}
}

func (p *transport) takes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.held
}

// hold makes the client take nothing until release.
func (p *transport) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

func (p *transport) release() {
	p.mu.Lock()
	p.held = false
	p.mu.Unlock()
	p.Wake()
}

// frames returns what has come but keep-alives, with every cursor but that of the gateway's own frames
// written as *.
func (p *transport) frames() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []string{}
	for _, f := range p.got {
		if f == string(aspnetprotocol.KeepAlive) {
			continue
		}
		if c := aspnetprotocol.CursorOf([]byte(f)); c != "" && c != aspnetprotocol.NoCursor {
			f = strings.Replace(f, c, "*", 1)
		}
		list = append(list, f)
	}
	return list
}

// forget forgets what has come.
func (p *transport) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = nil
}

// aspnetOptions say what is special about a client.
type aspnetOptions struct {
	id, user string
	app      string   // "app" if empty
	hubs     []string // as it declares them; "chat" if nil
	polled   bool
	identity gateway.Identity
	query    string // appended to the usual one
}

// aspnet connects a client of ASP.NET SignalR, which may be refused.
func (w *world) aspnet(o aspnetOptions) *aspnetClient {
	w.t.Helper()
	if o.app == "" {
		o.app = "app"
	}
	if o.hubs == nil {
		o.hubs = []string{"chat"}
	}
	key, err := hubname.ApplicationKey(o.app)
	require.NoError(w.t, err)
	entries := make([]string, len(o.hubs))
	for i, hub := range o.hubs {
		entries[i] = `{"name":"` + hub + `"}`
	}
	id := o.identity
	id.ID, id.Hub, id.HubName, id.User = o.id, key, o.app, o.user
	id.Query = "transport=webSockets&clientProtocol=2.1&connectionToken=" + o.id + "&connectionData=" + url.QueryEscape("["+strings.Join(entries, ",")+"]") + o.query
	p := newTransport(o.polled)
	conn, err := w.gw.Attach(id, p)
	require.NoError(w.t, err)
	p.conn = conn
	p.begin(w.t)
	_ = conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: aspnetprotocol.Name}})
	synctest.Wait()
	return &aspnetClient{transport: p, t: w.t, conn: conn}
}

// say is the client saying something.
func (c *aspnetClient) say(text string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Record([]byte(text)))
	synctest.Wait()
}

// wantFrames compares what has come since the last call.
func (c *aspnetClient) wantFrames(want ...string) {
	c.t.Helper()
	synctest.Wait()
	require.Equal(c.t, append([]string{}, want...), c.frames())
	c.forget()
}

// wantEnd compares how the client has ended.
func (c *aspnetClient) wantEnd(reason gateway.CloseReason, text string) {
	c.t.Helper()
	synctest.Wait()
	cause := c.conn.CloseRequested()
	require.NotNil(c.t, cause)
	require.Equal(c.t, reason, cause.Reason)
	require.Equal(c.t, text, cause.Text)
	<-c.ended
}
