package upstream

import (
	"encoding/json"
	"fmt"
	"time"
)

// DeadReason is why an event became a dead letter. The list is closed.
type DeadReason string

const (
	// DeadRefused: the webhook answered with a status that trying again does not change.
	DeadRefused DeadReason = "refused"
	// DeadExpired: it was tried for as long as it may be.
	DeadExpired DeadReason = "expired"
	// DeadGuarded: the URL leads to an address that webhooks must not call.
	DeadGuarded DeadReason = "guarded"
	// DeadUnmatched: no template takes it any more.
	DeadUnmatched DeadReason = "no_template"
	// DeadPanic: a fault of the gateway.
	DeadPanic DeadReason = "fault"
)

// DeadReasons lists every DeadReason, for metrics that start at zero.
var DeadReasons = []DeadReason{DeadRefused, DeadExpired, DeadGuarded, DeadUnmatched, DeadPanic}

// maxAnswer bounds what a dead letter has of the last answer, in bytes.
const maxAnswer = 1 << 10

// Letter is a dead letter.
type Letter struct {
	// Event is the event's id, Name its name: connected, disconnected or the method.
	Event      string `json:"event"`
	Connection string `json:"connection"`
	Hub        string `json:"hub"`
	User       string `json:"user,omitempty"`
	Category   string `json:"category"`
	Name       string `json:"name"`
	// Since is when the event happened, Died when it was given up.
	Since time.Time `json:"since"`
	Died  time.Time `json:"died"`
	Last
	// Record is all that is needed to deliver the event; nil if it is not at hand. It is stored beside the letter;
	// former programs have written it here.
	Record []byte `json:"record,omitempty"`
}

// Last is what is known of the last attempt.
type Last struct {
	Reason DeadReason `json:"reason"`
	// Attempts is how many there were, but for those that a node that died had not noted yet.
	Attempts int    `json:"attempts"`
	Result   Result `json:"result,omitempty"`
	Status   int    `json:"status,omitempty"`
	Detail   string `json:"detail,omitempty"`
	// Answer is the beginning of the body.
	Answer string `json:"answer,omitempty"`
}

// ParseLetter reads a dead letter from its text and the record that was stored beside it, which may be nil.
func ParseLetter(text, record []byte) (*Letter, error) {
	l := new(Letter)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("a dead letter cannot be read: %w", err)
	}
	if record != nil {
		l.Record = record
	}
	if l.Record == nil {
		return l, nil
	}
	if _, _, _, err := parseDelivery(l.Record); err != nil {
		return nil, err
	}
	return l, nil
}

// Waiting describes an event of the outbox by its record.
func Waiting(record []byte) (*Letter, error) {
	d, e, since, err := parseDelivery(record)
	if err != nil {
		return nil, err
	}
	return newLetter(&d.id, &e, since), nil
}

// Fresh is the record of a letter as if the event happened now: it is tried for as long as a new one.
func (l *Letter) Fresh(now time.Time) ([]byte, error) {
	d, e, _, err := parseDelivery(l.Record)
	if err != nil {
		return nil, err
	}
	return appendDelivery(nil, &d.id, &e, now), nil
}

// Body is the body of the event, nil if it is not at hand. MessagePack is shown as JSON.
func (l *Letter) Body() []byte {
	if l.Record == nil {
		return nil
	}
	_, e, _, err := parseDelivery(l.Record)
	if err != nil {
		return nil
	}
	return Readable(e.protocol, e.body)
}

// text is the letter as it is stored, without the record.
func (l *Letter) text() []byte {
	told := *l
	told.Record = nil
	text, err := json.Marshal(&told)
	if err != nil {
		panic(err) // Strings, numbers and times always marshal.
	}
	return text
}
