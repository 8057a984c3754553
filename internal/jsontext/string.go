package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// HasEscape reports whether the inside of a JSON string has escapes.
func HasEscape(raw []byte) bool { return bytes.IndexByte(raw, '\\') >= 0 }

// AppendUnescaped appends what the inside of a well-formed JSON string stands for.
// Half a surrogate pair becomes U+FFFD, and ok is then false.
func AppendUnescaped(dst, raw []byte) (plain []byte, ok bool) {
	ok = true
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...), ok
		}
		dst = append(dst, raw[:i]...)
		if raw[i+1] != 'u' {
			dst = append(dst, unescapeByte(raw[i+1]))
			raw = raw[i+2:]
			continue
		}
		r, _ := hex4(raw, i+2)
		raw = raw[i+6:]
		if utf16.IsSurrogate(r) {
			r = joinSurrogates(r, raw)
			if r == utf8.RuneError {
				ok = false
			} else {
				raw = raw[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// joinSurrogates returns the rune of which high is the first half, and the escape at
// the start of raw the second, or U+FFFD.
func joinSurrogates(high rune, raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return utf8.RuneError
	}
	low, _ := hex4(raw, 2)
	return utf16.DecodeRune(high, low)
}

func unescapeByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// AppendString appends s as a JSON string. Control characters are escaped, so a
// record separator cannot occur in it; bytes that are not UTF-8 become U+FFFD.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if size := runeSize(s, i); size > 0 {
				i += size
				continue
			}
		} else if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, "\uFFFD"...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// runeSize returns the length of the UTF-8 sequence at s[i], or 0 if there is none.
func runeSize[T string | []byte](s T, i int) int {
	var window [utf8.UTFMax]byte
	n := copy(window[:], s[i:min(len(s), i+utf8.UTFMax)])
	r, size := utf8.DecodeRune(window[:n])
	if r == utf8.RuneError && size == 1 {
		return 0
	}
	return size
}
