package clientws

import (
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// target is the connection that the id of a request names.
type target struct {
	// conn is nil as long as no transport has come.
	conn *gateway.Conn
	// dead: the connection is ending, and only its own last poll may reach it (C96).
	dead bool

	id       string
	expires  time.Time
	version0 bool
	// stateful: the client was granted stateful reconnect.
	stateful bool
	foreign
}

// foreign is of an id that another node has given out, or whose connection another node has.
type foreign struct {
	// home has given out the id, if it is not this node and the connection is this node's.
	home string
	// posted came to the home before the transport.
	posted []byte
	// elsewhere is the node that has the connection.
	elsewhere string
}

// version0 is a transport whose requests name it by its public id.
type version0 interface{ negotiatedV0() bool }

// find returns what the request's id names. Errors: transport.ErrUnknown for ids that
// were never given out or have expired unused; transport.ErrEnded for those of connections
// that have ended; errUser for another user's connection, as far as one can tell.
func (h *Handler) find(c *call) (target, error) {
	if conn := h.posted.get(c.query.id); conn != nil {
		return c.live(conn)
	}
	token, err := h.options.Sealer.OpenToken(c.query.id, c.hub, c.claims.UserID)
	if err != nil {
		return h.findV0(c)
	}
	conn, ended := h.options.Gateway.Lookup(token.ID)
	switch {
	case conn != nil:
		return c.live(conn)
	case ended:
		return target{}, transport.ErrEnded
	}
	if node := h.options.Gateway.Elsewhere(token.ID); node != "" {
		return target{id: token.ID, stateful: token.Stateful, foreign: foreign{elsewhere: node}}, nil
	}
	if h.options.Now().After(token.Expires) || h.former(token.ID) {
		return target{}, transport.ErrUnknown
	}
	return target{id: token.ID, expires: token.Expires, stateful: token.Stateful}, nil
}

// findV0 looks for a public id that serves as connection token. Ids of
// connections that were negotiated otherwise open nothing.
func (h *Handler) findV0(c *call) (target, error) {
	conn, ended := h.options.Gateway.Lookup(c.query.id)
	if conn != nil {
		if t, ok := conn.Transport().(version0); ok && t.negotiatedV0() {
			return c.live(conn)
		}
		return target{}, transport.ErrUnknown
	}
	expires, err := h.options.Sealer.OpenMarked(c.query.id, c.hub, c.claims.UserID)
	if err != nil {
		return target{}, transport.ErrUnknown
	}
	if ended {
		return target{}, transport.ErrEnded
	}
	if node := h.options.Gateway.Elsewhere(c.query.id); node != "" {
		return target{id: c.query.id, version0: true, foreign: foreign{elsewhere: node}}, nil
	}
	if h.options.Now().After(expires) || h.former(c.query.id) {
		return target{}, transport.ErrUnknown
	}
	return target{id: c.query.id, expires: expires, version0: true}, nil
}

// former reports whether an id was given out by a process that had the name of this node before. In a
// cluster its tokens still open; what became of its connections nobody knows any more.
func (h *Handler) former(id string) bool {
	return h.options.Forwarder != nil && auth.NodeOf(id) == h.options.Node && !h.mint.Made(id)
}

func (c *call) live(conn *gateway.Conn) (target, error) {
	if !c.owns(conn.Identity()) {
		return target{}, errUser
	}
	if tokens := tokensOf(conn); tokens != nil {
		tokens.Used(c.token)
	}
	id := conn.Identity().ID
	_, dead := c.h.options.Gateway.Lookup(id)
	return target{conn: conn, dead: dead, id: id}, nil
}

// attach makes the connection for a transport that has come.
func (h *Handler) attach(c *call, t target, with gateway.Transport) (*gateway.Conn, error) {
	conn, err := h.options.Gateway.Attach(c.identity(t.id, t.expires), with)
	if err != nil {
		return nil, transport.Admission(err)
	}
	h.options.Metrics.Opened(with.Name())
	return conn, nil
}

// exchanges finds live connections of the HTTP transports by the id that their
// requests carry. It is what tells another user's token (403) from an id that
// is unknown (404), and saves opening the token for each request.
type exchanges struct {
	mu   sync.RWMutex
	byID map[string]*gateway.Conn
}

func (e *exchanges) get(id string) *gateway.Conn {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.byID[id]
}

func (e *exchanges) add(id string, conn *gateway.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byID == nil {
		e.byID = make(map[string]*gateway.Conn)
	}
	e.byID[id] = conn
}

func (e *exchanges) remove(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byID, id)
}
