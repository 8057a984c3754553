package main

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Claim types that say who a user is, and prefixes of those that do not.
const (
	claimName   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
	claimSystem = "asrs.s."
)

// notOfUser are claims of tokens that make nobody authenticated.
var notOfUser = []string{"aud", "exp", "iat", "nbf", "iss"}

// reconnected is what the gateway sends in a client's place when its transport is back.
const reconnected = "asrs:reconnect"

// client is one connection. Its hubs' methods run in the order of its calls until they wait.
type client struct {
	server        *server
	link          *link
	id            string
	query         url.Values
	user          string
	authenticated bool
	hubs          []*hubType // which it declared and may use
	queue         chan []byte
	ended         chan struct{}
}

func newClient(s *server, l *link, m *serviceprotocol.OpenConnection) *client {
	// What cannot be parsed is missing from the query.
	query, _ := url.ParseQuery(strings.TrimPrefix(m.Query, "?"))
	c := &client{server: s, link: l, id: m.ConnectionID, query: query, queue: make(chan []byte, 1024), ended: make(chan struct{})}
	for _, claim := range m.Claims {
		if !strings.HasPrefix(claim.Type, claimSystem) && !slices.Contains(notOfUser, claim.Type) {
			c.authenticated = true
		}
		if claim.Type == claimName && c.user == "" {
			c.user = claim.Value
		}
	}
	return c
}

// declaredHubs finds the hubs of connectionData that the user may use. That none is declared is no
// error, but that none may be used.
func declaredHubs(connectionData string, authenticated bool) ([]*hubType, error) {
	if connectionData == "" {
		return nil, nil
	}
	var declared []struct{ Name string }
	if err := json.Unmarshal([]byte(connectionData), &declared); err != nil {
		return nil, err
	}
	var hubs []*hubType
	for _, one := range declared {
		hub := findHub(one.Name)
		switch {
		case hub == nil:
			return nil, errors.New("'" + one.Name + "' Hub could not be resolved.")
		case slices.Contains(hubs, hub):
			return nil, errors.New("Duplicate Hub names found.")
		case !hub.secret || authenticated:
			hubs = append(hubs, hub)
		}
	}
	if len(hubs) == 0 && len(declared) > 0 {
		return nil, errors.New("Unable to authorize request")
	}
	return hubs, nil
}

// work opens the client and does what it asks, until it ends.
func (c *client) work() {
	if err := c.open(); err != nil {
		c.server.refuse(c, err.Error())
		return
	}
	for {
		data, ok := c.next()
		switch {
		case !ok:
			_ = c.tell(func(h *hubType) func(*call) error { return h.onDisconnected })
			return
		case string(data) == reconnected:
			// Nobody is told of an error, as in the original.
			_ = c.tell(func(h *hubType) func(*call) error { return h.onReconnected })
		default:
			c.call(data)
		}
	}
}

// put queues what the client sent.
func (c *client) put(data []byte) {
	select {
	case c.queue <- data:
	case <-c.ended:
	}
}

// next waits for what the client sends. It is false when the client has ended and everything is
// worked off.
func (c *client) next() ([]byte, bool) {
	select {
	case data := <-c.queue:
		return data, true
	default:
	}
	select {
	case data := <-c.queue:
		return data, true
	case <-c.ended:
		return nil, false
	}
}

func (c *client) open() (err error) {
	if c.hubs, err = declaredHubs(c.query.Get("connectionData"), c.authenticated); err != nil {
		return err
	}
	if c.query.Get("connectionToken") == "" {
		return errors.New("Protocol error: Missing connection token.")
	}
	return c.tell(func(h *hubType) func(*call) error { return h.onConnected })
}

// tell has every hub of the client do something.
func (c *client) tell(what func(*hubType) func(*call) error) error {
	for _, hub := range c.hubs {
		if do := what(hub); do != nil {
			if err := do(&call{client: c, hub: hub}); err != nil {
				return err
			}
		}
	}
	return nil
}

// call does one call. What cannot be read, or names no hub, is never answered.
func (c *client) call(data []byte) {
	r, err := parseRequest(data)
	if err != nil {
		return
	}
	hub := findHub(r.H)
	if hub == nil {
		return
	}
	one := &call{client: c, hub: hub, id: r.id(), args: r.A, state: r.S}
	method, err := hub.find(r.M, len(r.A), c.authenticated)
	if err != nil {
		one.answer(nil, err)
		return
	}
	if method.waits {
		go one.do(method)
		return
	}
	one.do(method)
}
