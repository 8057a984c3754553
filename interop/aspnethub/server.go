package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// ackWait is how long the gateway may take to acknowledge.
const ackWait = 12 * time.Second

// server is the application with its connections to the gateway and its clients.
type server struct {
	gateway     auth.ConnectionString
	application string
	name        string
	log         *slog.Logger

	mu      sync.Mutex
	links   map[string][]*link // by the hub's name at the gateway
	clients map[string]*client
	acks    map[int32]chan serviceprotocol.AckStatus
	lastAck int32
	events  []event
}

// event is what happened to a client at a hub.
type event struct {
	Event        string `json:"event"`
	ConnectionID string `json:"connectionId"`
	User         string `json:"user,omitempty"`
	Query        string `json:"query,omitempty"`
	Server       string `json:"server"`
}

func newServer(gateway auth.ConnectionString, application, name string, log *slog.Logger) *server {
	return &server{gateway: gateway, application: application, name: name, log: log,
		links: map[string][]*link{}, clients: map[string]*client{}, acks: map[int32]chan serviceprotocol.AckStatus{}}
}

// hubKey is the name of a hub's connections at the gateway; "" stands for the application.
func (s *server) hubKey(hub string) string {
	if hub == "" {
		hub = s.application
	}
	return strings.ToLower(s.application) + "_" + strings.ToLower(hub)
}

// connect opens all connections, and again those that end. The channel is closed when each of
// them has stood once.
func (s *server) connect(ctx context.Context, connections int) <-chan struct{} {
	hubs := []string{s.hubKey("")}
	for _, one := range hubTypes {
		hubs = append(hubs, s.hubKey(one.name))
	}
	var missing sync.WaitGroup
	for _, hub := range hubs {
		for range connections {
			missing.Add(1)
			go s.keep(ctx, hub, sync.OnceFunc(missing.Done))
		}
	}
	connected := make(chan struct{})
	go func() { missing.Wait(); close(connected) }()
	return connected
}

// keep holds one connection, and waits longer from failure to failure.
func (s *server) keep(ctx context.Context, hub string, ready func()) {
	for failures := 0; ctx.Err() == nil; failures++ {
		l, err := s.dial(ctx, hub)
		if err == nil {
			err = l.run(func() { failures = -1; ready() })
		}
		s.log.Info("server connection ended", "hub", hub, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(backOff(failures)):
		}
	}
}

// backOff is the pause after that many failures: none after the first one.
func backOff(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	return time.Second << min(failures-1, 5)
}

func (s *server) join(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[l.hub] = append(s.links[l.hub], l)
}

// part forgets a connection that ended, and with it its clients.
func (s *server) part(l *link) {
	s.mu.Lock()
	s.links[l.hub] = slices.DeleteFunc(s.links[l.hub], func(other *link) bool { return other == l })
	var gone []*client
	for _, c := range s.clients {
		if c.link == l {
			gone = append(gone, c)
		}
	}
	s.mu.Unlock()
	for _, c := range gone {
		s.end(c)
	}
}

// end takes a client off. Its hubs are told when it has worked off what waits.
func (s *server) end(c *client) {
	s.mu.Lock()
	present := s.clients[c.id] == c
	if present {
		delete(s.clients, c.id)
	}
	s.mu.Unlock()
	if present {
		close(c.ended)
	}
}

// refuse tells the gateway that a client must go, and why.
func (s *server) refuse(c *client, why string) {
	s.end(c)
	c.link.write(&serviceprotocol.CloseConnection{ConnectionID: c.id, Error: why})
}

// received handles a message of the gateway.
func (s *server) received(l *link, m serviceprotocol.Message) {
	switch m := m.(type) {
	case *serviceprotocol.OpenConnection:
		s.open(l, m)
	case *serviceprotocol.ConnectionData:
		if c := s.client(m.ConnectionID); c != nil && c.link == l {
			c.put(m.Payload)
		}
	case *serviceprotocol.CloseConnection:
		if c := s.client(m.ConnectionID); c != nil && c.link == l {
			s.end(c)
		}
	case *serviceprotocol.Ack:
		s.mu.Lock()
		defer s.mu.Unlock()
		if answer := s.acks[m.AckID]; answer != nil {
			answer <- m.Status
			delete(s.acks, m.AckID)
		}
	}
}

// open takes a client on, unless it has one of that id already.
func (s *server) open(l *link, m *serviceprotocol.OpenConnection) {
	c := newClient(s, l, m)
	s.mu.Lock()
	_, double := s.clients[c.id]
	if !double {
		s.clients[c.id] = c
	}
	s.mu.Unlock()
	if double {
		l.write(&serviceprotocol.CloseConnection{ConnectionID: c.id, Error: "Duplicate connection ID " + c.id})
		return
	}
	go c.work()
}

func (s *server) client(id string) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[id]
}

// link returns a connection of a hub: that of the caller if it is one, else any.
func (s *server) link(hub string, caller *client) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	links := s.links[s.hubKey(hub)]
	switch {
	case len(links) == 0:
		return nil
	case caller != nil && slices.Contains(links, caller.link):
		return caller.link
	}
	return links[rand.N(len(links))]
}

// send sends to a key. The caller, if any, is the client whose call sends. What goes to one client
// takes that client's own connection if it is here.
func (s *server) send(caller *client, key string, except []string, text []byte) error {
	m, hub, err := addressed(key, except, text)
	if err != nil {
		return err
	}
	l := s.link(hub, caller)
	if single, ok := m.(*serviceprotocol.ConnectionData); ok {
		if c := s.client(single.ConnectionID); c != nil {
			l = c.link
		}
	}
	if l != nil {
		l.write(m)
	}
	return nil
}

// group adds a client to a group or removes it, and waits until that is so.
func (s *server) group(caller *client, add bool, id, group string) error {
	l := s.link("", caller)
	if l == nil {
		return nil
	}
	answer := make(chan serviceprotocol.AckStatus, 1)
	s.mu.Lock()
	s.lastAck++
	ack := s.lastAck
	s.acks[ack] = answer
	s.mu.Unlock()
	if add {
		l.write(&serviceprotocol.JoinGroupWithAck{ConnectionID: id, Group: group, AckID: ack})
	} else {
		l.write(&serviceprotocol.LeaveGroupWithAck{ConnectionID: id, Group: group, AckID: ack})
	}
	select {
	case status := <-answer:
		if status != serviceprotocol.AckOK && status != serviceprotocol.AckNotFound {
			return fmt.Errorf("the gateway acknowledges %s with status %d", group, status)
		}
		return nil
	case <-time.After(ackWait):
		return fmt.Errorf("the gateway does not acknowledge %s", group)
	}
}

func (s *server) record(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Server = s.name
	s.events = append(s.events, e)
}
