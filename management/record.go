package management

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/hubgate/hubgate/secret"
)

// Record is a version as it is kept. It holds secrets.
type Record struct {
	Revision uint64    `json:"-"` // the store has it
	Time     time.Time `json:"time"`
	By       string    `json:"by,omitempty"`
	Note     string    `json:"note,omitempty"`
	Changes  []Change  `json:"changes,omitempty"`
	Document Document  `json:"document"`
	// PrimaryKey and SecondaryKey are "" while they are those of the configuration.
	PrimaryKey   storedSecret `json:"primaryKey,omitempty"`
	SecondaryKey storedSecret `json:"secondaryKey,omitempty"`
	// Restarts counts how often clients and hub servers were told to come again.
	Restarts uint64 `json:"restarts,omitempty"`
}

// storedSecret is a secret that the store is given.
type storedSecret string

// Text is the secret as one that nothing prints.
func (s storedSecret) Text() secret.Text { return secret.Text(s) }

// The configuration has the first revision.
const first = 1

// clone shares nothing with r.
func (r Record) clone() Record {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a Record has only what JSON has
	}
	next := Record{Revision: r.Revision}
	if err := json.Unmarshal(text, &next); err != nil {
		panic(err)
	}
	return next
}

// keyBytes is how long a new key is before it is written as text: Azure's have as much.
const keyBytes = 33

// renew replaces a key. The other one stays, also when it is the configuration's.
func (r *Record) renew(kind KeyKind, _ Keys) error {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	switch text := storedSecret(base64.StdEncoding.EncodeToString(key)); kind {
	case Primary:
		r.PrimaryKey = text
	case Secondary:
		r.SecondaryKey = text
	case Salt:
	default:
		return invalid("keyType", "must be Primary, Secondary or Salt")
	}
	return nil
}
