package gateway

import (
	"hash/maphash"
	"sync"
)

const userStripes = 64

// userTable finds the open connections of a user. The connections of one user
// are chained through themselves: most users have one connection, and then the
// table costs no more than a map entry.
type userTable struct {
	seed    maphash.Seed
	stripes [userStripes]userStripe
}

type userStripe struct {
	mu    sync.RWMutex
	heads map[string]*Conn
}

// userLink chains the connections of one user.
type userLink struct {
	userNext, userPrev *Conn
	inUsers            bool
}

func (t *userTable) init() { t.seed = maphash.MakeSeed() }

func (t *userTable) stripe(user string) *userStripe {
	return &t.stripes[maphash.String(t.seed, user)%userStripes]
}

func (t *userTable) add(c *Conn) {
	s := t.stripe(c.id.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heads == nil {
		s.heads = make(map[string]*Conn)
	}
	head := s.heads[c.id.User]
	c.link.userNext = head
	if head != nil {
		head.link.userPrev = c
	}
	s.heads[c.id.User] = c
	c.link.inUsers = true
}

func (t *userTable) remove(c *Conn) {
	s := t.stripe(c.id.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.link.inUsers {
		return
	}
	c.link.inUsers = false
	if c.link.userNext != nil {
		c.link.userNext.link.userPrev = c.link.userPrev
	}
	switch {
	case c.link.userPrev != nil:
		c.link.userPrev.link.userNext = c.link.userNext
	case c.link.userNext != nil:
		s.heads[c.id.User] = c.link.userNext
	default:
		delete(s.heads, c.id.User)
	}
	c.link.userNext, c.link.userPrev = nil, nil
}

// appendConns appends the user's connections.
func (t *userTable) appendConns(dst []*Conn, user string) []*Conn {
	s := t.stripe(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := s.heads[user]; c != nil; c = c.link.userNext {
		dst = append(dst, c)
	}
	return dst
}

// ended counts connections that should not be there any more.
func (t *userTable) ended() (n int) {
	for i := range t.stripes {
		s := &t.stripes[i]
		s.mu.RLock()
		for _, c := range s.heads {
			for ; c != nil; c = c.link.userNext {
				if c.life.state() == gone {
					n++
				}
			}
		}
		s.mu.RUnlock()
	}
	return n
}
