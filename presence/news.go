package presence

import (
	"encoding/json"
	"time"
)

// What a node tells another one that follows a hub: first who is there, from Begin to Whole, and what
// happens from before Begin on. Ids are never given twice, so that entries may come twice and late.

// happening is what an entry says of a connection.
type happening byte

const (
	// isThere: it was there when the list was made.
	isThere happening = iota + 1
	hasCome
	hasGone
	// hasMoved: another node has it, or is about to.
	hasMoved
)

// entry is one connection.
type entry struct {
	What happening `json:"w"`
	ID   string    `json:"i"`
	User string    `json:"u,omitempty"`
	// Reason is why it has gone.
	Reason string `json:"r,omitempty"`
	// At is when, in milliseconds since 1970.
	At int64 `json:"t,omitempty"`
}

// news are entries of one hub.
type news struct {
	Hub     string  `json:"h"`
	Begin   bool    `json:"b,omitempty"`
	Whole   bool    `json:"e,omitempty"`
	Entries []entry `json:"n,omitempty"`
}

// follow asks another node for the news of a hub, or for no more.
type follow struct {
	Hub string `json:"h"`
	On  bool   `json:"o,omitempty"`
}

const (
	saidFollow byte = iota + 16
	saidNews
)

// maxNews is how many entries a message has at most.
const maxNews = 500

func encode(kind byte, what any) []byte {
	body, err := json.Marshal(what)
	if err != nil {
		panic(err) // it has nothing that could not be written
	}
	return append([]byte{kind}, body...)
}

func decodeNews(body []byte) (n news, err error) {
	if json.Unmarshal(body, &n) != nil || n.Hub == "" || len(n.Entries) > maxNews {
		return news{}, errSaid
	}
	for _, e := range n.Entries {
		if e.ID == "" || e.What < isThere || e.What > hasMoved {
			return news{}, errSaid
		}
	}
	return n, nil
}

func decodeFollow(body []byte) (f follow, err error) {
	if json.Unmarshal(body, &f) != nil || f.Hub == "" {
		return follow{}, errSaid
	}
	return f, nil
}

func now() int64 { return time.Now().UnixMilli() }
