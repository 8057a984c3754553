package transport

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	opContinuation = 0x0

	reservedBits = 0x70
	opcodeBits   = 0x0F
	maskBit      = 0x80
	lengthBits   = 0x7F

	// maxControl is the longest payload of a control frame.
	maxControl = 125
	// maxHeader is the longest header of a masked frame.
	maxHeader = 14
)

// violation is the close code for a client that broke the protocol of WebSockets.
type violation uint16

func (violation) Error() string { return "the client broke the WebSocket protocol" }

// frameReader takes apart what a client sends (RFC 6455, section 5). Bytes come in any pieces; it
// keeps none but those of an unfinished header or control frame, so that no length a client names
// costs memory. The zero value is at the start of a stream.
type frameReader struct {
	// left is how much of the frame's payload is still to come.
	left uint64
	// header is the unfinished header of the next frame.
	header [maxHeader]byte
	have   uint8
	// inside: a frame is under way. These describe it.
	inside bool
	final  bool
	opcode byte
	// key is the mask from the next byte on.
	key [4]byte
	// message is the opcode of the message under way, 0 between messages.
	message byte
	text    textChecker
	// control is the payload so far of a control frame that came in pieces.
	control []byte
}

// piece is something whole enough to act on.
type piece struct {
	// opcode is opText or opBinary for data, or that of a control frame. 0 is nothing.
	opcode byte
	// payload is data as far as it came, or the whole payload of a control frame. It is part of
	// what was read and valid until that is overwritten.
	payload []byte
	// final: the message ends with it.
	final bool
}

// next returns the first piece of b, unmasked where it lies, and how many bytes it took. Without a
// piece it has taken all. An error is a violation, or is of type peerClosed for a Close frame;
// nothing may be read after it.
func (f *frameReader) next(b []byte) (p piece, n int, err error) {
	if !f.inside {
		if n, err = f.readHeader(b); err != nil || !f.inside {
			return piece{}, n, err
		}
	}
	take := int(min(f.left, uint64(len(b)-n)))
	payload := b[n : n+take]
	n += take
	f.unmask(payload)
	f.left -= uint64(take)
	if f.left == 0 {
		f.inside = false
	}
	if f.opcode&0x8 != 0 {
		p, err = f.controlFrame(payload)
		return p, n, err
	}
	return f.data(payload), n, f.checkText(payload)
}

func (f *frameReader) data(payload []byte) piece {
	p := piece{f.message, payload, !f.inside && f.final}
	if p.final {
		f.message = 0
	}
	return p
}

// checkText sees to it that text is UTF-8; it is called after data.
func (f *frameReader) checkText(payload []byte) error {
	if !f.text.on {
		return nil
	}
	ends := f.message == 0
	valid := f.text.check(payload) && !(ends && f.text.pending > 0)
	f.text.on = !ends
	if !valid {
		return violation(closeInvalidText)
	}
	return nil
}

// readHeader takes what belongs to a frame's header and returns how much that was.
func (f *frameReader) readHeader(b []byte) (n int, err error) {
	header := b
	if f.have > 0 {
		n = copy(f.header[f.have:], b)
		header = f.header[:int(f.have)+n]
	}
	size, err := headerSize(header)
	if err == nil && len(header) >= 2 {
		err = f.checkHeader(header[0], header[1])
	}
	if err != nil {
		return 0, err
	}
	if len(header) < size {
		if f.have == 0 {
			n = copy(f.header[:], b)
		}
		f.have += uint8(n)
		return n, nil
	}
	n = size - int(f.have)
	f.have = 0
	return n, f.begin(header[:size])
}

// headerSize returns how long a header is that starts with b, as far as b tells.
func headerSize(b []byte) (int, error) {
	if len(b) < 2 {
		return 2, nil
	}
	if b[1]&maskBit == 0 {
		return 0, violation(closeProtocolError)
	}
	switch b[1] & lengthBits {
	case 126:
		return 2 + 2 + 4, nil
	case 127:
		return 2 + 8 + 4, nil
	}
	return 2 + 4, nil
}

// checkHeader checks the first two bytes of a header. What can be refused is refused before the
// rest has come.
func (f *frameReader) checkHeader(first, second byte) error {
	opcode, final, length := first&opcodeBits, first&finalBit != 0, second&lengthBits
	ok := first&reservedBits == 0
	switch opcode {
	case opContinuation:
		ok = ok && f.message != 0
	case opText, opBinary:
		ok = ok && f.message == 0
	case opClose, opPing, opPong:
		ok = ok && final && length <= maxControl
	default:
		ok = false
	}
	if !ok {
		return violation(closeProtocolError)
	}
	return nil
}

// begin starts a frame whose header is complete.
func (f *frameReader) begin(header []byte) error {
	f.opcode, f.final = header[0]&opcodeBits, header[0]&finalBit != 0
	switch length := header[1] & lengthBits; length {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(header[2:]))
	case 127:
		if f.left = binary.BigEndian.Uint64(header[2:]); f.left>>63 != 0 {
			return violation(closeProtocolError)
		}
	default:
		f.left = uint64(length)
	}
	copy(f.key[:], header[len(header)-4:])
	f.inside = true
	if f.opcode == opText || f.opcode == opBinary {
		f.message = f.opcode
		f.text = textChecker{on: f.opcode == opText}
	}
	return nil
}

// controlFrame returns a control frame once it is whole.
func (f *frameReader) controlFrame(payload []byte) (piece, error) {
	if f.inside || len(f.control) > 0 {
		f.control = append(f.control, payload...)
		payload = f.control
	}
	if f.inside {
		return piece{}, nil
	}
	f.control = nil
	if f.opcode == opClose {
		return piece{}, closeFrame(payload)
	}
	return piece{opcode: f.opcode, payload: payload}, nil
}

// unmask decodes a part of the payload, eight bytes at a time.
func (f *frameReader) unmask(b []byte) {
	key := uint64(binary.LittleEndian.Uint32(f.key[:]))
	key |= key << 32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^key)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= f.key[i%4]
	}
	if turn := len(b) % 4; turn != 0 {
		k := f.key
		for i := range k {
			f.key[i] = k[(i+turn)%4]
		}
	}
}

// peerClosed is the error of a stream that ended with a Close frame.
type peerClosed struct{}

func (peerClosed) Error() string { return "the client has closed the WebSocket" }

// closeFrame is what the payload of a Close frame means: peerClosed, or a violation.
func closeFrame(payload []byte) error {
	switch {
	case len(payload) == 0:
		return peerClosed{}
	case len(payload) == 1 || !validCloseCode(binary.BigEndian.Uint16(payload)):
		return violation(closeProtocolError)
	case !utf8.Valid(payload[2:]):
		return violation(closeInvalidText)
	}
	return peerClosed{}
}

// validCloseCode reports whether a Close frame may have the code (section 7.4, and what was
// registered since).
func validCloseCode(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// textChecker sees whether a text that comes in pieces is UTF-8.
type textChecker struct {
	on bool
	// begun is the start of a character that the last piece did not end, pending its length.
	begun   [utf8.UTFMax]byte
	pending uint8
}

func (c *textChecker) check(b []byte) bool {
	for c.pending > 0 && len(b) > 0 {
		c.begun[c.pending] = b[0]
		c.pending++
		b = b[1:]
		if begun := c.begun[:c.pending]; utf8.FullRune(begun) {
			if r, size := utf8.DecodeRune(begun); r == utf8.RuneError && size <= 1 {
				return false
			}
			c.pending = 0
		}
	}
	// At most three bytes belong to a character that is not complete.
	for tail := 1; tail < utf8.UTFMax && tail <= len(b); tail++ {
		last := b[len(b)-tail:]
		if !utf8.RuneStart(last[0]) {
			continue
		}
		if !utf8.FullRune(last) {
			c.pending = uint8(copy(c.begun[:], last))
			b = b[:len(b)-tail]
		}
		break
	}
	return utf8.Valid(b)
}
