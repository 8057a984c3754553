package hubprotocol

import "bytes"

// maxPrefix is how many bytes the length prefix of a binary record may have, and
// maxLength the greatest length that it may say (C73).
const (
	maxPrefix = 5
	maxLength = 1<<31 - 1
)

// Cut cuts the first record off b: frame is the record with its framing, body the
// record without it. A nil frame without error means that the record is not complete.
// ErrTooLarge is returned for a body of more than max bytes, for binary protocols as
// soon as the length prefix says so, for JSON as soon as more than max bytes have no
// separator; ErrMalformed for a prefix longer than five bytes or over 2^31-1 (C73);
// ErrProtocol for a protocol whose framing is not known. After an error the
// connection cannot be read any further. The results share b's memory and nothing is
// allocated. A negative max counts as 0.
func Cut(protocol string, b []byte, max int) (frame, body, rest []byte, err error) {
	if max < 0 {
		max = 0
	}
	switch protocol {
	case JSON:
		return cutJSON(b, max)
	case MessagePack, BlazorPack:
		return cutPrefixed(b, max)
	}
	return nil, nil, b, ErrProtocol
}

func cutJSON(b []byte, max int) (frame, body, rest []byte, err error) {
	window := b
	if len(window)-1 > max {
		window = window[:max+1]
	}
	end := bytes.IndexByte(window, RecordSeparator)
	if end < 0 {
		if len(b) > max {
			return nil, nil, b, ErrTooLarge
		}
		return nil, nil, b, nil
	}
	return b[: end+1 : end+1], b[:end:end], b[end+1:], nil
}

func cutPrefixed(b []byte, max int) (frame, body, rest []byte, err error) {
	var length uint64
	for i := 0; i < len(b); i++ {
		length |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return cutLength(b, i+1, length, max)
		}
		if i == maxPrefix-1 {
			return nil, nil, b, ErrMalformed
		}
		// The groups to come only add to the length.
		if length > uint64(max) {
			return nil, nil, b, ErrTooLarge
		}
	}
	return nil, nil, b, nil
}

func cutLength(b []byte, start int, length uint64, max int) (frame, body, rest []byte, err error) {
	if length > maxLength {
		return nil, nil, b, ErrMalformed
	}
	if length > uint64(max) {
		return nil, nil, b, ErrTooLarge
	}
	if uint64(len(b)-start) < length {
		return nil, nil, b, nil
	}
	end := start + int(length)
	return b[:end:end], b[start:end:end], b[end:], nil
}

// openFrame leaves room for the shortest length prefix; closeFrame, given the index
// that openFrame returned, writes the prefix and moves the body if it needs more room.
func openFrame(dst []byte) ([]byte, int) {
	return append(dst, 0), len(dst)
}

func closeFrame(dst []byte, at int) []byte {
	length := len(dst) - at - 1
	var prefix [maxPrefix]byte
	n := 0
	for rest := length; ; rest >>= 7 {
		prefix[n] = byte(rest & 0x7f)
		n++
		if rest < 0x80 {
			break
		}
		prefix[n-1] |= 0x80
	}
	dst = widen(dst, at, n)
	copy(dst[at:], prefix[:n])
	return dst
}

// widen makes room for a header of n bytes where one byte was reserved at index at,
// moving what follows. Containers and records whose size is only known at their end
// are so written in one pass; most need no move.
func widen(dst []byte, at, n int) []byte {
	if n == 1 {
		return dst
	}
	var room [maxPrefix]byte
	end := len(dst)
	dst = append(dst, room[:n-1]...)
	copy(dst[at+n:], dst[at+1:end])
	return dst
}
