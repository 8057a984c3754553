package aspnethub

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	maxMessage = 16 << 20
	// pingEvery is how much time passes between two pings, which answer what the gateway sends.
	pingEvery = 5 * time.Second
	// userClaim is where the SDK finds a client's user id.
	userClaim = "asrs.s.uid"
	// reconnected is what the gateway sends instead of a call when a client has come back.
	reconnected = "asrs:reconnect"
)

// link is one server connection. Its reader owns clients.
type link struct {
	server   *Server
	conn     *websocket.Conn
	clients  map[string]*Client
	lastPing time.Time

	mu     sync.Mutex
	buffer []byte
}

// send writes a message.
func (l *link) send(m serviceprotocol.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer = m.Append(l.buffer[:0])
	return l.conn.WriteMessage(websocket.BinaryMessage, l.buffer)
}

func (l *link) handshake(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()
	if err := l.send(&serviceprotocol.HandshakeRequest{Version: serviceprotocol.Version}); err != nil {
		return err
	}
	_, data, err := l.conn.ReadMessage()
	if err != nil {
		return err
	}
	body, _, err := serviceprotocol.Cut(data, maxMessage)
	if err != nil {
		return err
	}
	m, err := serviceprotocol.Parse(body)
	if err != nil {
		return err
	}
	if response, ok := m.(*serviceprotocol.HandshakeResponse); !ok || response.Error != "" {
		return fmt.Errorf("hub server: the gateway refused: %v", m)
	}
	return nil
}

// read handles messages until the connection ends.
func (l *link) read() {
	defer l.end()
	reader := serviceprotocol.NewReader(serviceprotocol.NewContent(l.conn), maxMessage)
	decoder := serviceprotocol.NewDecoder()
	for {
		body, err := reader.Next()
		if err != nil {
			return
		}
		if now := time.Now(); now.Sub(l.lastPing) > pingEvery {
			l.lastPing = now
			_ = l.send(&serviceprotocol.Ping{}) // a lost connection ends the reader
		}
		if m, err := decoder.Decode(body); err == nil {
			l.handle(m)
		}
	}
}

// end tells the application that the clients of the connection are gone.
func (l *link) end() {
	_ = l.conn.Close()
	for id := range l.clients {
		l.closed(id)
	}
}

func (l *link) handle(m serviceprotocol.Message) {
	switch m := m.(type) {
	case *serviceprotocol.OpenConnection:
		l.opened(m)
	case *serviceprotocol.CloseConnection:
		l.closed(m.ConnectionID)
	case *serviceprotocol.ConnectionData:
		l.received(l.clients[m.ConnectionID], m.Payload)
	case *serviceprotocol.Ack:
		l.server.ack(m)
	case *serviceprotocol.Ping:
		if m.Echo() {
			_ = l.send(m)
		}
	}
}

func (l *link) opened(m *serviceprotocol.OpenConnection) {
	c := &Client{
		ID: m.ConnectionID, Query: m.Query, Headers: slices.Clone(m.Headers), Claims: slices.Clone(m.Claims), over: l,
	}
	for _, claim := range c.Claims {
		if claim.Type == userClaim {
			c.User = claim.Value
		}
	}
	l.clients[c.ID] = c
	if l.server.app.Opened != nil {
		l.server.app.Opened(c)
	}
}

func (l *link) closed(id string) {
	c := l.clients[id]
	if c == nil {
		return
	}
	delete(l.clients, id)
	if l.server.app.Closed != nil {
		l.server.app.Closed(c)
	}
}

// call is what clients send.
type call struct {
	Method    string            `json:"M"`
	Arguments []json.RawMessage `json:"A"`
	ID        json.RawMessage   `json:"I"`
}

// received answers a call of a client. Like the SDK it has no answer to what is none.
func (l *link) received(c *Client, payload []byte) {
	if c == nil {
		return
	}
	if string(payload) == reconnected {
		if l.server.app.Reconnected != nil {
			l.server.app.Reconnected(c)
		}
		return
	}
	var in call
	if json.Unmarshal(payload, &in) != nil {
		return
	}
	result, err := l.call(c, &in)
	b := append([]byte(`{"I":"`), strings.Trim(string(in.ID), `"`)...)
	switch {
	case err != nil:
		text, _ := json.Marshal(err.Error()) // texts always have a form
		b = append(append(b, `","E":`...), text...)
	case result != nil:
		b = append(append(b, `","R":`...), result...)
	default:
		b = append(b, '"')
	}
	_ = l.send(&serviceprotocol.ConnectionData{ConnectionID: c.ID, Payload: wrapped(append(b, '}'))})
}

func (l *link) call(c *Client, in *call) (json.RawMessage, error) {
	if l.server.app.Called != nil {
		return l.server.app.Called(c, in.Method, in.Arguments)
	}
	if len(in.Arguments) == 0 {
		return nil, nil
	}
	return in.Arguments[0], nil
}
