// Package aspnethub is an application of ASP.NET SignalR with one hub behind a gateway, as small as
// it can be: it puts load on gateways and is the application in tests of the program. What it says on
// the wire is what the SDK for ASP.NET SignalR says.
package aspnethub

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// dialTimeout bounds the opening of one server connection.
const dialTimeout = 15 * time.Second

// App describes the application. Its functions are called by one goroutine for each server
// connection, and must not wait for answers of the gateway.
type App struct {
	// Name is the application's name, Hub its hub's, both as clients write them.
	Name, Hub string
	// Gateway is the URL of the gateway, with a path if it has one.
	Gateway *url.URL
	// Token signs a token for a server connection of the hub with that key.
	Token func(hub string) (string, error)
	// TLS is used with https; nil means the system's defaults.
	TLS *tls.Config
	// Connections is how many connections the hub has, and the application as many again; 0 means 5.
	Connections int
	// ServerID is the id of the process; empty means aspnethub.
	ServerID string

	// Opened is told of a new client, Reconnected of one with another transport, Closed of one
	// that has gone. Nil means that nobody wants to know.
	Opened      func(c *Client)
	Reconnected func(c *Client)
	Closed      func(c *Client)
	// Called answers a call of a client: it returns what the hub's method returns, as JSON, or an
	// error. Nil means that a call returns its first argument.
	Called func(c *Client, method string, arguments []json.RawMessage) (json.RawMessage, error)
}

// Client is a client that the application has.
type Client struct {
	ID    string
	Query string // of its first request, with "?" in front
	User  string
	// Headers are those of its first request that the gateway hands on.
	Headers []serviceprotocol.Header
	Claims  []serviceprotocol.Claim

	over *link
}

// Server is an application that is connected to its gateway. Its methods may be called
// concurrently.
type Server struct {
	app    App
	hub    []*link // connections of the hub
	shared []*link // connections of the application
	ackID  atomic.Int32
	wg     sync.WaitGroup

	mu   sync.Mutex
	acks map[int32]chan serviceprotocol.AckStatus
}

// Start connects the application and returns when the gateway has accepted all its connections.
func Start(ctx context.Context, app App) (*Server, error) {
	if app.Connections == 0 {
		app.Connections = 5
	}
	if app.ServerID == "" {
		app.ServerID = "aspnethub"
	}
	s := &Server{app: app, acks: make(map[int32]chan serviceprotocol.AckStatus)}
	for _, name := range []string{app.Hub, app.Name} {
		for i := range app.Connections {
			l, err := s.connect(ctx, strings.ToLower(app.Name+"_"+name), fmt.Sprintf("%s-%d", name, i))
			if err != nil {
				s.Close()
				return nil, err
			}
			if name == app.Hub {
				s.hub = append(s.hub, l)
			} else {
				s.shared = append(s.shared, l)
			}
		}
	}
	return s, nil
}

func (s *Server) connect(ctx context.Context, hub, cid string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	at := *s.app.Gateway
	at.Path = strings.TrimSuffix(at.Path, "/") + "/aspnetserver/"
	at.RawQuery = "hub=" + url.QueryEscape(hub) + "&cid=" + url.QueryEscape(cid)
	token, err := s.app.Token(hub)
	if err != nil {
		return nil, err
	}
	at.Scheme = strings.Replace(at.Scheme, "http", "ws", 1)
	dialer := websocket.Dialer{TLSClientConfig: s.app.TLS}
	conn, response, err := dialer.DialContext(ctx, at.String(), http.Header{
		"Authorization": {"Bearer " + token}, "X-Asrs-Server-Id": {s.app.ServerID},
	})
	if err != nil {
		if response != nil {
			err = fmt.Errorf("%w: %s", err, response.Status)
		}
		return nil, fmt.Errorf("hub server: %w", err)
	}
	l := &link{server: s, conn: conn, clients: make(map[string]*Client)}
	if err := l.handshake(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.wg.Go(l.read)
	return l, nil
}

// Close cuts the connections without a word, as the end of the process does, and waits for all that
// goes on.
func (s *Server) Close() {
	for _, l := range slices.Concat(s.hub, s.shared) {
		_ = l.conn.Close() // its reader ends
	}
	s.wg.Wait()
}

// Broadcast calls a method of all clients that have declared the hub, but for those with the ids.
// Arguments are a JSON array.
func (s *Server) Broadcast(method string, arguments []byte, except ...string) error {
	return s.hub[0].send(&serviceprotocol.BroadcastData{Excluded: except, Payloads: s.message(method, arguments)})
}

// User calls a method of the clients of a user.
func (s *Server) User(user, method string, arguments []byte) error {
	return s.hub[0].send(&serviceprotocol.UserData{User: user, Payloads: s.message(method, arguments)})
}

// Group calls a method of the clients in a group.
func (s *Server) Group(group, method string, arguments []byte) error {
	return s.shared[0].send(&serviceprotocol.GroupBroadcastData{Group: s.group(group), Payloads: s.message(method, arguments)})
}

// Client calls a method of one client.
func (s *Server) Client(c *Client, method string, arguments []byte) error {
	return c.over.send(&serviceprotocol.ConnectionData{ConnectionID: c.ID, Payload: wrapped(s.frame(method, arguments))})
}

// Join puts a client into a group and waits until it is in it.
func (s *Server) Join(ctx context.Context, c *Client, group string) error {
	return s.acknowledged(ctx, func(ack int32) serviceprotocol.Message {
		return &serviceprotocol.JoinGroupWithAck{ConnectionID: c.ID, Group: s.group(group), AckID: ack}
	})
}

// Leave takes a client out of a group and waits until it is out.
func (s *Server) Leave(ctx context.Context, c *Client, group string) error {
	return s.acknowledged(ctx, func(ack int32) serviceprotocol.Message {
		return &serviceprotocol.LeaveGroupWithAck{ConnectionID: c.ID, Group: s.group(group), AckID: ack}
	})
}

// Drop ends a client. A text is its error.
func (s *Server) Drop(c *Client, text string) error {
	return c.over.send(&serviceprotocol.CloseConnection{ConnectionID: c.ID, Error: text})
}

// group is the name by which the SDK asks for a group.
func (s *Server) group(name string) string { return "hg-" + s.app.Hub + "." + name }

// acknowledged sends a message over a connection of the application and waits for its ack.
func (s *Server) acknowledged(ctx context.Context, message func(ack int32) serviceprotocol.Message) error {
	id, answer := s.ackID.Add(1), make(chan serviceprotocol.AckStatus, 1)
	s.mu.Lock()
	s.acks[id] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.acks, id)
	}()
	if err := s.shared[0].send(message(id)); err != nil {
		return err
	}
	select {
	case status := <-answer:
		if status != serviceprotocol.AckOK {
			return fmt.Errorf("the gateway answered with status %d", status)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Server) ack(m *serviceprotocol.Ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.acks[m.AckID]; answer != nil {
		answer <- m.Status
		delete(s.acks, m.AckID)
	}
}

// message is a call of the hub as the SDK sends it to several clients.
func (s *Server) message(method string, arguments []byte) serviceprotocol.Payloads {
	return serviceprotocol.Payloads{{Protocol: "json", Data: wrapped(s.frame(method, arguments))}}
}

// frame is a call of the hub in the words of ASP.NET SignalR.
func (s *Server) frame(method string, arguments []byte) []byte {
	b := append([]byte(`{"C":"0","M":[{"H":"`), s.app.Hub...)
	b = append(append(append(b, `","M":"`...), method...), `","A":`...)
	return append(append(b, arguments...), "}]}"...)
}

// wrapped is what the SDK makes of JSON for clients: a message of its own.
func wrapped(text []byte) []byte {
	return (&serviceprotocol.ConnectionData{Payload: text}).Append(nil)
}
