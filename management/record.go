package management

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
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

// recordFormat begins a record as it is stored. A text that begins otherwise is one of options, as they were
// shared before there were records.
const recordFormat = "hubgate-settings-1\n"

// EncodeRecord returns a record as a Store may keep it. It holds secrets. The error is an *InvalidError: the
// record has more than MaxRecord bytes.
func EncodeRecord(r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxRecord-len(recordFormat) {
		return nil, invalid("", fmt.Sprintf("the settings have %d bytes, more than %d", len(text), MaxRecord))
	}
	return append([]byte(recordFormat), text...), nil
}

// DecodeRecord reads what EncodeRecord has made. Options has a text of options, as they were stored before
// there were records, as a JSON object.
func DecodeRecord(text []byte, revision uint64, options func(text []byte) (json.RawMessage, error)) (Record, error) {
	r := Record{}
	if rest, ok := bytes.CutPrefix(text, []byte(recordFormat)); ok {
		if err := json.Unmarshal(rest, &r); err != nil {
			return Record{}, fmt.Errorf("a stored record cannot be read: %w", err)
		}
	} else if len(bytes.TrimSpace(text)) > 0 {
		object, err := options(text)
		if err != nil {
			return Record{}, err
		}
		r.Document.Properties.Hubgate = object
	}
	r.Revision = revision
	return r, nil
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
