package upstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/packed"
)

const (
	deliveryFormat = 1
	deliveryFields = 13 // of before there were spans
)

// ErrDelivery is the error for what is no event of an outbox.
var ErrDelivery = errors.New("an event of the outbox cannot be read")

// appendDelivery appends all that is to be known of an event to deliver it without its client: a MessagePack
// array of the format, the connection, hub, the hub as the client wrote it, user, query, claims, kind,
// protocol, target, id, since when it is kept, the body and, if it has a span, its W3C traceparent.
func appendDelivery(dst []byte, id *gateway.Identity, e *event, since time.Time) []byte {
	if dst == nil {
		dst = make([]byte, 0, 256+len(id.Query)+len(e.target)+len(e.body))
	}
	fields := uint32(deliveryFields)
	if e.traced != nil {
		fields++
	}
	dst = msgp.AppendArrayHeader(dst, fields)
	dst = msgp.AppendInt(dst, deliveryFormat)
	for _, text := range [...]string{id.ID, id.Hub, id.HubName, id.User, id.Query} {
		dst = msgp.AppendString(dst, text)
	}
	dst = msgp.AppendArrayHeader(dst, uint32(len(id.Claims)))
	for _, c := range id.Claims {
		dst = msgp.AppendArrayHeader(dst, 2)
		dst = msgp.AppendString(dst, c.Type)
		dst = msgp.AppendString(dst, c.Value)
	}
	dst = msgp.AppendUint8(dst, uint8(e.kind))
	for _, text := range [...]string{e.protocol, e.target, e.id} {
		dst = msgp.AppendString(dst, text)
	}
	dst = msgp.AppendInt64(dst, since.UnixMilli())
	dst = msgp.AppendBytes(dst, e.body)
	if e.traced != nil {
		dst = msgp.AppendString(dst, e.traced.parent)
	}
	return dst
}

// parseDelivery reads what appendDelivery has written. What it returns does not share the text.
func parseDelivery(text []byte) (*departed, event, time.Time, error) {
	p := packed.Reader{Rest: text}
	p.Format(deliveryFormat, deliveryFields)
	word := func() string { return packed.Read(&p, msgp.ReadStringBytes) }
	d := &departed{gateway.Identity{ID: word(), Hub: word(), HubName: word(), User: word(), Query: word()}}
	for range p.Length() {
		if parts := p.Length(); p.Err == nil && parts != 2 {
			p.Err = fmt.Errorf("a claim of %d parts", parts)
		}
		if p.Err != nil {
			break
		}
		d.id.Claims = append(d.id.Claims, gateway.Claim{Type: word(), Value: word()})
	}
	e := event{kind: kind(packed.Read(&p, msgp.ReadUint8Bytes)), protocol: word(), target: word(), id: word()}
	since := packed.Read(&p, msgp.ReadInt64Bytes)
	e.body = p.Bytes()
	if p.Err == nil && len(p.Rest) > 0 {
		e.traced = &traced{parent: word()}
	}
	switch {
	case p.Err != nil:
	case e.kind > kindDisconnected:
		p.Err = fmt.Errorf("kind %d", e.kind)
	case d.id.ID == "" || d.id.Hub == "" || e.id == "":
		p.Err = errors.New("it has no connection, no hub or no id")
	case e.kind == kindMessage && (!checkTarget(e.target) || len(e.target) > maxTargetBytes):
		p.Err = errors.New("its target is no header")
	case e.protocol != "" && !hubprotocol.Supported(e.protocol):
		p.Err = fmt.Errorf("protocol %q", clip(e.protocol))
	}
	if p.Err != nil {
		return nil, event{}, time.Time{}, fmt.Errorf("%w: %w", ErrDelivery, p.Err)
	}
	return d, e, time.UnixMilli(since), nil
}
