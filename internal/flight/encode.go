package flight

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
	"unicode/utf8"
)

// maxText bounds every text of an event but the payload, in bytes.
const maxText = 256

// MaxPayload bounds the payload that an event keeps, in bytes.
const MaxPayload = 1 << 10

// maxEvent bounds an event in its kept form. It is more than all of its parts together can be.
const maxEvent = 16 << 10

// Cut returns the first bytes of a text, so many at most. It does not cut through a character.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	at := most
	for at > 0 && most-at < utf8.UTFMax-1 && !utf8.RuneStart(text[at]) {
		at--
	}
	if !utf8.RuneStart(text[at]) {
		at = most // it is no UTF-8
	}
	return text[:at]
}

// CutText is how events keep a name, or another text but the payload: names are compared in this form.
func CutText(text string) string { return Cut(text, maxText) }

var errMalformed = errors.New("flight: malformed event")

// texts are the places of the texts of an event, in the order in which they are kept.
func (e *Event) texts() [16]*string {
	return [...]*string{
		&e.Hub, &e.User, &e.Connection, &e.Group, &e.Trace, &e.By, &e.To, &e.Method, &e.Reason, &e.Text,
		&e.Transport, &e.Protocol, &e.Remote, &e.URL, &e.Server, &e.Payload,
	}
}

// numbers are the places of the numbers of an event, likewise.
func (e *Event) numbers() [4]*int { return [...]*int{&e.More, &e.Type, &e.Bytes, &e.Status} }

// append appends the kept form of the event: what is empty takes no room but a bit.
func (e *Event) append(dst []byte) []byte {
	texts, numbers := e.texts(), e.numbers()
	var present uint32
	for i, t := range texts {
		if *t != "" {
			present |= 1 << i
		}
	}
	for i, n := range numbers {
		if *n != 0 {
			present |= 1 << (len(texts) + i)
		}
	}
	const lists = len(texts) + len(numbers)
	flags := [...]bool{len(e.Names) > 0, e.Fate != nil, len(e.Receivers) > 0, e.Took > 0}
	for i, there := range flags {
		if there {
			present |= 1 << (lists + i)
		}
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Time.UnixNano()))
	dst = append(dst, byte(slices.Index(Kinds, e.Kind)), byte(slices.Index(Whats, e.What)))
	dst = binary.BigEndian.AppendUint32(dst, present)
	for i, t := range texts {
		if most := maxText; *t != "" {
			if i == len(texts)-1 {
				most = MaxPayload + len("…")
			}
			dst = appendText(dst, Cut(*t, most))
		}
	}
	for _, n := range numbers {
		if *n != 0 {
			dst = binary.AppendUvarint(dst, uint64(*n))
		}
	}
	if flags[0] {
		names := e.Names[:min(len(e.Names), MaxNames)]
		dst = append(dst, byte(len(names)))
		for _, name := range names {
			dst = appendText(dst, CutText(name))
		}
	}
	if flags[1] {
		for _, n := range e.Fate.numbers() {
			dst = binary.AppendUvarint(dst, uint64(*n))
		}
	}
	if flags[2] {
		dst = appendReceivers(dst, e.Receivers[:min(len(e.Receivers), MaxNames)])
	}
	if flags[3] {
		dst = binary.AppendUvarint(dst, uint64(e.Took))
	}
	return dst
}

func (f *Fate) numbers() [4]*int { return [...]*int{&f.Matched, &f.Written, &f.Queued, &f.Dropped} }

func (r *Receiver) texts() [4]*string {
	return [...]*string{&r.Connection, &r.User, &r.Fate, &r.Reason}
}

func appendReceivers(dst []byte, list []Receiver) []byte {
	dst = append(dst, byte(len(list)))
	for i := range list {
		for _, t := range list[i].texts() {
			dst = appendText(dst, CutText(*t))
		}
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// reader reads what append wrote.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() string { return string(r.take(r.number())) }

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// parse reads the kept form of an event, all of data.
func (e *Event) parse(data []byte) error {
	r := reader{rest: data}
	head := r.take(8 + 2 + 4)
	if r.bad || int(head[8]) >= len(Kinds) || int(head[9]) >= len(Whats) {
		return errMalformed
	}
	*e = Event{Time: time.Unix(0, int64(binary.BigEndian.Uint64(head))).UTC(), Kind: Kinds[head[8]], What: Whats[head[9]]}
	present := binary.BigEndian.Uint32(head[10:])
	next := func() bool {
		there := present&1 != 0
		present >>= 1
		return there
	}
	for _, t := range e.texts() {
		if next() {
			*t = r.text()
		}
	}
	for _, n := range e.numbers() {
		if next() {
			*n = int(r.number())
		}
	}
	if next() {
		for range min(int(r.byte()), MaxNames) {
			e.Names = append(e.Names, r.text())
		}
	}
	if next() {
		e.Fate = new(Fate)
		for _, n := range e.Fate.numbers() {
			*n = int(r.number())
		}
	}
	if next() {
		for range min(int(r.byte()), MaxNames) {
			var one Receiver
			for _, t := range one.texts() {
				*t = r.text()
			}
			e.Receivers = append(e.Receivers, one)
		}
	}
	if next() {
		e.Took = time.Duration(r.number())
	}
	if r.bad || present != 0 || len(r.rest) > 0 {
		return errMalformed
	}
	return nil
}
