package management

import (
	"sync"

	"github.com/hubgate/hubgate/secret"
)

// Node is the gateway that settings are put in force on. Its methods may be called concurrently.
type Node interface {
	// Check says whether a record could be put in force. The error is an *InvalidError.
	Check(r Record) error
	// Enforce puts a record in force here. Other nodes learn of it from the store.
	Enforce(r Record) error
	// Document is what the configuration gives, with what is set over it.
	Document(set Document) Document
	// Keys are the keys in force.
	Keys() Keys
}

// fakeNode takes everything and does nothing.
type fakeNode struct {
	mu   sync.Mutex
	last Record
}

func (*fakeNode) Check(Record) error { return nil }

func (n *fakeNode) Enforce(r Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = r
	return nil
}

func (*fakeNode) Document(set Document) Document { return set }

func (n *fakeNode) Keys() Keys {
	n.mu.Lock()
	defer n.mu.Unlock()
	keys := Keys{Primary: secret.EmulatorKey}
	if key := n.last.PrimaryKey.Text(); key != "" {
		keys.Primary = key
	}
	keys.Secondary = n.last.SecondaryKey.Text()
	connect := func(key secret.Text) secret.Text {
		if key == "" {
			return ""
		}
		return "Endpoint=http://localhost;Port=8888;AccessKey=" + key + ";Version=1.0;"
	}
	keys.PrimaryConnectionString, keys.SecondaryConnectionString = connect(keys.Primary), connect(keys.Secondary)
	return keys
}
