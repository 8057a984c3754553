//go:build unix

package gateway

import (
	"bytes"
	"encoding/binary"

	"github.com/hubgate/hubgate/hubprotocol"
)

// modelClient is what the client says and hears.
type modelClient struct {
	protocol string
	// input is what it has to say and has not said. invoked are the numbers of its calls in it.
	input    []byte
	invoked  int
	early    int  // bytes said
	said     bool // everything it will ever say may be answered
	expected []string
	on       *modelTransport // from which it reads
	stream   []byte
	got      []string // what has come whole: answers, messages, "close"
	ended    bool     // the last batch has come
}

// arrived is what the client reads, if it still reads from the transport.
func (t *modelTransport) arrived(data []byte) {
	l := &t.c.client
	if l.on != t {
		return
	}
	letter := t.framing().letter
	l.stream = append(l.stream, data...)
	for len(l.stream) >= 5 {
		n := 5 + int(binary.BigEndian.Uint32(l.stream[1:]))
		if len(l.stream) < n && (l.stream[0] == letter || l.stream[0] == letter-'H'+'h') {
			return
		}
		switch l.stream[0] {
		case letter:
			l.got = append(l.got, l.read(l.stream[5:n]))
		case letter - 'H' + 'h':
		default:
			l.got = append(l.got, "a broken stream")
			l.stream = nil
			return
		}
		l.stream = l.stream[n:]
	}
}

// read names a record.
func (l *modelClient) read(record []byte) string {
	if l.protocol == modelMarked {
		return l.readMarked(record)
	}
	switch {
	case len(l.got) == 0 && string(record) == "{}\x1e":
		return "answer"
	case len(l.got) == 0:
		return "refusal"
	}
	_, body, _, err := hubprotocol.Cut(l.protocol, record, 1<<20)
	if err != nil || body == nil {
		return "broken"
	}
	peeked, err := hubprotocol.Peek(l.protocol, body)
	switch {
	case err != nil:
		return "broken"
	case peeked.Type == hubprotocol.Ping:
		return "ping"
	case peeked.Type == hubprotocol.Close:
		return "close"
	}
	return modelKey(body)
}

// modelKey finds the number in a message.
func modelKey(record []byte) string {
	if i := bytes.Index(record, []byte("#m")); i >= 0 && i+8 <= len(record) {
		return string(record[i : i+8])
	}
	return "completion"
}
