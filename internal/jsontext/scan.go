// Package jsontext is the grammar of JSON, for packages that pass JSON on without decoding it: where
// a value ends, and the escapes of strings. Nothing in it allocates but what it appends.
package jsontext

import (
	"encoding/binary"
	"math/bits"
)

// MaxDepth is how many arrays and objects may be open at once.
const MaxDepth = 64

// The scanner below checks the grammar of RFC 8259 and the depth; whether the bytes
// are UTF-8 is for its callers to check, once for a whole record.

// SkipSpace returns the index of the first byte at or behind i that is no white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// ScanString returns the index behind the string whose opening quote is b[i], or -1,
// and whether the string contains escapes.
func ScanString(b []byte, i int) (end int, escaped bool) {
	for i++; ; {
		i = skipPlain(b, i)
		if i >= len(b) || b[i] < ' ' {
			return -1, escaped
		}
		if b[i] == '"' {
			return i + 1, escaped
		}
		escaped = true
		if i+1 >= len(b) {
			return -1, true
		}
		switch b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if _, ok := hex4(b, i+2); !ok {
				return -1, true
			}
			i += 6
		default:
			return -1, true
		}
	}
}

// skipPlain returns the index of the first quote, backslash or control character at
// or behind i. It tests eight bytes at once: strings are most of what clients send.
func skipPlain(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		hits := ((w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
		if hits != 0 {
			// Borrows only disturb bytes above the lowest hit, so that one is exact.
			return i + bits.TrailingZeros64(hits)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// IsDigit reports whether c is one of 0 to 9.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(b []byte, i int) int {
	for i < len(b) && IsDigit(b[i]) {
		i++
	}
	return i
}

// ScanNumber returns the index behind the number that starts at b[i], or -1, and
// whether it is written as an integer.
func ScanNumber(b []byte, i int) (end int, integer bool) {
	if b[i] == '-' {
		i++
	}
	if i >= len(b) || !IsDigit(b[i]) {
		return -1, false
	}
	if b[i] == '0' {
		i++
	} else {
		i = skipDigits(b, i)
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		integer = false
		if i++; i >= len(b) || !IsDigit(b[i]) {
			return -1, false
		}
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		integer = false
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i >= len(b) || !IsDigit(b[i]) {
			return -1, false
		}
		i = skipDigits(b, i)
	}
	return i, integer
}

// ScanLiteral returns the index behind the literal (true, false, null) if it stands at b[i], else -1.
func ScanLiteral(b []byte, i int, literal string) int {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return -1
	}
	return i + len(literal)
}

// ScanScalar returns the index behind the value at b[i] if it is a well-formed text, number or literal,
// else -1.
func ScanScalar(b []byte, i int) int {
	end := -1
	switch c := b[i]; {
	case c == '"':
		end, _ = ScanString(b, i)
	case c == '-' || IsDigit(c):
		end, _ = ScanNumber(b, i)
	case c == 't':
		end = ScanLiteral(b, i, "true")
	case c == 'f':
		end = ScanLiteral(b, i, "false")
	case c == 'n':
		end = ScanLiteral(b, i, "null")
	}
	return end
}

// ScanKey returns the index behind a member's name and its colon, or -1.
func ScanKey(b []byte, i int) int {
	if i = SkipSpace(b, i); i >= len(b) || b[i] != '"' {
		return -1
	}
	if i, _ = ScanString(b, i); i < 0 {
		return -1
	}
	if i = SkipSpace(b, i); i >= len(b) || b[i] != ':' {
		return -1
	}
	return i + 1
}

// ScanValue returns the index behind the value that starts at or behind b[i], or -1
// if there is none or more than MaxDepth containers are open, depth of which are open
// around the value already.
func ScanValue(b []byte, i, depth int) int {
	outer := depth
	var objects uint64 // the lowest bit says whether the innermost container is an object
	for {
		if i = SkipSpace(b, i); i >= len(b) {
			return -1
		}
		if c := b[i]; c == '{' || c == '[' {
			if depth == MaxDepth {
				return -1
			}
			depth++
			objects = objects<<1 | uint64(c>>5&1)
			if i = SkipSpace(b, i+1); i >= len(b) {
				return -1
			}
			if b[i] != c+2 { // ']' and '}' stand two places behind '[' and '{'
				if c == '{' {
					if i = ScanKey(b, i); i < 0 {
						return -1
					}
				}
				continue
			}
		} else if i = ScanScalar(b, i); i < 0 || depth == outer {
			return i
		}
		// b[i] ends an empty container, or a value inside of one was just read.
		if i, depth = closeContainers(b, i, depth, outer, &objects); i < 0 || depth == outer {
			return i
		}
	}
}

// closeContainers reads closing brackets up to the comma behind which the next value
// is expected, or until depth has come down to outer.
func closeContainers(b []byte, i, depth, outer int, objects *uint64) (int, int) {
	for depth > outer {
		if i = SkipSpace(b, i); i >= len(b) {
			return -1, depth
		}
		object := *objects&1 == 1
		switch {
		case b[i] == ',' && object:
			return ScanKey(b, i+1), depth
		case b[i] == ',':
			return i + 1, depth
		case b[i] == '}' && object, b[i] == ']' && !object:
			i++
			depth--
			*objects >>= 1
		default:
			return -1, depth
		}
	}
	return i, depth
}

// SkipLoosely is ScanValue for bytes that somebody else is going to check: it finds
// the end of a value by brackets, quotes and commas only.
func SkipLoosely(b []byte, i int) int {
	if i = SkipSpace(b, i); i >= len(b) {
		return -1
	}
	if b[i] == '"' {
		i, _ = ScanString(b, i)
		return i
	}
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i, _ = ScanString(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}
