package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// PartKind says what a [Part] of a URL template stands for.
type PartKind uint8

const (
	PartLiteral  PartKind = iota // Text as it is
	PartHub                      // {hub}: the client's hub
	PartCategory                 // {category}: connections or messages
	PartEvent                    // {event}: connected, disconnected or the invoked method
	PartEnv                      // {@env:NAME}: the variable named by Text
	PartFile                     // {@file:PATH}: the content of the file named by Text
)

// Part is a piece of a URL template.
type Part struct {
	Kind PartKind
	Text string // of a literal, a variable's name or a file's path; else empty
}

// maxURLTemplateBytes bounds a URL template before it is looked at.
const maxURLTemplateBytes = 8 * kib

var errKeyVault = errors.New("Key Vault references are not supported; give the secret as {@env:NAME} or {@file:PATH}")

// ParseURLTemplate splits a URL template of at most 8 KiB into its parts.
// {hub}, {category} and {event} (lower case only), {@env:NAME} and
// {@file:PATH} are recognised; other braces stay literal, but "{@" begins a
// reference and must be one of these. The error never repeats the template,
// which may hold a secret.
func ParseURLTemplate(text string) ([]Part, error) {
	if len(text) > maxURLTemplateBytes {
		return nil, fmt.Errorf("is longer than %d bytes", maxURLTemplateBytes)
	}
	var parts []Part
	literal := 0 // where the literal that is being collected begins
	add := func(at, end int, p Part) {
		if literal < at {
			parts = append(parts, Part{Kind: PartLiteral, Text: text[literal:at]})
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
		parts = append(parts, Part{Kind: PartLiteral, Text: text[literal:]})
	}
	return parts, nil
}

var placeholders = [...]struct {
	text string
	kind PartKind
}{{"{hub}", PartHub}, {"{category}", PartCategory}, {"{event}", PartEvent}}

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
	case name == "env" && isEnvName(value):
		return Part{Kind: PartEnv, Text: value}, end + 1, nil
	case name == "env":
		return Part{}, 0, errors.New("{@env:NAME} needs the name of an environment variable")
	case name == "file" && value != "":
		return Part{Kind: PartFile, Text: value}, end + 1, nil
	case name == "file":
		return Part{}, 0, errors.New("{@file:PATH} needs the path of a file")
	}
	return Part{}, 0, errors.New(`a reference that begins with "{@" must be {@env:NAME} or {@file:PATH}`)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func isEnvName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// checkURL says whether the parts can make an absolute http or https URI.
// Everything that is not literal is taken as "1", which may stand in a host, a
// port, a path and a query. A template that begins with a secret can only be
// judged when the secret is known.
func checkURL(parts []Part) error {
	if len(parts) > 0 && (parts[0].Kind == PartEnv || parts[0].Kind == PartFile) {
		return nil
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Kind == PartLiteral {
			b.WriteString(p.Text)
		} else {
			b.WriteByte('1')
		}
	}
	return CheckUpstreamURL(b.String())
}

// CheckUpstreamURL says whether text, all placeholders replaced, is an
// absolute http or https URI with a host. The error never repeats text.
func CheckUpstreamURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		// What url.Parse says quotes a piece of the URL: maybe of a password.
		return errors.New("is not a valid URL")
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" || u.Hostname() == "" {
		return errors.New("must be an absolute http:// or https:// URL")
	}
	return nil
}
