package presence

import (
	"encoding/json"
	"errors"
)

// kind is what is listed.
type kind byte

const (
	kindConnections kind = iota + 1
	kindUsers
	kindGroups
	kindCounts
)

// question is what a node is asked for: a page of what it has itself, or numbers.
type question struct {
	Kind kind   `json:"k"`
	Hub  string `json:"h"`
	// User and Group are filters; "" is none.
	User  string `json:"u,omitempty"`
	Group string `json:"g,omitempty"`
	// After is the last id or name of the page before, Max how many the page has at most.
	After string `json:"a,omitempty"`
	Max   int    `json:"m,omitempty"`
	// Listing is the number of the caller's way through the pages.
	Listing uint64 `json:"l,omitempty"`
	// Addresses: the caller may see the addresses of clients.
	Addresses bool `json:"r,omitempty"`
}

// answer is what a node has.
type answer struct {
	// Count is how many connections there are, over all pages.
	Count int `json:"c,omitempty"`
	// More: there are others behind the last one.
	More        bool         `json:"m,omitempty"`
	Connections []Connection `json:"v,omitempty"`
	Names       []named      `json:"n,omitempty"`
	// Users and Groups are the names that counts are made of, as hashes of eight bytes each.
	Users  []byte `json:"u,omitempty"`
	Groups []byte `json:"g,omitempty"`
	// Moved is how many milliseconds ago a connection of the hub went to another node, and one more; 0 is not lately.
	Moved int64 `json:"d,omitempty"`
	// Error is why there is no answer.
	Error string `json:"e,omitempty"`
}

// named is a user or a group.
type named struct {
	Name  string `json:"n"`
	Count int    `json:"c"`
}

// What nodes say to each other begins with one of these bytes.
const (
	saidQuestion byte = iota + 1
	saidAnswer
)

// said is one message between nodes.
type said struct {
	ID       uint64    `json:"i"`
	Question *question `json:"q,omitempty"`
	Answer   *answer   `json:"a,omitempty"`
}

var errSaid = errors.New("presence: malformed message of another node")

func (s *said) append(kind byte) []byte {
	body, err := json.Marshal(s)
	if err != nil {
		panic(err) // it has nothing that could not be written
	}
	return append([]byte{kind}, body...)
}

// parse reads what append wrote. What a newer node adds is passed over.
func (s *said) parse(message []byte) (kind byte, err error) {
	if len(message) == 0 {
		return 0, errSaid
	}
	switch kind = message[0]; kind {
	case saidQuestion, saidAnswer:
	default:
		return kind, nil
	}
	if json.Unmarshal(message[1:], s) != nil {
		return 0, errSaid
	}
	if q := s.Question; kind == saidQuestion && (q == nil || q.Max < 0 || q.Max > maxPage) {
		return 0, errSaid
	}
	if a := s.Answer; kind == saidAnswer && (a == nil || len(a.Users)%8+len(a.Groups)%8 != 0) {
		return 0, errSaid
	}
	return kind, nil
}
