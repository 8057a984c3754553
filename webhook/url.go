package webhook

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Kind says what a [Part] of a URL template stands for.
type Kind uint8

const (
	Literal  Kind = iota // Text as it is
	Hub                  // {hub}: the client's hub
	Category             // {category}: connections or messages
	Event                // {event}: connected, disconnected or the invoked method
	Env                  // {@env:NAME}: the variable named by Text
	File                 // {@file:PATH}: the content of the file named by Text
)

// Part is a piece of a URL template.
type Part struct {
	Kind Kind
	Text string // of a literal, a variable's name or a file's path; else empty
}

// String returns the part as it is written in a template.
func (p Part) String() string {
	switch p.Kind {
	case Hub:
		return "{hub}"
	case Category:
		return "{category}"
	case Event:
		return "{event}"
	case Env:
		return "{@env:" + p.Text + "}"
	case File:
		return "{@file:" + p.Text + "}"
	default:
		return p.Text
	}
}

// Secret says whether the part's value must not be shown.
func (p Part) Secret() bool { return p.Kind == Env || p.Kind == File }

// MaxURLBytes bounds a URL template before it is looked at.
const MaxURLBytes = 8 << 10

var errKeyVault = errors.New("Key Vault references are not supported; give the secret as {@env:NAME} or {@file:PATH}")

// ParseURL splits a URL template of at most 8 KiB into its parts.
// {hub}, {category} and {event} (lower case only), {@env:NAME} and
// {@file:PATH} are recognised; other braces stay literal, but "{@" begins a
// reference and must be one of these. Control characters are refused, in a
// fragment too. The error never repeats the template,
// which may hold a secret.
func ParseURL(text string) ([]Part, error) {
	if len(text) > MaxURLBytes {
		return nil, fmt.Errorf("is longer than %d bytes", MaxURLBytes)
	}
	if i := strings.IndexFunc(text, isControl); i >= 0 {
		return nil, fmt.Errorf("is not a valid URL: byte %d is a control character", i)
	}
	var parts []Part
	literal := 0 // where the literal that is being collected begins
	add := func(at, end int, p Part) {
		if literal < at {
			parts = append(parts, Part{Kind: Literal, Text: text[literal:at]})
		}
		parts = append(parts, p)
		literal = end
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '{' {
			continue
		}
		part, size, err := parsePlaceholder(text[i:])
		if err != nil {
			return nil, err
		}
		if size > 0 {
			add(i, i+size, part)
			i += size - 1
		}
	}
	if literal < len(text) {
		parts = append(parts, Part{Kind: Literal, Text: text[literal:]})
	}
	return parts, nil
}

var placeholders = [...]struct {
	text string
	kind Kind
}{{"{hub}", Hub}, {"{category}", Category}, {"{event}", Event}}

// parsePlaceholder reads the placeholder that text begins with; size 0 means
// that the brace is literal.
func parsePlaceholder(text string) (p Part, size int, err error) {
	for _, known := range placeholders {
		if strings.HasPrefix(text, known.text) {
			return Part{Kind: known.kind}, len(known.text), nil
		}
	}
	if !strings.HasPrefix(text, "{@") {
		return Part{}, 0, nil
	}
	if hasPrefixFold(text, "{@microsoft.keyvault") {
		return Part{}, 0, errKeyVault
	}
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return Part{}, 0, errors.New(`a reference that begins with "{@" has no "}"`)
	}
	name, value, _ := strings.Cut(text[2:end], ":")
	switch {
	case name == "env" && IsEnvName(value):
		return Part{Kind: Env, Text: value}, end + 1, nil
	case name == "env":
		return Part{}, 0, errors.New("{@env:NAME} needs the name of an environment variable")
	case name == "file" && value != "":
		return Part{Kind: File, Text: value}, end + 1, nil
	case name == "file":
		return Part{}, 0, errors.New("{@file:PATH} needs the path of a file")
	}
	return Part{}, 0, errors.New(`a reference that begins with "{@" must be {@env:NAME} or {@file:PATH}`)
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// IsEnvName says whether s can name a variable in {@env:NAME}.
func IsEnvName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// looksLikePlaceholder is what somebody may have meant as a placeholder.
var looksLikePlaceholder = regexp.MustCompile(`\{[A-Za-z]{1,20}\}`)

// UnknownPlaceholders returns what is literal in a template and looks like a
// placeholder: {hubb}, {Event}.
func UnknownPlaceholders(text string) []string {
	parts, err := ParseURL(text)
	if err != nil {
		return nil
	}
	var unknown []string
	for _, p := range parts {
		if p.Kind == Literal {
			unknown = append(unknown, looksLikePlaceholder.FindAllString(p.Text, -1)...)
		}
	}
	return unknown
}
