package nodes

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Record is what the store keeps of one incarnation of a node. Its key is the incarnation.
type Record struct {
	// Node is the node's name, Link the incarnation under which other nodes have links with it.
	Node string `json:"node"`
	Link string `json:"link,omitempty"`
	// Software is the program's version.
	Software string `json:"software,omitempty"`
	// Lease is how long the node may not renew this before it may be claimed; 0 leaves that to whoever
	// looks. Nodes need not have the same.
	Lease time.Duration `json:"lease,omitempty"`
	// Settings are what the node's settings come to, part by part: nodes that differ in one are unlike.
	Settings map[string]string `json:"settings,omitempty"`
	// Keeps: the node keeps events until they are delivered. Only a node that does so too may claim it, since
	// another one could not take them over.
	Keeps bool `json:"keeps,omitempty"`
	// Writer is the incarnation that wrote this, Number is new with each of its writes: who wrote
	// knows its own writes again.
	Writer string `json:"writer"`
	Number uint64 `json:"number"`
	// Claimant is the incarnation that does what is to be done for a node that died, or "".
	Claimant string `json:"claimant,omitempty"`
}

// maxRecord bounds a record, in bytes.
const maxRecord = 4 << 10

// errRecord is the error for what is no record.
var errRecord = errors.New("the record of a node cannot be read")

// lease is how long the node may not renew its record. A record of a version that does not say so is
// given up after otherwise.
func (r *Record) lease(otherwise time.Duration) time.Duration {
	if r.Lease <= 0 {
		return otherwise
	}
	return r.Lease
}

func (r *Record) append(dst []byte) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // Strings and numbers always marshal.
	}
	return append(dst, text...)
}

func parseRecord(text []byte) (r Record, err error) {
	if len(text) > maxRecord {
		return Record{}, fmt.Errorf("%w: it has %d bytes", errRecord, len(text))
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	if r.Writer == "" {
		return Record{}, fmt.Errorf("%w: nobody wrote it", errRecord)
	}
	return r, nil
}

// entry is a record as it is stored. A node that is no more has a tombstone for a while.
type entry struct {
	inc       string
	revision  uint64
	record    Record
	tombstone bool
}
