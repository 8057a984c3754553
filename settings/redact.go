package settings

import "strings"

// RedactURLTemplate returns text so that it may be logged: user info and what
// is literal in the values of its query are masked, placeholders and
// references stay. Of a template that does not parse nothing is shown.
func RedactURLTemplate(text string) string {
	parts, err := ParseURLTemplate(text)
	if err != nil {
		return redacted
	}
	var r redactor
	for _, p := range parts {
		switch p.Kind {
		case PartLiteral:
			for i := range len(p.Text) {
				r.literal(p.Text[i])
			}
		default:
			r.masked = false
			r.out = append(r.out, p.String()...)
		}
	}
	return string(r.out)
}

// String returns the part as it is written in a template.
func (p Part) String() string {
	switch p.Kind {
	case PartHub:
		return "{hub}"
	case PartCategory:
		return "{category}"
	case PartEvent:
		return "{event}"
	case PartEnv:
		return "{@env:" + p.Text + "}"
	case PartFile:
		return "{@file:" + p.Text + "}"
	default:
		return p.Text
	}
}

// redactor copies a URL byte by byte and knows in which component it is.
type redactor struct {
	out       []byte
	authority int  // where the authority begins in out; 0 before it
	beyond    bool // the authority has ended
	query     bool
	value     bool // in the value of a query parameter
	masked    bool // this run of literal bytes is masked already
}

func (r *redactor) literal(c byte) {
	switch {
	case r.query && (c == '&' || c == '#'):
		r.value, r.masked, r.query = false, false, c == '&'
	case r.value:
		if !r.masked {
			r.out = append(r.out, redacted...)
		}
		r.masked = true
		return
	case r.query:
		r.value = c == '='
	case c == '?':
		r.beyond, r.query = true, true
	case r.authority == 0 && strings.HasSuffix(string(r.out), ":/") && c == '/':
		r.authority = len(r.out) + 1
	case r.authority > 0 && (c == '/' || c == '#'):
		r.beyond = true
	case r.authority > 0 && !r.beyond && c == '@':
		r.out = append(r.out[:r.authority], redacted...)
	}
	r.out = append(r.out, c)
}
