package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10

	maxControl     = 125
	maxFrameHeader = 10
)

// clientMask is the masking key of every frame a client sends. RFC 6455 wants
// unpredictable keys to protect proxies from what web pages send; there is
// neither here, and one key lets frames be made once.
var clientMask = [4]byte{0x68, 0x67, 0x62, 0x21}

// appendMasked appends one final frame from a client.
func appendMasked(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, clientMask[:]...)
	for i, b := range payload {
		dst = append(dst, b^clientMask[i&3])
	}
	return dst
}

// closedError is the Close frame of the server.
type closedError struct {
	code   uint16
	reason string
}

func (e *closedError) Error() string {
	if e.reason == "" {
		return fmt.Sprintf("closed by the server with code %d", e.code)
	}
	return fmt.Sprintf("closed by the server with code %d: %s", e.code, e.reason)
}

// frameReader takes a server's bytes apart, whatever their chunking, without
// keeping payloads. The zero value is ready.
type frameReader struct {
	// separate puts a record separator behind each data message, for protocols whose records
	// are messages.
	separate bool
	// lines makes the end of a line a record separator too, where the bytes lie.
	lines     bool
	header    [maxFrameHeader]byte
	filled    int
	opcode    byte
	remaining uint64
	inPayload bool
	control   []byte
}

var separator = []byte{recordSeparator}

// feed calls data with pieces of data messages and control with whole control
// frames, in order.
func (f *frameReader) feed(p []byte, data func(piece []byte), control func(opcode byte, payload []byte) error) error {
	for len(p) > 0 {
		if !f.inPayload {
			n, err := f.readHeader(p)
			if err != nil {
				return err
			}
			p = p[n:]
			if !f.inPayload || f.remaining > 0 {
				continue
			}
		}
		n := min(uint64(len(p)), f.remaining)
		piece := p[:n]
		p = p[n:]
		f.remaining -= n
		if f.opcode < opClose {
			if f.lines {
				separateLines(piece)
			}
			if len(piece) > 0 {
				data(piece)
			}
		} else {
			f.control = append(f.control, piece...)
		}
		if f.remaining > 0 {
			continue
		}
		f.inPayload = false
		if f.separate && f.opcode < opClose {
			data(separator)
		}
		if f.opcode >= opClose {
			if err := control(f.opcode, f.control); err != nil {
				return err
			}
			f.control = f.control[:0]
		}
	}
	return nil
}

// readHeader takes as much of a header from p as is there and returns how much.
func (f *frameReader) readHeader(p []byte) (int, error) {
	used := 0
	for used < len(p) {
		f.header[f.filled] = p[used]
		f.filled++
		used++
		if f.filled < 2 || f.filled < headerLength(f.header[1]) {
			continue
		}
		return used, f.startPayload()
	}
	return used, nil
}

func headerLength(second byte) int {
	switch second & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

func (f *frameReader) startPayload() error {
	if f.header[1]&0x80 != 0 {
		return errors.New("the server masked a frame")
	}
	f.opcode = f.header[0] & 0x0f
	switch f.header[1] & 0x7f {
	case 126:
		f.remaining = uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 127:
		f.remaining = binary.BigEndian.Uint64(f.header[2:])
	default:
		f.remaining = uint64(f.header[1] & 0x7f)
	}
	if f.opcode >= opClose && f.remaining > maxControl {
		return errors.New("the server sent a control frame over 125 bytes")
	}
	f.filled, f.inPayload = 0, true
	return nil
}

func parseClose(payload []byte) error {
	if len(payload) < 2 {
		return &closedError{code: 1005}
	}
	return &closedError{code: binary.BigEndian.Uint16(payload), reason: string(payload[2:])}
}

func separateLines(p []byte) {
	for i, b := range p {
		if b == '\n' {
			p[i] = recordSeparator
		}
	}
}
