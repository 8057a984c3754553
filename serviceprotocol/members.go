package serviceprotocol

import (
	"math"

	"github.com/tinylib/msgp/msgp"
)

// GroupMemberQuery asks for the connections of a group, page by page. The Ack that answers
// has a GroupMembers as payload.
type GroupMemberQuery struct {
	Group string
	AckID int32
	// Max is how many connections a page may have at most, 0 for as many as the gateway
	// likes. Of several bounds that newer hub servers give it is the smallest.
	Max int32
	// Token continues where a page ended; empty for the first page.
	Token     string
	TracingID uint64
}

// Type returns TypeGroupMemberQuery.
func (*GroupMemberQuery) Type() Type { return TypeGroupMemberQuery }

// Append appends the message with its length prefix.
func (m *GroupMemberQuery) Append(dst []byte) []byte {
	w := begin(dst, TypeGroupMemberQuery, 6, 0)
	w.tracing(m.TracingID)
	w.text(m.Group)
	w.integer(m.AckID)
	w.integer(m.Max)
	w.textOrNil(m.Token)
	return w.end()
}

// read takes what follows the ack id by its kind, not by its place: newer hub servers have
// two bounds there, each of which may be nil, and their order does not matter.
func (m *GroupMemberQuery) read(r *reader) {
	m.TracingID = r.tracing()
	m.Group = r.name("group")
	m.AckID = r.integer("ack id")
	m.Max, m.Token = 0, ""
	for r.left > 0 {
		switch msgp.NextType(r.b) {
		case msgp.IntType, msgp.UintType:
			if bound := r.integer("max"); bound > 0 && (m.Max == 0 || bound < m.Max) {
				m.Max = bound
			}
		case msgp.StrType:
			m.Token = r.text("token")
		default:
			r.next()
			r.skip("further elements")
		}
	}
}

// GroupMember is a connection of a group. UserID is empty for a client without a user.
type GroupMember struct{ ConnectionID, UserID string }

// GroupMembers is one page of the connections of a group.
type GroupMembers struct {
	Members []GroupMember
	// Token asks for the next page; empty after the last one.
	Token string
}

// Append appends the payload of the Ack. Unlike messages it has no length prefix.
func (p *GroupMembers) Append(dst []byte) []byte {
	w := writer{b: msgp.AppendArrayHeader(dst, 2)}
	w.b = msgp.AppendArrayHeader(w.b, uint32(len(p.Members)))
	for _, member := range p.Members {
		w.b = msgp.AppendArrayHeader(w.b, 2)
		w.text(member.ConnectionID)
		w.textOrNil(member.UserID)
	}
	w.textOrNil(p.Token)
	return w.b
}

// ParseGroupMembers reads the payload of an Ack to a GroupMemberQuery. It keeps nothing of
// it. The error is an *Error.
func ParseGroupMembers(payload []byte) (*GroupMembers, error) {
	r := &reader{b: payload}
	page := new(GroupMembers)
	r.left = r.array(memberField, math.MaxUint32)
	if r.next() {
		n := r.array(memberField, MaxNames)
		if n > 0 {
			page.Members = make([]GroupMember, 0, n)
		}
		for ; n > 0 && r.reason == ""; n-- {
			page.Members = append(page.Members, r.member())
		}
	}
	page.Token = r.text("token")
	r.end()
	if r.reason != "" {
		return nil, &Error{Type: TypeAck, Field: r.field, Reason: r.reason}
	}
	return page, nil
}

const memberField = "group members"

// member reads a list within the list that the reader is in.
func (r *reader) member() GroupMember {
	outer := r.left
	r.left = r.array(memberField, math.MaxUint32)
	member := GroupMember{ConnectionID: r.text(memberField), UserID: r.text(memberField)}
	r.further()
	if r.reason == "" {
		r.left = outer
	}
	return member
}
