// Package streamtest has the messages of a stream in memory, for tests of what is written to one.
package streamtest

import (
	"slices"
	"strings"

	"github.com/hubgate/hubgate/store/stream"
)

// Messages are those of a stream. Whoever has them guards them, and decides what goes wrong.
type Messages struct {
	All []stream.Message
	// Newest is the sequence of the last message that was ever written.
	Newest uint64
}

// Last returns the last message of a subject. The error is stream.ErrNotFound.
func (m *Messages) Last(subject string) (stream.Message, error) {
	for _, one := range slices.Backward(m.All) {
		if one.Subject == subject {
			return one, nil
		}
	}
	return stream.Message{}, stream.ErrNotFound
}

// Next returns the first message from a sequence on whose subject the filter takes: a subject, or what it begins with and a
// star. The error is stream.ErrNotFound.
func (m *Messages) Next(filter string, from uint64) (stream.Message, error) {
	prefix, many := strings.CutSuffix(filter, "*")
	for _, one := range m.All {
		if one.Sequence >= from && (one.Subject == filter || many && strings.HasPrefix(one.Subject, prefix)) {
			return one, nil
		}
	}
	return stream.Message{}, stream.ErrNotFound
}

// Follows returns stream.ErrConflict unless the last message of a subject has the sequence, 0 for none.
func (m *Messages) Follows(subject string, sequence uint64) error {
	if last, _ := m.Last(subject); last.Sequence != sequence {
		return stream.ErrConflict
	}
	return nil
}

// Put appends a message, of which it keeps a copy, and returns its sequence.
func (m *Messages) Put(subject string, data []byte) uint64 {
	m.Newest++
	m.All = append(m.All, stream.Message{Subject: subject, Data: slices.Clone(data), Sequence: m.Newest})
	return m.Newest
}

// PurgeBefore removes the messages of a subject that are older than a sequence.
func (m *Messages) PurgeBefore(subject string, sequence uint64) {
	m.All = slices.DeleteFunc(m.All, func(one stream.Message) bool { return one.Subject == subject && one.Sequence < sequence })
}
