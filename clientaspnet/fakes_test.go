package clientaspnet

import (
	"strings"
	"sync"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
)

// application is a Backend that opens its clients at once, as hub servers of ASP.NET SignalR do, and
// remembers what it is told.
type application struct {
	// refuse, if set, is asked for each client.
	refuse func(*gateway.Conn) error
	// silent: clients are not opened.
	silent bool
	// onCall, if set, is called with each call; false means that there is no room for it.
	onCall func(c *gateway.Conn, text string) bool

	mu      sync.Mutex
	events  []string
	changed chan struct{} // closed and replaced when there is an event
}

func (a *application) tell(event string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, event)
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// told returns the events that contain the text, and a channel that is closed at the next event.
func (a *application) told(text string) (events []string, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.events {
		if strings.Contains(e, text) {
			events = append(events, e)
		}
	}
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	return events, a.changed
}

func (*application) Supports(string) bool { return false }

func (a *application) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	if h.Protocol != aspnetprotocol.Name {
		panic("protocol " + h.Protocol)
	}
	if a.refuse != nil {
		if err := a.refuse(c); err != nil {
			return nil, err
		}
	}
	return &session{a, c}, nil
}

type session struct {
	a *application
	c *gateway.Conn
}

func (*session) Speaker() gateway.Speaker { return gateway.ApplicationSpeaks }

func (s *session) Opened() {
	s.a.tell("opened " + s.c.Identity().ID)
	if !s.a.silent {
		s.c.Open(aspnetprotocol.Init)
	}
}

func (s *session) Received(r gateway.Record) bool {
	if s.a.onCall != nil && !s.a.onCall(s.c, string(r.Body)) {
		return false
	}
	s.a.tell("call " + s.c.Identity().ID + " " + string(r.Body))
	return true
}

// Returned implements gateway.Returner.
func (s *session) Returned() { s.a.tell("returned " + s.c.Identity().ID) }

func (s *session) Closed(cause gateway.Cause) {
	s.a.tell("closed " + s.c.Identity().ID + " " + cause.Error())
}

// counted is a Metrics that remembers.
type counted struct {
	mu         sync.Mutex
	negotiated int
	opened     map[string]int
	panics     int
}

func (c *counted) Negotiated() { c.change(func() { c.negotiated++ }) }
func (c *counted) Panicked()   { c.change(func() { c.panics++ }) }
func (c *counted) Opened(transport string) {
	c.change(func() {
		if c.opened == nil {
			c.opened = make(map[string]int)
		}
		c.opened[transport]++
	})
}

func (c *counted) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}
