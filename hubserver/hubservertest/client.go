package hubservertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	// pingEvery is how often a client pings, as other clients do.
	pingEvery = 15 * time.Second
	// closePatience is how long the other side may take to answer a close.
	closePatience = 5 * time.Second
	// maxRecord bounds one record that a client takes, in bytes.
	maxRecord = 64 << 20
)

// ErrClosed is the end of a client that was closed by the test, or by the hub without a reason.
var ErrClosed = errors.New("the client is closed")

// ClosedError says that the hub or the gateway has closed the client.
type ClosedError struct {
	// Text is what the client was told.
	Text string
	// Reconnect says whether the client may connect again by itself.
	Reconnect bool
}

// Error returns the text.
func (e *ClosedError) Error() string { return "the client was closed: " + e.Text }

// Client is a client of a hub. Its methods may be called concurrently. It does not reconnect.
type Client struct {
	t            testing.TB
	id, protocol string
	socket       *websocket.Conn
	writing      chan struct{}  // holds one value while somebody writes
	done         chan struct{}  // closed at the end of the connection
	ready        chan struct{}  // closed after the handshake
	tasks        sync.WaitGroup // what reads and what pings
	received     []byte         // owned by the reader: a record that is not complete
	state        clientState
}

// clientState is what changes while a client is connected.
type clientState struct {
	mu     sync.Mutex
	told   error // by the hub or by Close: why the connection will end
	err    error // why it has ended
	calls  map[string]*call
	lastID int
	inbox  inbox
}

func newClient(t testing.TB, socket *websocket.Conn, id, protocol string) *Client {
	return &Client{t: t, id: id, protocol: protocol, socket: socket, writing: make(chan struct{}, 1),
		done: make(chan struct{}), ready: make(chan struct{}),
		state: clientState{calls: make(map[string]*call), inbox: newInbox()}}
}

// start begins to read and makes the handshake.
func (c *Client) start(ctx context.Context) error {
	c.tasks.Go(c.read)
	err := c.writeMessage(ctx, websocket.TextMessage, []byte(`{"protocol":"`+c.protocol+`","version":1}`+string(rune(hubprotocol.RecordSeparator))))
	if err == nil {
		select {
		case <-c.ready:
			c.tasks.Go(c.ping)
			return nil
		case <-c.done:
			err = c.Err()
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	c.Cut()
	return fmt.Errorf("handshake: %w", err)
}

// ConnectionID returns the id of the client's connection, as Context.ConnectionID does.
func (c *Client) ConnectionID() string { return c.id }

// Done returns a channel that is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended: a *ClosedError if the hub or the gateway has told the
// client a reason, ErrClosed after Close, another error if the connection was lost. It returns nil
// before the end.
func (c *Client) Err() error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.err
}

// Close leaves the hub as clients do, and returns when the connection has ended. The hub's
// OnDisconnected may still be running then.
func (c *Client) Close() {
	c.tell(ErrClosed)
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if c.write(ctx, hubprotocol.AppendClose(nil, c.protocol, "", false)) == nil {
		end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		// Who does not take it is cut off below.
		_ = c.socket.WriteControl(websocket.CloseMessage, end, time.Now().Add(closePatience))
		select {
		case <-c.done:
		case <-ctx.Done():
		}
	}
	c.Cut()
}

// Cut ends the connection without a word, as a network that fails, and returns when that is done.
func (c *Client) Cut() {
	// The reader reports the end.
	_ = c.socket.NetConn().Close()
	c.tasks.Wait()
}

// tell notes why the connection will end. The first reason counts.
func (c *Client) tell(why error) {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	if c.state.told == nil {
		c.state.told = why
	}
}

// read takes what comes until the connection ends.
func (c *Client) read() {
	var err error
	for err == nil {
		var data []byte
		if _, data, err = c.socket.ReadMessage(); err == nil {
			c.received = append(c.received, data...)
			c.received, err = c.records(c.received)
		}
	}
	_ = c.socket.NetConn().Close() // what is left of it
	c.tell(fmt.Errorf("the connection was lost: %w", err))
	c.state.mu.Lock()
	c.state.err = c.state.told
	close(c.done)
	for _, one := range c.state.calls {
		one.finish(nil, c.state.err)
	}
	clear(c.state.calls)
	c.state.mu.Unlock()
}

// records handles all whole records and returns what follows.
func (c *Client) records(b []byte) ([]byte, error) {
	select {
	case <-c.ready:
	default:
		record, rest, err := hubprotocol.CutHandshake(b, maxRecord)
		if record == nil || err != nil {
			return b, err
		}
		if err := handshakeAnswer(record); err != nil {
			c.tell(err)
			return nil, err
		}
		close(c.ready)
		b = rest
	}
	for {
		_, body, rest, err := hubprotocol.Cut(c.protocol, b, maxRecord)
		if err != nil {
			return nil, err
		}
		if body == nil {
			return append([]byte(nil), b...), nil
		}
		m, err := hubprotocol.Parse(c.protocol, body)
		if err != nil {
			c.t.Errorf("hubservertest: the hub has sent a record that is none: %v", err)
			return nil, err
		}
		if err := c.take(&m); err != nil {
			return nil, err
		}
		b = rest
	}
}

// take handles one record, which is valid until it returns.
func (c *Client) take(m *hubprotocol.Message) error {
	switch m.Type {
	case hubprotocol.Invocation:
		return c.invoked(m)
	case hubprotocol.StreamItem, hubprotocol.Completion:
		return c.answered(m)
	case hubprotocol.Close:
		if m.HasError || m.AllowReconnect {
			c.tell(&ClosedError{m.Error, m.AllowReconnect})
		} else {
			c.tell(ErrClosed)
		}
	}
	return nil
}

// ping keeps the connection alive.
func (c *Client) ping() {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			// Of a connection that is lost the reader tells.
			_ = c.write(context.Background(), hubprotocol.AppendPing(nil, c.protocol))
		case <-c.done:
			return
		}
	}
}

// write sends one framed record. If ctx ends while the gateway does not read, the connection is
// cut.
func (c *Client) write(ctx context.Context, record []byte) error {
	kind := websocket.TextMessage
	if hubprotocol.Binary(c.protocol) {
		kind = websocket.BinaryMessage
	}
	return c.writeMessage(ctx, kind, record)
}

func (c *Client) writeMessage(ctx context.Context, kind int, data []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case c.writing <- struct{}{}:
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.writing }()
	select {
	case <-c.done:
		return c.Err()
	default:
	}
	stop := context.AfterFunc(ctx, func() { _ = c.socket.NetConn().Close() })
	defer stop()
	return c.socket.WriteMessage(kind, data)
}
