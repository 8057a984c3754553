package serviceprotocol

// MaxFrame is the largest length that a prefix may announce, in bytes.
const MaxFrame = 1<<31 - 1

// maxPrefix is how many bytes a length prefix may have.
const maxPrefix = 5

// Cut takes the first body off b: the bytes of one message without the length prefix. A nil
// body without an error means that the body is not complete yet; rest is then b. ErrTooLarge
// is returned for a body of more than max bytes, as soon as the prefix says so, and
// ErrMalformed for a prefix of more than five bytes or over MaxFrame. After an error the
// stream cannot be read any further. The results alias b, and nothing is allocated. The
// bounds of WebSocket messages do not matter: b may end anywhere (H14, H15).
func Cut(b []byte, max int) (body, rest []byte, err error) {
	var length uint64
	for i := 0; i < len(b); i++ {
		length |= uint64(b[i]&0x7f) << (7 * i)
		// Groups to come only add to the length.
		if length > MaxFrame {
			return nil, b, ErrMalformed
		}
		if max < 0 || length > uint64(max) {
			return nil, b, ErrTooLarge
		}
		if b[i] < 0x80 {
			start := i + 1
			if uint64(len(b)-start) < length {
				return nil, b, nil
			}
			end := start + int(length)
			return b[start:end:end], b[end:], nil
		}
		if i == maxPrefix-1 {
			return nil, b, ErrMalformed
		}
	}
	return nil, b, nil
}

// AppendFrame appends a body as it is, with its length prefix. It serves to forward a
// message without parsing it, or to echo one.
func AppendFrame(dst, body []byte) []byte {
	return append(appendPrefix(dst, len(body)), body...)
}

func appendPrefix(dst []byte, length int) []byte {
	for rest := uint64(length); ; rest >>= 7 {
		if rest < 0x80 {
			return append(dst, byte(rest))
		}
		dst = append(dst, byte(rest)|0x80)
	}
}

// prefixSize is how many bytes the prefix of a body of length bytes has.
func prefixSize(length int) int {
	n := 1
	for rest := uint64(length) >> 7; rest > 0; rest >>= 7 {
		n++
	}
	return n
}
