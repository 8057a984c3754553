package filter

import (
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenText   // a literal in quotes
	tokenNumber // an integer
	tokenOpen
	tokenClose
	tokenComma
	tokenBad
)

// token is one piece of an expression.
type token struct {
	kind tokenKind
	// at is where it begins, in bytes.
	at int
	// text is a word in lower case, or what is in quotes.
	text   string
	number int64
}

// next reads the next token.
func (p *parser) next() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	p.token = token{at: p.at}
	if p.at == len(p.text) {
		return
	}
	switch c := p.text[p.at]; {
	case c == '(':
		p.single(tokenOpen)
	case c == ')':
		p.single(tokenClose)
	case c == ',':
		p.single(tokenComma)
	case c == '\'':
		p.quoted()
	case c == '-' || isDigit(c):
		p.numeral()
	case isLetter(c):
		end := p.at
		for end < len(p.text) && (isLetter(p.text[end]) || isDigit(p.text[end])) {
			end++
		}
		p.token.kind, p.token.text = tokenWord, strings.ToLower(p.text[p.at:end])
		p.at = end
	default:
		p.token.kind = tokenBad
		p.fail("this character has no meaning here")
	}
}

func (p *parser) single(kind tokenKind) {
	p.token.kind = kind
	p.at++
}

// quoted reads a text in single quotes; two of them stand for one.
func (p *parser) quoted() {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		if p.text[i] != '\'' {
			b.WriteByte(p.text[i])
			continue
		}
		if i+1 < len(p.text) && p.text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		p.token.kind, p.token.text = tokenText, b.String()
		p.at = i + 1
		return
	}
	p.token.kind = tokenBad
	p.fail("the text has no end")
}

func (p *parser) numeral() {
	end := p.at + 1
	for end < len(p.text) && isDigit(p.text[end]) {
		end++
	}
	n, err := strconv.ParseInt(p.text[p.at:end], 10, 64)
	if err != nil || end < len(p.text) && isLetter(p.text[end]) {
		p.token.kind = tokenBad
		p.fail("the number is no integer, or too large")
		return
	}
	p.token.kind, p.token.number = tokenNumber, n
	p.at = end
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
