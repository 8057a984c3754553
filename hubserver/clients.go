package hubserver

import (
	"context"
	"fmt"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Clients is the way to the clients of a hub, on all its servers. It may be used
// concurrently, whenever the hub is being served.
type Clients struct{ hub *Hub }

// Receivers are clients to send to. They may be kept and used concurrently.
type Receivers struct {
	hub     *Hub
	key     string // chooses the connection to the gateway
	nobody  bool
	message func(serviceprotocol.Payloads) serviceprotocol.Message
}

func (c Clients) receivers(key string, message func(serviceprotocol.Payloads) serviceprotocol.Message) Receivers {
	return Receivers{hub: c.hub, key: key, message: message}
}

// All are all clients of the hub.
func (c Clients) All() Receivers { return c.AllExcept() }

// AllExcept are all clients of the hub but those connections.
func (c Clients) AllExcept(connectionIDs ...string) Receivers {
	return c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.BroadcastData{Excluded: connectionIDs, Payloads: p}
	})
}

// Client is one connection.
func (c Clients) Client(connectionID string) Client { return Client{c.hub, connectionID} }

// Connections are some connections.
func (c Clients) Connections(connectionIDs ...string) Receivers {
	r := c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiConnectionData{Connections: connectionIDs, Payloads: p}
	})
	r.nobody = len(connectionIDs) == 0
	return r
}

// Group are the clients of a group.
func (c Clients) Group(group string) Receivers { return c.GroupExcept(group) }

// GroupExcept are the clients of a group but those connections.
func (c Clients) GroupExcept(group string, connectionIDs ...string) Receivers {
	return c.receivers(group, func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.GroupBroadcastData{Group: group, Excluded: connectionIDs, Payloads: p}
	})
}

// Groups are the clients of some groups. A client gets a message once for each of the
// groups that it is in.
func (c Clients) Groups(groups ...string) Receivers {
	r := c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiGroupBroadcastData{Groups: groups, Payloads: p}
	})
	r.nobody = len(groups) == 0
	return r
}

// User are the clients of a user.
func (c Clients) User(user string) Receivers {
	return c.receivers(user, func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.UserData{User: user, Payloads: p}
	})
}

// Users are the clients of some users.
func (c Clients) Users(users ...string) Receivers {
	r := c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiUserData{Users: users, Payloads: p}
	})
	r.nobody = len(users) == 0
	return r
}

// Send calls a method of the clients that returns nothing, encoding once for all of them.
// It returns when the message is on its way to the gateway, and waits only while that
// does not read. Within a call give it the call's Context.
func (r Receivers) Send(ctx context.Context, target string, arguments ...any) error {
	return r.send(ctx, protocols[:], nil, target, arguments)
}

func (r Receivers) send(ctx context.Context, names []string, l *link, target string, arguments []any) error {
	if r.nobody {
		return nil
	}
	p, err := r.hub.served()
	if err != nil {
		return err
	}
	payloads, err := encodeInvocation(names, "", target, arguments)
	if err != nil {
		return err
	}
	if l == nil {
		if l, err = p.choose(ctx, r.key); err != nil {
			return fmt.Errorf("send %q: %w", target, err)
		}
	}
	if err := l.out.room(ctx); err != nil {
		return fmt.Errorf("send %q: %w", target, err)
	}
	if !l.out.put(r.message(payloads)) {
		return fmt.Errorf("send %q: %w", target, ErrConnectionLost)
	}
	return nil
}

// Client is one client, known by its connection. It may be kept and used concurrently.
type Client struct {
	hub *Hub
	id  string
}

// ConnectionID returns the id of the client's connection.
func (c Client) ConnectionID() string { return c.id }

// Send calls a method of the client that returns nothing, as Receivers.Send does. That
// there is no such client is no error: it may be another server's.
func (c Client) Send(ctx context.Context, target string, arguments ...any) error {
	r := c.hub.Clients().receivers(c.id, func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiConnectionData{Connections: []string{c.id}, Payloads: p}
	})
	if p := c.hub.pool.Load(); p != nil {
		// An own client needs one protocol only, and has its own connection.
		if s := p.session(c.id); s != nil && s.speaks() != "" {
			return r.send(ctx, []string{s.speaks()}, s.link, target, arguments)
		}
	}
	return r.send(ctx, protocols[:], nil, target, arguments)
}

// Close closes the client, which is told the reason and does not reconnect by itself. It
// does not wait for that.
func (c Client) Close(ctx context.Context, reason string) error {
	p, err := c.hub.served()
	if err != nil {
		return err
	}
	if s := p.session(c.id); s != nil {
		s.end(ending{cause: ErrAborted, text: reason})
		return nil
	}
	l, err := p.choose(ctx, c.id)
	if err != nil {
		return err
	}
	if !l.out.put(&serviceprotocol.CloseConnection{ConnectionID: c.id, Error: reason}) {
		return ErrConnectionLost
	}
	return nil
}

// Exists asks whether the connection exists.
func (c Client) Exists(ctx context.Context) (bool, error) {
	return c.hub.ask(ctx, c.id, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckConnectionExistence{ConnectionID: c.id, AckID: ackID}
	})
}

// UserExists asks whether a user has a connection.
func (c Clients) UserExists(ctx context.Context, user string) (bool, error) {
	return c.hub.ask(ctx, user, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckUserExistence{User: user, AckID: ackID}
	})
}

// ask sends a message that is acknowledged; the answer no is false.
func (h *Hub) ask(ctx context.Context, key string, message func(ackID int32) serviceprotocol.Message) (bool, error) {
	p, err := h.served()
	if err != nil {
		return false, err
	}
	return p.ask(ctx, key, message)
}
