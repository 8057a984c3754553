//go:build unix

package gateway

import (
	"bytes"
	"encoding/binary"
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
	// numbers are there if the client has stateful reconnect.
	numbers *modelNumbers
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
			record := l.stream[5:n]
			if l.numbers == nil {
				l.got = append(l.got, l.read(record))
			} else if name := t.c.readNumbered(record); name != "" {
				l.got = append(l.got, name)
			}
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
	return l.readPlain(record)
}

// modelKey finds the number in a message.
func modelKey(record []byte) string {
	if i := bytes.Index(record, []byte("#m")); i >= 0 && i+8 <= len(record) {
		return string(record[i : i+8])
	}
	return "completion"
}
