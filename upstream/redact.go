package upstream

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"
)

const redacted = "[redacted]"

// LogValue shows the template that made the endpoint: unlike the URL itself it
// never holds the value of a reference.
func (t *template) LogValue() slog.Value {
	return slog.StringValue(redactTemplate(t.source.URL))
}

// redactTemplate returns a URL template so that it may be logged: user info
// and what is literal in the values of its query are masked, placeholders and
// references stay. Of a template that does not parse nothing is shown.
func redactTemplate(text string) string {
	parts, err := parseTemplate(text)
	if err != nil {
		return redacted
	}
	var m masker
	for _, p := range parts {
		if p.kind != partLiteral {
			m.masked = false
			m.out = append(m.out, p.source()...)
			continue
		}
		for i := range len(p.text) {
			m.literal(p.text[i])
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
		m.out = append(m.out[:m.name], redacted...)
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
			m.out = append(m.out, redacted...)
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
		m.out = append(m.out[:m.authority], redacted...)
	}
	m.out = append(m.out, c)
}

// errorText says what went wrong with a call in words that may be logged and
// told to clients: without the URL, the host and the address, any of which may
// come from a reference.
func errorText(err error, e *endpoint) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "lookup: " + dns.Err
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not valid for the host name"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	text := err.Error()
	for _, secret := range e.secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}
