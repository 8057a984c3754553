package presence

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hubgate/hubgate/hubname"
)

// server has the operations of the contract.
type server struct{ *Endpoint }

// PresenceCounts counts what a hub has.
func (s *server) PresenceCounts(ctx context.Context, r PresenceCountsRequestObject) (PresenceCountsResponseObject, error) {
	key, err := hubKey(r.Hub, r.Params.Application)
	if err != nil {
		return nil, err
	}
	parts, err := s.circle.ask(ctx, &question{Kind: kindCounts, Hub: key})
	if err != nil {
		return nil, err
	}
	var counts Counts
	var users, groups [][]byte
	for _, part := range parts {
		counts.Connections += part.Count
		users, groups = append(users, part.Users), append(groups, part.Groups)
	}
	counts.Users, counts.Groups = different(users...), different(groups...)
	return PresenceCounts200JSONResponse(counts), nil
}

// PresenceConnections lists connections.
func (s *server) PresenceConnections(ctx context.Context, r PresenceConnectionsRequestObject) (PresenceConnectionsResponseObject, error) {
	p := &r.Params
	q, err := newQuestion(kindConnections, r.Hub, p.Application, p.Maxpagesize, p.ContinuationToken)
	if err != nil {
		return nil, err
	}
	if err := q.filter(p.User, p.Group); err != nil {
		return nil, err
	}
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		q.Addresses = c.rights.Addresses
	}
	parts, err := s.circle.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	page := ConnectionPage{Value: []Connection{}}
	m := merge[Connection]{max: q.Max}
	for _, part := range parts {
		page.Count += part.Count
		m.add(part.Connections, part.More, connectionName)
	}
	list, more := m.page(connectionName, newest)
	if page.Value = append(page.Value, list...); more {
		page.ContinuationToken = q.next(list[len(list)-1].ConnectionId)
	}
	return PresenceConnections200JSONResponse(page), nil
}

// PresenceUsers lists users.
func (s *server) PresenceUsers(ctx context.Context, r PresenceUsersRequestObject) (PresenceUsersResponseObject, error) {
	q, err := newQuestion(kindUsers, r.Hub, r.Params.Application, r.Params.Maxpagesize, r.Params.ContinuationToken)
	if err != nil {
		return nil, err
	}
	if err := q.filter("", r.Params.Group); err != nil {
		return nil, err
	}
	list, next, err := s.named(ctx, q)
	page := UserPage{Value: []User{}, ContinuationToken: next}
	for _, one := range list {
		page.Value = append(page.Value, User{UserId: one.Name, Connections: one.Count})
	}
	return PresenceUsers200JSONResponse(page), err
}

// PresenceGroups lists groups.
func (s *server) PresenceGroups(ctx context.Context, r PresenceGroupsRequestObject) (PresenceGroupsResponseObject, error) {
	q, err := newQuestion(kindGroups, r.Hub, r.Params.Application, r.Params.Maxpagesize, r.Params.ContinuationToken)
	if err != nil {
		return nil, err
	}
	if err := q.filter(r.Params.User, ""); err != nil {
		return nil, err
	}
	list, next, err := s.named(ctx, q)
	page := GroupPage{Value: []Group{}, ContinuationToken: next}
	for _, one := range list {
		page.Value = append(page.Value, Group{Group: one.Name, Connections: one.Count})
	}
	return PresenceGroups200JSONResponse(page), err
}

// named asks for a page of users or groups.
func (s *server) named(ctx context.Context, q *question) (list []named, next string, err error) {
	parts, err := s.circle.ask(ctx, q)
	if err != nil {
		return nil, "", err
	}
	m := merge[named]{max: q.Max}
	for _, part := range parts {
		m.add(part.Names, part.More, nameOf)
	}
	list, more := m.page(nameOf, func(a, b named) named { return named{a.Name, a.Count + b.Count} })
	if more {
		next = q.next(list[len(list)-1].Name)
	}
	return list, next, nil
}

func connectionName(c *Connection) string { return c.ConnectionId }

func nameOf(n *named) string { return n.Name }

// newest chooses between what two nodes say of one connection, which is on its way from one to the other: the time on
// the way makes it younger at the latter.
func newest(a, b Connection) Connection {
	if b.ConnectedAt.After(a.ConnectedAt) {
		return b
	}
	return a
}

// merge makes a page of the parts of nodes, each of which is ordered.
type merge[T any] struct {
	max int
	all []T
	// end is the last name that all nodes have listed up to; "" if each has listed all it has.
	end  string
	more bool
}

// add adds a node's part. More says that it has others behind its last one.
func (m *merge[T]) add(part []T, more bool, name func(*T) string) {
	m.all = append(m.all, part...)
	if more && len(part) > 0 {
		if last := name(&part[len(part)-1]); !m.more || last < m.end {
			m.more, m.end = true, last
		}
	}
}

// page returns the page, and whether there is another one. What two nodes have under one name becomes one.
func (m *merge[T]) page(name func(*T) string, both func(a, b T) T) (list []T, more bool) {
	slices.SortStableFunc(m.all, func(a, b T) int { return cmp.Compare(name(&a), name(&b)) })
	for i := range m.all {
		one := name(&m.all[i])
		switch last := len(list) - 1; {
		case m.more && one > m.end:
			return list, true
		case last >= 0 && name(&list[last]) == one:
			list[last] = both(list[last], m.all[i])
		case len(list) == m.max:
			return list, true
		default:
			list = append(list, m.all[i])
		}
	}
	return list, m.more
}

func hubKey(hub, application string) (string, error) {
	key, err := hubname.Key(application, hub)
	if err != nil {
		return "", invalid("The hub's or the application's name is not valid: " + hubname.Rule + ".")
	}
	return key, nil
}

// newQuestion checks what all lists have in common. Size 0 is the default.
func newQuestion(k kind, hub, application string, size int, token string) (*question, error) {
	key, err := hubKey(hub, application)
	if err != nil {
		return nil, err
	}
	q := &question{Kind: k, Hub: key, Max: cmp.Or(size, defaultPage)}
	if q.Max < 1 || q.Max > maxPage {
		return nil, invalid("maxpagesize is not between 1 and 1000.")
	}
	if token == "" {
		q.Listing = rand.Uint64()
		return q, nil
	}
	if !q.resume(token) {
		return nil, invalid("The continuationToken is none that a page came with.")
	}
	return q, nil
}

// maxName is the longest filter, in characters.
const maxName = 1024

func (q *question) filter(user, group string) error {
	for _, name := range []string{user, group} {
		if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName {
			return invalid("The user or the group is not valid.")
		}
	}
	q.User, q.Group = user, group
	return nil
}

// next makes the token of the next page: the number of the listing, then the last name.
func (q *question) next(last string) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, q.Listing), last...))
}

// resume reads what next made.
func (q *question) resume(token string) bool {
	if len(token) > 8192 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) <= 8 || !utf8.Valid(raw[8:]) {
		return false
	}
	q.Listing, q.After = binary.BigEndian.Uint64(raw), strings.Clone(string(raw[8:]))
	return true
}
