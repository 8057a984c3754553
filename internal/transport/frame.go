package transport

import (
	"encoding/binary"

	"github.com/hubgate/hubgate/gateway"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA

	finalBit = 0x80
)

// Close codes of RFC 6455, section 7.4.1.
const (
	closeNormal        = 1000
	closeProtocolError = 1002
	closeInvalidText   = 1007
	closeInternalError = 1011
)

// maxMessageBytes is how far queued records are joined into one WebSocket
// message (D16): some clients close above 1 MiB.
const maxMessageBytes = 64 << 10

// Framings of WebSockets. They write messages unmasked, as servers send them, and copy frames that
// are framed already between messages as they are.
var (
	// Text and Binary join records into messages of up to 64 KB (D16). A record is never split
	// over two messages (C34).
	Text   gateway.Framing = framing{opText}
	Binary gateway.Framing = framing{opBinary}
	// TextEach makes a text message of each record.
	TextEach gateway.Framing = textEach{}
)

// framing writes messages of one opcode. Equal values produce equal bytes.
type framing struct{ opcode byte }

// AppendFrames implements gateway.Framing.
func (f framing) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for len(records) > 0 {
		if records[0].Framed() {
			dst = append(dst, records[0].Bytes...)
			records = records[1:]
			continue
		}
		n, size := 0, 0
		for n < len(records) && !records[n].Framed() && (n == 0 || size+len(records[n].Bytes) <= maxMessageBytes) {
			size += len(records[n].Bytes)
			n++
		}
		if size > 0 {
			dst = appendFrameHeader(dst, f.opcode, size)
		}
		for _, r := range records[:n] {
			dst = append(dst, r.Bytes...)
		}
		records = records[n:]
	}
	return dst
}

type textEach struct{}

// AppendFrames implements gateway.Framing.
func (textEach) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		if !r.Framed() {
			dst = appendFrameHeader(dst, opText, len(r.Bytes))
		}
		dst = append(dst, r.Bytes...)
	}
	return dst
}

// appendFrameHeader appends the header of a final frame with a payload of the given size.
func appendFrameHeader(dst []byte, opcode byte, size int) []byte {
	dst = append(dst, finalBit|opcode)
	switch {
	case size <= 125:
		return append(dst, byte(size))
	case size <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(size))
}

// appendCloseFrame appends a Close frame without a reason: the Close record
// before it says more than the 123 bytes of one could.
func appendCloseFrame(dst []byte, code uint16) []byte {
	return binary.BigEndian.AppendUint16(appendFrameHeader(dst, opClose, 2), code)
}
