package hubserver

import (
	"context"
	"fmt"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Clients addresses the clients of a hub, on all its servers. It may be used concurrently, as
// long as the hub is being served.
type Clients struct{ hub *Hub }

// Receivers is a set of clients to send to. It may be kept and used concurrently.
type Receivers struct {
	hub     *Hub
	key     string // chooses the connection to the gateway
	nobody  bool
	message func(serviceprotocol.Payloads) serviceprotocol.Message
}

func (c Clients) receivers(key string, message func(serviceprotocol.Payloads) serviceprotocol.Message) Receivers {
	return Receivers{hub: c.hub, key: key, message: message}
}

// All addresses every client of the hub.
func (c Clients) All() Receivers { return c.AllExcept() }

// AllExcept addresses every client of the hub except some connections.
func (c Clients) AllExcept(connectionIDs ...string) Receivers {
	return c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.BroadcastData{Excluded: connectionIDs, Payloads: p}
	})
}

// Client addresses one connection.
func (c Clients) Client(connectionID string) Client { return Client{c.hub, connectionID} }

// Connections addresses several connections.
func (c Clients) Connections(connectionIDs ...string) Receivers {
	r := c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiConnectionData{Connections: connectionIDs, Payloads: p}
	})
	r.nobody = len(connectionIDs) == 0
	return r
}

// InGroup addresses the clients in a group.
func (c Clients) InGroup(group string) Receivers { return c.InGroupExcept(group) }

// InGroupExcept addresses the clients in a group except some connections.
func (c Clients) InGroupExcept(group string, connectionIDs ...string) Receivers {
	return c.receivers(group, func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.GroupBroadcastData{Group: group, Excluded: connectionIDs, Payloads: p}
	})
}

// InGroups addresses the clients in several groups. A client that is in two of them gets each
// message twice.
func (c Clients) InGroups(groups ...string) Receivers {
	r := c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiGroupBroadcastData{Groups: groups, Payloads: p}
	})
	r.nobody = len(groups) == 0
	return r
}

// OfUser addresses the clients of a user.
func (c Clients) OfUser(user string) Receivers {
	return c.receivers(user, func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.UserData{User: user, Payloads: p}
	})
}

// OfUsers addresses the clients of several users.
func (c Clients) OfUsers(users ...string) Receivers {
	r := c.receivers("", func(p serviceprotocol.Payloads) serviceprotocol.Message {
		return &serviceprotocol.MultiUserData{Users: users, Payloads: p}
	})
	r.nobody = len(users) == 0
	return r
}

// Send sends a message. Messages that are sent with the same Context arrive in the order of
// sending: within a call, pass the call's Context. The clients run their handler for target with
// the arguments.
//
// Send returns when the message is queued for the gateway. It does not wait for clients, and
// blocks only while the gateway does not read. It is no error if nobody receives the message.
// The arguments are encoded once for all receivers.
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

// Client is one client, identified by its connection. It may be kept and used concurrently.
type Client struct {
	hub *Hub
	id  string
}

// ConnectionID returns the id of the client's connection.
func (c Client) ConnectionID() string { return c.id }

// Send sends a message to the client. Messages that are sent with the same Context arrive in the
// order of sending. It is no error if there is no such client.
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

// Close closes the client, which is told the reason and does not reconnect automatically.
// Close does not wait until the client is gone.
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

// Exists asks the gateway whether the connection exists. It waits for the answer, for ten
// seconds at most (ErrTimeout).
func (c Client) Exists(ctx context.Context) (bool, error) {
	return c.hub.ask(ctx, c.id, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckConnectionExistence{ConnectionID: c.id, AckID: ackID}
	})
}

// UserExists asks the gateway whether a user has any connection. It waits for the answer, for
// ten seconds at most (ErrTimeout).
func (c Clients) UserExists(ctx context.Context, user string) (bool, error) {
	return c.hub.ask(ctx, user, func(ackID int32) serviceprotocol.Message {
		return &serviceprotocol.CheckUserExistence{User: user, AckID: ackID}
	})
}

// ask sends a message and waits for its acknowledgement. A negative one returns false.
func (h *Hub) ask(ctx context.Context, key string, message func(ackID int32) serviceprotocol.Message) (bool, error) {
	p, err := h.served()
	if err != nil {
		return false, err
	}
	return p.ask(ctx, key, message)
}
