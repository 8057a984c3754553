// Package filter decides by an OData expression which connections a command is for. The expression is
// that of the sister service of Azure SignalR Service: the identifiers userId, connectionId and groups; and,
// or, not; eq, ne, gt, ge, lt, le, in; and functions of texts. It is parsed once, within bounds, and every
// type is checked then: a filter that is parsed has an answer for every connection.
package filter

import (
	"fmt"
	"unicode/utf8"
)

const (
	// MaxLength is how long an expression may be, in bytes.
	MaxLength = 4096
	// MaxDepth is how many parentheses, functions and negations may be open at once.
	MaxDepth = 32
	// MaxTerms is how many literals, identifiers, functions and operators there may be.
	MaxTerms = 512
)

// Subject is a connection, as a filter sees it.
type Subject interface {
	// UserID is empty for anonymous clients: then userId is null.
	UserID() string
	ConnectionID() string
	InGroup(name string) bool
}

// Filter is an expression. It is immutable, and may be used concurrently.
type Filter struct {
	text string
	root *term
}

// Error says what is wrong with an expression, as a sentence for its author.
type Error struct {
	// At is the place, in characters from 1.
	At   int
	Text string
}

// Error returns the sentence.
func (e *Error) Error() string {
	return fmt.Sprintf("The filter is not valid at character %d: %s.", e.At, e.Text)
}

// Parse reads an expression. The error is an *Error.
func Parse(text string) (*Filter, error) {
	if len(text) > MaxLength {
		return nil, &Error{1, fmt.Sprintf("it is longer than %d bytes", MaxLength)}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{1, "it is not UTF-8"}
	}
	p := parser{text: text}
	p.next()
	root := p.either()
	switch {
	case p.failed != nil:
	case p.token.kind != tokenEnd:
		p.fail("an operator is expected")
	case root.kind != boolean:
		p.failAt(0, "it is no condition")
	}
	if p.failed != nil {
		p.failed.At = 1 + utf8.RuneCountInString(text[:p.failed.At])
		return nil, p.failed
	}
	return &Filter{text: text, root: root}, nil
}

// String returns the expression.
func (f *Filter) String() string { return f.text }

// Match reports whether the filter takes a connection. It allocates only for concat, and for tolower and
// toupper of texts that they change.
func (f *Filter) Match(s Subject) bool { return f.root.truth(s) }
