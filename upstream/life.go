package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Life keeps note of clients where other nodes find it: if this node dies, one of them calls the
// webhook for the end of each of its clients. Its methods may be called concurrently. Only the
// goroutine that calls a client's webhooks waits for it.
type Life interface {
	// Born notes a client before its webhook for connected is called. It returns when the note cannot
	// be lost any more, or when it is clear that this will take too long. The hub is the hub's key.
	// What it makes of record may be used until Ended, from any goroutine.
	Born(ctx context.Context, hub, id string, record Recorder)
	// Ending notes that the webhook for the end of a client is about to be called. False says that
	// this node must not call it: it will be called later, by SendDisconnected, or another node calls
	// it.
	Ending(ctx context.Context, id string, record Recorder) (call bool)
	// Doubted notes that another node may have noted the client as well, which it was to take over and has not, or from
	// which it has come: its end is told once all the same. A client that was not born is ignored.
	Doubted(id string)
	// Ended notes that the webhook for the end of a client was called, or never will be. It does not
	// wait. A client that was not born is ignored.
	Ended(id string)
}

// Recorder appends the record of a client: all that SendDisconnected needs to know of it.
type Recorder = interface{ AppendRecord(dst []byte) []byte }

// Use tells the Backend who keeps note of clients. It is called before there are clients, or never: a
// node alone keeps no notes.
func (b *Backend) Use(l Life) { b.life = l }

var (
	// ErrRecord is the error of SendDisconnected for what is no record.
	ErrRecord = errors.New("the record of a client cannot be read")
	// ErrNotSent is the error of SendDisconnected when this node ends: another one has to send it.
	ErrNotSent = errors.New("the webhook was not called: the gateway is shutting down")
)

// SendDisconnected calls the webhook for the end of a client that is not here any more, from its
// record. It waits for the answer. Whatever the webhook answers, the event is delivered, as it would
// be for a client of this node: the error is ErrRecord or ErrNotSent.
func (b *Backend) SendDisconnected(record []byte) error {
	gone, body, err := parseRecord(record)
	if err != nil {
		return err
	}
	if b.keeps != nil {
		if err := b.tellEnd(b.ctx, gone, body); err != nil {
			return ErrNotSent
		}
		return nil
	}
	s := newSession(b, gone)
	t := s.match(kindDisconnected, "")
	if t == nil {
		return nil // There is no such webhook any more.
	}
	e := event{kind: kindDisconnected, template: t, body: body}
	if s.handle(&e) == ResultShutdown {
		return ErrNotSent
	}
	return nil
}

// nodeLost is what the application is told when the node of a client died.
var nodeLost = gateway.Cause{Reason: gateway.CloseNodeLost, Text: "NodeLost: the node of the gateway that had the connection is gone."}

// record is what a client's webhooks need to know of it, as JSON.
type record struct {
	ID     string     `json:"id"`
	Hub    string     `json:"hub"`
	Name   string     `json:"name,omitempty"` // as the client wrote the hub
	User   string     `json:"user,omitempty"`
	Claims [][]string `json:"claims,omitempty"` // each a type and a value
	Query  string     `json:"query,omitempty"`
	// Body is that of the event, if the end of the client has a reason of its own.
	Body json.RawMessage `json:"body,omitempty"`
}

// AppendRecord appends the client's record, for Life.
func (s *session) AppendRecord(dst []byte) []byte { return appendRecord(dst, s.conn.Identity(), nil) }

// ending is a client whose end has a reason.
type ending struct {
	id   *gateway.Identity
	body []byte
}

// AppendRecord appends the client's record, for Life.
func (e ending) AppendRecord(dst []byte) []byte { return appendRecord(dst, e.id, e.body) }

func appendRecord(dst []byte, id *gateway.Identity, body []byte) []byte {
	r := record{ID: id.ID, Hub: id.Hub, Name: id.HubName, User: id.User, Query: string(appendASCII(nil, id.Query)), Body: body}
	for _, c := range id.Claims {
		r.Claims = append(r.Claims, []string{c.Type, c.Value})
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // Strings, and a body that is JSON, always marshal.
	}
	return append(dst, text...)
}

// departed is a client that is not here: a conn that hears nothing.
type departed struct{ id gateway.Identity }

func (d *departed) Identity() *gateway.Identity { return &d.id }
func (d *departed) Protocol() string            { return hubprotocol.JSON }
func (d *departed) Send([]byte)                 {}
func (d *departed) Close(gateway.Cause)         {}
func (d *departed) Resume()                     {}

// parseRecord reads a record, and makes the body of the event that is to be sent.
func parseRecord(text []byte) (*departed, []byte, error) {
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if r.ID == "" || r.Hub == "" {
		return nil, nil, fmt.Errorf("%w: it has no connection or no hub", ErrRecord)
	}
	d := &departed{gateway.Identity{ID: r.ID, Hub: r.Hub, HubName: r.Name, User: r.User, Query: r.Query}}
	for _, c := range r.Claims {
		if len(c) != 2 {
			return nil, nil, fmt.Errorf("%w: a claim has %d parts", ErrRecord, len(c))
		}
		d.id.Claims = append(d.id.Claims, gateway.Claim{Type: c[0], Value: c[1]})
	}
	if len(r.Body) == 0 {
		return d, disconnectedBody(nodeLost), nil
	}
	return d, r.Body, nil
}

// bear notes a client whose end is of interest to the application, behind nothing and before its
// connected event.
func (s *session) bear() {
	t := s.match(kindDisconnected, "")
	if t == nil {
		return
	}
	s.mu.Lock()
	s.born = true
	s.mu.Unlock()
	s.put(event{kind: kindBorn, template: t})
}

// forget notes that the application is not told of the client's end.
func (s *session) forget() {
	s.mu.Lock()
	born := s.born
	s.born = false
	s.mu.Unlock()
	if born {
		s.backend.life.Ended(s.conn.Identity().ID)
	}
}

// mayEnd asks whether the webhook for the client's end may be called by this node.
func (s *session) mayEnd(e *event) bool {
	s.mu.Lock()
	born := s.born
	s.mu.Unlock()
	id := s.conn.Identity()
	return !born || s.backend.life.Ending(s.backend.ctx, id.ID, ending{id, e.body})
}
