package config

import (
	"bytes"
	"errors"
)

var errUnfinishedComment = errors.New("a comment that begins with /* has no end")

// plainJSON returns data with what .NET's configuration accepts beyond JSON
// overwritten by spaces: a byte order mark, comments, and commas before a
// closing bracket. Line breaks and offsets stay. It does not recurse, however
// deep the brackets are nested: parsers that do end the process by a stack that
// overflows.
func plainJSON(data []byte) ([]byte, error) {
	out := bytes.Clone(data)
	if bytes.HasPrefix(out, []byte("\ufeff")) {
		blank(out[:3])
	}
	comma := -1   // the last byte that is neither space nor comment, if it is a comma after a value
	empty := true // nothing stands since the bracket or comma before
	for i := 0; i < len(out); {
		switch c := out[i]; {
		case c == '"':
			i += stringEnd(out[i:])
			comma, empty = -1, false
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			n := commentEnd(out[i:])
			if n < 0 {
				return nil, errUnfinishedComment
			}
			blank(out[i : i+n])
			i += n
		default:
			if (c == '}' || c == ']') && comma >= 0 {
				out[comma] = ' '
			}
			switch c {
			case ' ', '\t', '\r', '\n':
			case ',':
				comma = -1
				if !empty {
					comma = i
				}
				empty = true
			default:
				comma, empty = -1, c == '{' || c == '['
			}
			i++
		}
	}
	return out, nil
}

// stringEnd returns the length of the string literal that data begins with, or
// of data if it does not end.
func stringEnd(data []byte) int {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// commentEnd returns the length of the comment that data begins with, or -1 if
// it does not end.
func commentEnd(data []byte) int {
	if data[1] == '/' {
		if n := bytes.IndexAny(data, "\r\n"); n >= 0 {
			return n
		}
		return len(data)
	}
	if n := bytes.Index(data[2:], []byte("*/")); n >= 0 {
		return n + 4
	}
	return -1
}

func blank(data []byte) {
	for i, c := range data {
		if c != '\r' && c != '\n' {
			data[i] = ' '
		}
	}
}
