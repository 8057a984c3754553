package management

import (
	"encoding/json"
	"time"

	"github.com/hubgate/hubgate/secret"
)

// Version is the settings as they were from one change to the next.
type Version struct {
	// Revision grows with each change. Revision 1 is the configuration: nobody has set anything.
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	// By is who made the change, Note what they said of it.
	By   string `json:"by,omitempty"`
	Note string `json:"note,omitempty"`
	// Changes are the differences from the version before, sorted by path. What is secret is masked.
	Changes []Change `json:"changes,omitempty"`
	// Document is what is in force: what was set, and the values of the configuration for the rest. What is
	// secret is masked.
	Document Document `json:"document"`
	// Set is what was set alone, masked too.
	Set Document `json:"set"`
}

// Change is a field that changed. Before and After are JSON; nil is a field that was not set, or is not any more.
type Change struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Editor is who makes a change. Name goes into the history. Note is what they say of it, at most 500 characters.
type Editor struct{ Name, Note string }

// KeyKind says which access key is meant.
type KeyKind string

const (
	Primary   KeyKind = "Primary"
	Secondary KeyKind = "Secondary"
	// Salt is accepted as Azure accepts it. Both keys stay.
	Salt KeyKind = "Salt"
)

// ParseKeyKind reads the name of a kind in any letter case. The error is an *InvalidError of keyType.
func ParseKeyKind(text string) (KeyKind, error) {
	for _, kind := range []KeyKind{Primary, Secondary, Salt} {
		if equalFold(text, string(kind)) {
			return kind, nil
		}
	}
	return "", invalid("keyType", "must be Primary, Secondary or Salt")
}

// Keys are the access keys in force, and connection strings with them. Secondary is "" if there is none.
type Keys struct {
	Primary, Secondary                                 secret.Text
	PrimaryConnectionString, SecondaryConnectionString secret.Text
}
