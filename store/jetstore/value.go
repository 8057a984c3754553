package jetstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/packed"
	"github.com/hubgate/hubgate/store"
)

const (
	// valueFormat is the version of what a stored value looks like.
	valueFormat = 1
	// MaxUserBytes bounds what is kept of one user, in bytes of the stored value.
	MaxUserBytes = 64 << 10
	// activityStep is how much the noted activity of a user may be behind: not
	// every connection of the user is a write.
	activityStep = 7 * 24 * time.Hour
)

// ErrDamaged is the error for what is kept of a user and cannot be read. Removing
// the user from all groups makes it good again; the memberships are lost.
var ErrDamaged = errors.New("what is stored of the user cannot be read; removing the user from all groups clears it")

// memberships are what is kept of one user of one hub.
type memberships struct {
	hub, user string
	// token is new with every write: who wrote knows it again.
	token uint64
	// active is the user's last activity, at most activityStep old.
	active time.Time
	// open are the groups without TTL, the oldest first.
	open []string
	// ends are those with TTL, in no order.
	ends []gateway.StandingGroup
	// damaged says that what was there could not be read.
	damaged bool
}

// put adds or renews a membership, and drops the oldest of those without TTL
// beyond keep.
func (m *memberships) put(now time.Time, group string, until time.Time, keep int) {
	m.remove(group)
	m.active = now
	switch {
	case until.IsZero():
		m.open = append(m.open, group)
		m.open = m.open[max(0, len(m.open)-keep):]
	case now.Before(until):
		m.ends = append(m.ends, gateway.StandingGroup{Group: group, Until: until})
	}
}

// remove takes a membership out, and reports whether there was one.
func (m *memberships) remove(group string) bool {
	open, ends := len(m.open), len(m.ends)
	m.open = slices.DeleteFunc(m.open, func(g string) bool { return g == group })
	m.ends = slices.DeleteFunc(m.ends, func(g gateway.StandingGroup) bool { return g.Group == group })
	return len(m.open) != open || len(m.ends) != ends
}

// expire drops what has ended.
func (m *memberships) expire(now time.Time) {
	m.ends = slices.DeleteFunc(m.ends, func(g gateway.StandingGroup) bool { return !now.Before(g.Until) })
	if !now.Before(m.openEnd()) {
		m.open = nil
	}
}

// openEnd is when the memberships without TTL end if the user stays away. What
// the noted activity may be behind is given to the user.
func (m *memberships) openEnd() time.Time { return m.active.Add(store.OpenLifetime + activityStep) }

// lasts is for how long there is something in force; 0 if there is nothing.
func (m *memberships) lasts(now time.Time) time.Duration {
	var d time.Duration
	if len(m.open) > 0 {
		d = m.openEnd().Sub(now)
	}
	for _, g := range m.ends {
		d = max(d, g.Until.Sub(now))
	}
	return d
}

// list returns the memberships by name.
func (m *memberships) list() []gateway.StandingGroup {
	list := make([]gateway.StandingGroup, 0, len(m.open)+len(m.ends))
	for _, group := range m.open {
		list = append(list, gateway.StandingGroup{Group: group})
	}
	list = append(list, m.ends...)
	slices.SortFunc(list, func(a, b gateway.StandingGroup) int { return strings.Compare(a.Group, b.Group) })
	return list
}

// append writes the stored form: a MessagePack array of format, hub, user,
// token, activity in seconds, groups without TTL, and the others as pairs of
// name and end in nanoseconds. Names are bytes: nobody says that they are UTF-8.
func (m *memberships) append(b []byte) []byte {
	b = msgp.AppendArrayHeader(b, 7)
	b = msgp.AppendInt(b, valueFormat)
	b = msgp.AppendString(b, m.hub)
	b = msgp.AppendString(b, m.user)
	b = msgp.AppendUint64(b, m.token)
	b = msgp.AppendInt64(b, m.active.Unix())
	b = msgp.AppendArrayHeader(b, uint32(len(m.open)))
	for _, group := range m.open {
		b = msgp.AppendString(b, group)
	}
	b = msgp.AppendArrayHeader(b, uint32(2*len(m.ends)))
	for _, g := range m.ends {
		b = msgp.AppendString(b, g.Group)
		b = msgp.AppendInt64(b, g.Until.UnixNano())
	}
	return b
}

// parseMemberships reads the stored form. What a newer program wrote is an
// error too, and is never written over.
func parseMemberships(b []byte) (*memberships, error) {
	if len(b) > MaxUserBytes {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrDamaged, len(b))
	}
	p := packed.Reader{Rest: b}
	if fields := p.Length(); p.Err == nil && fields < 7 {
		p.Err = fmt.Errorf("%d fields", fields)
	}
	if format := packed.Read(&p, msgp.ReadInt64Bytes); p.Err == nil && format != valueFormat {
		return nil, fmt.Errorf("%w: it has format %d, and this program knows format %d; it may be of another version", ErrDamaged, format, valueFormat)
	}
	m := &memberships{hub: packed.Read(&p, msgp.ReadStringBytes), user: packed.Read(&p, msgp.ReadStringBytes), token: packed.Read(&p, msgp.ReadUint64Bytes)}
	m.active = time.Unix(packed.Read(&p, msgp.ReadInt64Bytes), 0)
	for range p.Length() {
		m.open = append(m.open, packed.Read(&p, msgp.ReadStringBytes))
	}
	n := p.Length()
	if p.Err == nil && n%2 != 0 {
		p.Err = errors.New("half a membership")
	}
	for range n / 2 {
		m.ends = append(m.ends, gateway.StandingGroup{Group: packed.Read(&p, msgp.ReadStringBytes), Until: time.Unix(0, packed.Read(&p, msgp.ReadInt64Bytes))})
	}
	if p.Err == nil && len(p.Rest) > 0 {
		p.Err = fmt.Errorf("%d bytes too many", len(p.Rest))
	}
	if p.Err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, p.Err)
	}
	return m, nil
}
