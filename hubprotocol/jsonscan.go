package hubprotocol

import (
	"encoding/binary"
	"math/bits"
)

// The scanner below checks the grammar of RFC 8259 and the depth; whether the bytes
// are UTF-8 is for its callers to check, once for a whole record.

// skipSpace returns the index of the first byte at or behind i that is no white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// scanString returns the index behind the string whose opening quote is b[i], or -1,
// and whether the string contains escapes.
func scanString(b []byte, i int) (end int, escaped bool) {
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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// scanNumber returns the index behind the number that starts at b[i], or -1, and
// whether it is written as an integer.
func scanNumber(b []byte, i int) (end int, integer bool) {
	if b[i] == '-' {
		i++
	}
	if i >= len(b) || !isDigit(b[i]) {
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
		if i++; i >= len(b) || !isDigit(b[i]) {
			return -1, false
		}
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		integer = false
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i >= len(b) || !isDigit(b[i]) {
			return -1, false
		}
		i = skipDigits(b, i)
	}
	return i, integer
}

func scanLiteral(b []byte, i int, literal string) int {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return -1
	}
	return i + len(literal)
}

func scanScalar(b []byte, i int) int {
	end := -1
	switch c := b[i]; {
	case c == '"':
		end, _ = scanString(b, i)
	case c == '-' || isDigit(c):
		end, _ = scanNumber(b, i)
	case c == 't':
		end = scanLiteral(b, i, "true")
	case c == 'f':
		end = scanLiteral(b, i, "false")
	case c == 'n':
		end = scanLiteral(b, i, "null")
	}
	return end
}

// scanKey returns the index behind a member's name and its colon, or -1.
func scanKey(b []byte, i int) int {
	if i = skipSpace(b, i); i >= len(b) || b[i] != '"' {
		return -1
	}
	if i, _ = scanString(b, i); i < 0 {
		return -1
	}
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return -1
	}
	return i + 1
}

// scanValue returns the index behind the value that starts at or behind b[i], or -1
// if there is none or more than MaxDepth containers are open, depth of which are open
// around the value already.
func scanValue(b []byte, i, depth int) int {
	outer := depth
	var objects uint64 // the lowest bit says whether the innermost container is an object
	for {
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		if c := b[i]; c == '{' || c == '[' {
			if depth == MaxDepth {
				return -1
			}
			depth++
			objects = objects<<1 | uint64(c>>5&1)
			if i = skipSpace(b, i+1); i >= len(b) {
				return -1
			}
			if b[i] != c+2 { // ']' and '}' stand two places behind '[' and '{'
				if c == '{' {
					if i = scanKey(b, i); i < 0 {
						return -1
					}
				}
				continue
			}
		} else if i = scanScalar(b, i); i < 0 || depth == outer {
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
		if i = skipSpace(b, i); i >= len(b) {
			return -1, depth
		}
		object := *objects&1 == 1
		switch {
		case b[i] == ',' && object:
			return scanKey(b, i+1), depth
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

// skipLoosely is scanValue for bytes that somebody else is going to check: it finds
// the end of a value by brackets, quotes and commas only.
func skipLoosely(b []byte, i int) int {
	if i = skipSpace(b, i); i >= len(b) {
		return -1
	}
	if b[i] == '"' {
		i, _ = scanString(b, i)
		return i
	}
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i, _ = scanString(b, i); i < 0 {
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
