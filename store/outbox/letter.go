package outbox

import (
	"errors"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/packed"
)

// Letter is a dead letter: what is told of a delivery, and the delivery's record.
type Letter struct {
	Number uint64
	Text   []byte
	// Record is nil in lists if it is large, and if it is not kept.
	Record []byte
	// Size is how large the record is, in bytes; 0: it was too large to be kept.
	Size int
	// key names the parts of a record that is not in the letter itself.
	key string
}

const (
	letterFormat = 1
	letterFields = 5
	// maxLetter bounds what is stored as one letter, in bytes, as the engine does.
	maxLetter = 960 << 10
	// letterRoom is what a letter takes beside its text and its record, at most.
	letterRoom = 1 << 10
	// MaxText bounds the text of a letter, in bytes: a delivery of which more was told would not die.
	MaxText = maxLetter - letterRoom
)

// errLetter is the error for what is no dead letter.
var errLetter = errors.New("a dead letter cannot be read")

// append writes a letter: a MessagePack array of format, text, the record if it is in the letter, the key of its
// parts if it is not, and its size.
func (l *Letter) append(dst []byte) []byte {
	dst = msgp.AppendArrayHeader(dst, letterFields)
	dst = msgp.AppendInt(dst, letterFormat)
	dst = msgp.AppendBytes(dst, l.Text)
	dst = msgp.AppendBytes(dst, l.Record)
	dst = msgp.AppendString(dst, l.key)
	return msgp.AppendInt(dst, l.Size)
}

// parseLetter reads a letter. A text in JSON is one of a former program, which has its record in it. What it
// returns does not share the text.
func parseLetter(text []byte) (Letter, error) {
	if len(text) > 0 && text[0] == '{' {
		return Letter{Text: append([]byte(nil), text...)}, nil
	}
	p := packed.Reader{Rest: text}
	p.Format(letterFormat, letterFields)
	l := Letter{Text: p.Bytes(), Record: p.Bytes(), key: packed.Read(&p, msgp.ReadStringBytes), Size: packed.Read(&p, msgp.ReadIntBytes)}
	switch {
	case p.Err != nil:
	case l.Size < 0 || l.Size > MaxRecord:
		p.Err = fmt.Errorf("a record of %d bytes", l.Size)
	case l.key == "" && len(l.Record) != l.Size:
		p.Err = fmt.Errorf("a record of %d bytes that has %d", l.Size, len(l.Record))
	}
	if p.Err != nil {
		return Letter{}, fmt.Errorf("%w: %w", errLetter, p.Err)
	}
	if len(l.Record) == 0 {
		l.Record = nil
	}
	return l, nil
}
