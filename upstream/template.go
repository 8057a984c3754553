package upstream

import (
	"errors"
	"fmt"
	"strings"
)

// partKind says what a part of a URL template stands for.
type partKind uint8

const (
	partLiteral partKind = iota
	partHub
	partCategory
	partEvent
	partEnv
	partFile
)

// part is a piece of a URL template: its text is the literal text, a
// variable's name or a file's path.
type part struct {
	kind partKind
	text string
}

// maxTemplateBytes bounds a URL template before it is looked at.
const maxTemplateBytes = 8 << 10

var placeholders = []struct {
	text string
	kind partKind
}{{"{hub}", partHub}, {"{category}", partCategory}, {"{event}", partEvent}}

// source returns the part as it is written in a template.
func (p part) source() string {
	switch p.kind {
	case partEnv:
		return "{@env:" + p.text + "}"
	case partFile:
		return "{@file:" + p.text + "}"
	case partLiteral:
		return p.text
	}
	return placeholders[p.kind-partHub].text
}

// secret says whether the part's value must not be shown.
func (p part) secret() bool { return p.kind == partEnv || p.kind == partFile }

// parseTemplate splits a URL template of at most 8 KiB into its parts. Braces
// that are no placeholder stay literal, but "{@" begins a reference that must
// be known. Errors never repeat the template, which may hold a secret.
func parseTemplate(text string) ([]part, error) {
	if len(text) > maxTemplateBytes {
		return nil, fmt.Errorf("the template is longer than %d bytes", maxTemplateBytes)
	}
	var parts []part
	for text != "" {
		p, size, err := parsePlaceholder(text)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			size = 1
			if brace := strings.IndexByte(text[1:], '{'); brace >= 0 {
				size += brace
			} else {
				size = len(text)
			}
			p = part{kind: partLiteral, text: text[:size]}
		}
		parts = append(parts, p)
		text = text[size:]
	}
	return parts, nil
}

// parsePlaceholder reads the placeholder or reference that text begins with;
// size 0 means that it begins with none.
func parsePlaceholder(text string) (p part, size int, err error) {
	for _, known := range placeholders {
		if strings.HasPrefix(text, known.text) {
			return part{kind: known.kind}, len(known.text), nil
		}
	}
	if !strings.HasPrefix(text, "{@") {
		return part{}, 0, nil
	}
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return part{}, 0, errors.New(`a reference that begins with "{@" has no "}"`)
	}
	kind, name, _ := strings.Cut(text[2:end], ":")
	switch {
	case kind == "env" && name != "":
		return part{kind: partEnv, text: name}, end + 1, nil
	case kind == "file" && name != "":
		return part{kind: partFile, text: name}, end + 1, nil
	}
	return part{}, 0, errors.New(`a reference that begins with "{@" is neither {@env:NAME} nor {@file:PATH}`)
}

// appendEscaped appends s percent-encoded as .NET's EscapeDataString does: all
// but A–Z a–z 0–9 - _ . ~ (R62).
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			dst = append(dst, c)
		default:
			dst = appendPercent(dst, c)
		}
	}
	return dst
}

func appendPercent(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}
