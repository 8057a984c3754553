package serviceprotocol

import (
	"math"

	"github.com/tinylib/msgp/msgp"
)

// GroupMemberQuery asks for one page of a group's connections. The payload of the Ack is a
// GroupMembers.
type GroupMemberQuery struct {
	Group string
	AckID int32
	// Max is the largest number of connections on the page; 0 leaves it to the gateway.
	// Newer hub servers give two bounds, of which this is the smaller.
	Max int32
	// Token continues after an earlier page; empty for the first page.
	Token     string
	TracingID uint64
}

// Type returns TypeGroupMemberQuery.
func (*GroupMemberQuery) Type() Type { return TypeGroupMemberQuery }

// Append appends the message with its length prefix.
func (m *GroupMemberQuery) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeGroupMemberQuery, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *GroupMemberQuery) fields(c *codec) {
	c.tracing(&m.TracingID)
	c.name("group", &m.Group)
	c.integer("ack id", &m.AckID)
	c.boundAndToken(&m.Max, &m.Token)
}

// boundAndToken writes two elements. What it reads it takes by its kind, not by its place:
// newer hub servers have two bounds there, each of which may be nil, in any order.
func (c *codec) boundAndToken(bound *int32, token *string) {
	if c.writing {
		c.integer("max", bound)
		c.textOrNil("token", token)
		return
	}
	*bound, *token = 0, ""
	for r := &c.r; r.left > 0; {
		switch msgp.NextType(r.b) {
		case msgp.IntType, msgp.UintType:
			if n := r.integer("max"); n > 0 && (*bound == 0 || n < *bound) {
				*bound = n
			}
		case msgp.StrType:
			*token = r.text("token")
		default:
			r.next()
			r.skip("further elements")
		}
	}
}

// GroupMember is a connection of a group. UserID is empty for a client without a user.
type GroupMember struct{ ConnectionID, UserID string }

// GroupMembers is one page of a group's connections.
type GroupMembers struct {
	Members []GroupMember
	// Token asks for the next page; empty after the last one.
	Token string
}

// Append appends the payload of the Ack. Unlike a message it has no length prefix.
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

// ParseGroupMembers reads the payload of an Ack that answers a GroupMemberQuery. The result
// does not alias the payload. The error is an *Error.
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
