package webhook

import (
	"strings"

	"github.com/hubgate/hubgate/secret"
)

// RedactURL returns a URL template so that it may be logged: user info
// and what is literal in the values of its query are masked, placeholders and
// references stay. Of a template that does not parse nothing is shown.
func RedactURL(text string) string {
	parts, err := ParseURL(text)
	if err != nil {
		return secret.Redacted
	}
	var m masker
	for _, p := range parts {
		if p.Kind != Literal {
			m.masked = false
			m.out = append(m.out, p.String()...)
			continue
		}
		for i := range len(p.Text) {
			m.literal(p.Text[i])
		}
	}
	m.endName()
	return string(m.out)
}

// urlState says in which component of a URL a masker is.
type urlState uint8

const (
	inScheme urlState = iota
	inAuthority
	inPath
	inQueryName
	inQueryValue
	inFragment
)

// masker copies the literal text of a URL template byte by byte.
type masker struct {
	out       []byte
	state     urlState
	authority int  // where the authority begins in out
	name      int  // where the query parameter's name begins in out
	masked    bool // this run of literal bytes is masked already
}

// endName masks a parameter without "=": it is a value, not a name.
func (m *masker) endName() {
	if m.state == inQueryName && m.name < len(m.out) {
		m.out = append(m.out[:m.name], secret.Redacted...)
	}
}

func (m *masker) literal(c byte) {
	switch {
	case m.state == inFragment:
		return
	case c == '#':
		m.endName()
		m.state = inFragment
		return
	case m.state >= inQueryName && c == '&':
		m.endName()
		m.state, m.name = inQueryName, len(m.out)+1
	case m.state == inQueryValue:
		if !m.masked {
			m.out = append(m.out, secret.Redacted...)
		}
		m.masked = true
		return
	case m.state == inQueryName:
		if c == '=' {
			m.state, m.masked = inQueryValue, false
		}
	case c == '?':
		m.state, m.name = inQueryName, len(m.out)+1
	case m.state == inScheme && c == '/' && strings.HasSuffix(string(m.out), ":/"):
		m.state, m.authority = inAuthority, len(m.out)+1
	case m.state == inAuthority && c == '/':
		m.state = inPath
	case m.state == inAuthority && c == '@':
		m.out = append(m.out[:m.authority], secret.Redacted...)
	}
	m.out = append(m.out, c)
}
