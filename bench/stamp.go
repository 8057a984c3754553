package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"time"
)

// A payload begins with a stamp, so that a receiver can tell which message it
// is and how old: marker (prefix and the run's nonce), slot, time, in hex.
const (
	markerPrefix = "hgb:"
	nonceLength  = 8
	slotLength   = 4
	stampLength  = 16
)

// stamper makes and reads the stamps of one run.
type stamper struct {
	marker []byte
	start  time.Time
}

func newStamper() *stamper {
	var nonce [nonceLength / 2]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return &stamper{marker: hex.AppendEncode([]byte(markerPrefix), nonce[:]), start: time.Now()}
}

// appendPayload appends a payload of the given length, stamped with slot and now.
func (s *stamper) appendPayload(dst []byte, slot, length int) []byte {
	end := len(dst) + length
	dst = append(dst, s.marker...)
	dst = appendHex(dst, uint64(slot), slotLength)
	dst = appendHex(dst, uint64(time.Since(s.start)), stampLength)
	for len(dst) < end {
		dst = append(dst, 'x')
	}
	return dst
}

// read finds a stamp in the head of a record.
func (s *stamper) read(head []byte) (slot int, age time.Duration, ok bool) {
	i := bytes.Index(head, s.marker)
	if i < 0 {
		return 0, 0, false
	}
	head = head[i+len(s.marker):]
	if len(head) < slotLength+stampLength {
		return 0, 0, false
	}
	v, ok := parseHex(head[:slotLength])
	sent, ok2 := parseHex(head[slotLength : slotLength+stampLength])
	return int(v), time.Since(s.start) - time.Duration(sent), ok && ok2
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&0xf])
	}
	return dst
}

func parseHex(p []byte) (v uint64, ok bool) {
	for _, c := range p {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
