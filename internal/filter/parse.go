package filter

import "slices"

// parser reads an expression by recursive descent. After a failure all that it does has no meaning, but
// ends.
type parser struct {
	text   string
	at     int // behind the token
	token  token
	depth  int
	terms  int
	failed *Error // its At in bytes, until the end
}

func (p *parser) fail(text string) { p.failAt(p.token.at, text) }

// failAt keeps the first failure, and ends the expression.
func (p *parser) failAt(at int, text string) {
	if p.failed == nil {
		p.failed = &Error{at, text}
	}
	p.at, p.token = len(p.text), token{kind: tokenEnd, at: len(p.text)}
}

// nothing is what a part of an expression that is not valid comes to.
var nothing = &term{kind: boolean, op: opFalse}

// term makes a term of the expression.
func (p *parser) term(t term) *term {
	if p.terms++; p.terms > MaxTerms {
		p.fail("there are too many terms")
		return nothing
	}
	return &t
}

// enter counts what is open. Leave has to follow.
func (p *parser) enter() bool {
	if p.depth++; p.depth > MaxDepth {
		p.fail("too many parentheses, functions and negations are open")
		return false
	}
	return true
}

func (p *parser) leave() { p.depth-- }

// word takes a word if it is the next token.
func (p *parser) word(want string) bool {
	if p.token.kind != tokenWord || p.token.text != want {
		return false
	}
	p.next()
	return true
}

// take takes a token of the kind, or fails.
func (p *parser) take(kind tokenKind, name string) {
	if p.token.kind != kind {
		p.fail(name + " is expected")
		return
	}
	p.next()
}

// either reads conditions with or between them.
func (p *parser) either() *term {
	return p.logic("or", opOr, p.both)
}

func (p *parser) both() *term {
	return p.logic("and", opAnd, p.negation)
}

// logic reads operands with an operator between them. They become one term: a long chain is no deep tree.
func (p *parser) logic(word string, op op, operand func() *term) *term {
	at := p.token.at
	first := operand()
	if p.token.kind != tokenWord || p.token.text != word {
		return first
	}
	t := p.term(term{kind: boolean, op: op, args: []*term{p.condition(first, at)}})
	for p.word(word) {
		at = p.token.at
		next := p.condition(operand(), at)
		if p.terms++; p.terms > MaxTerms {
			p.fail("there are too many terms")
			return nothing
		}
		t.args = append(t.args, next)
	}
	return t
}

// condition checks that a term is one.
func (p *parser) condition(t *term, at int) *term {
	if t.kind != boolean {
		p.failAt(at, "a condition is expected")
		return nothing
	}
	return t
}

func (p *parser) negation() *term {
	if p.token.kind != tokenWord || p.token.text != "not" {
		return p.comparison()
	}
	if !p.enter() {
		return nothing
	}
	defer p.leave()
	p.next()
	at := p.token.at
	return p.term(term{kind: boolean, op: opNot, args: []*term{p.condition(p.negation(), at)}})
}

var comparisons = map[string]op{"eq": opEqual, "ne": opUnequal, "gt": opGreater, "ge": opGreaterEqual, "lt": opLess, "le": opLessEqual}

func (p *parser) comparison() *term {
	left := p.operand()
	if p.token.kind != tokenWord {
		return left
	}
	if p.token.text == "in" {
		return p.membership(left)
	}
	op, ok := comparisons[p.token.text]
	if !ok {
		return left
	}
	at := p.token.at
	p.next()
	right := p.operand()
	if text := comparable(op, left, right); text != "" {
		p.failAt(at, text)
		return nothing
	}
	return p.term(term{kind: boolean, op: op, args: []*term{left, right}})
}

// comparable says why two terms cannot be compared, "" if they can.
func comparable(op op, left, right *term) string {
	a, b := left.kind, right.kind
	switch {
	case a == collection || b == collection:
		return "groups cannot be compared; ask whether a group is in them"
	case op == opEqual || op == opUnequal:
		if a != b && a != null && b != null {
			return "values of two kinds are never equal"
		}
	case a == boolean || b == boolean:
		return "conditions have no order"
	case a != b || a == null:
		return "values of two kinds, or null, have no order"
	}
	return ""
}

// membership reads what is behind in: a list of literals, or the groups.
func (p *parser) membership(left *term) *term {
	at := p.token.at
	p.next()
	if p.word("groups") {
		if left.kind != text {
			p.failAt(at, "only a text can be in groups")
			return nothing
		}
		return p.term(term{kind: boolean, op: opInGroups, args: []*term{left}})
	}
	if left.kind != text && left.kind != number {
		p.failAt(at, "only a text or a number can be in a list")
		return nothing
	}
	args := []*term{left}
	p.take(tokenOpen, "a list in parentheses, or groups,")
	for p.failed == nil {
		at = p.token.at
		element := p.literal()
		switch {
		case element == nil:
			p.fail("a literal is expected")
		case element.kind != left.kind && element.kind != null:
			p.failAt(at, "the element of the list is of another kind")
		}
		args = append(args, element)
		if p.token.kind != tokenComma {
			break
		}
		p.next()
	}
	p.take(tokenClose, "a closing parenthesis")
	return p.term(term{kind: boolean, op: opInList, args: args})
}

// literal reads a literal; nil if there is none.
func (p *parser) literal() *term {
	var t term
	switch {
	case p.token.kind == tokenText:
		t = term{kind: text, op: opText, text: p.token.text}
	case p.token.kind == tokenNumber:
		t = term{kind: number, op: opNumber, number: p.token.number}
	case p.token.kind != tokenWord:
		return nil
	case p.token.text == "null":
		t = term{kind: null, op: opNull}
	case p.token.text == "true":
		t = term{kind: boolean, op: opTrue}
	case p.token.text == "false":
		t = term{kind: boolean, op: opFalse}
	default:
		return nil
	}
	p.next()
	return p.term(t)
}

func (p *parser) operand() *term {
	if t := p.literal(); t != nil {
		return t
	}
	if p.token.kind == tokenOpen {
		if !p.enter() {
			return nothing
		}
		defer p.leave()
		p.next()
		t := p.either()
		p.take(tokenClose, "a closing parenthesis")
		return t
	}
	at := p.token.at
	if p.token.kind != tokenWord {
		p.fail("a value is expected")
		return nothing
	}
	name := p.token.text
	p.next()
	switch name {
	case "userid":
		return p.term(term{kind: text, op: opUserID})
	case "connectionid":
		return p.term(term{kind: text, op: opConnectionID})
	case "groups":
		return p.term(term{kind: collection, op: opGroups})
	}
	f, ok := functions[name]
	if !ok {
		p.failAt(at, "there is nothing of this name")
		return nothing
	}
	return p.call(f)
}

// function is one that expressions may use.
type function struct {
	op     op
	result kind
	// args are the kinds of the arguments, of which the last may be missing if optional is set.
	args     []kind
	optional bool
}

var functions = map[string]function{
	"length":     {opLength, number, []kind{text}, false},
	"tolower":    {opToLower, text, []kind{text}, false},
	"toupper":    {opToUpper, text, []kind{text}, false},
	"trim":       {opTrim, text, []kind{text}, false},
	"startswith": {opStartsWith, boolean, []kind{text, text}, false},
	"endswith":   {opEndsWith, boolean, []kind{text, text}, false},
	"contains":   {opContains, boolean, []kind{text, text}, false},
	"substring":  {opSubstring, text, []kind{text, number, number}, true},
	"indexof":    {opIndexOf, number, []kind{text, text}, false},
	"concat":     {opConcat, text, []kind{text, text}, false},
}

// call reads the arguments of a function.
func (p *parser) call(f function) *term {
	if !p.enter() {
		return nothing
	}
	defer p.leave()
	var args []*term
	p.take(tokenOpen, "an opening parenthesis")
	for p.failed == nil {
		at := p.token.at
		arg := p.either()
		switch {
		case len(args) == len(f.args):
			p.failAt(at, "the function has fewer arguments")
		case arg.kind != f.args[len(args)]:
			p.failAt(at, "the argument is of another kind")
		}
		args = append(args, arg)
		if p.token.kind != tokenComma {
			break
		}
		p.next()
	}
	if missing := len(f.args) - len(args); missing > 1 || missing == 1 && !f.optional {
		p.fail("the function has more arguments")
	}
	p.take(tokenClose, "a closing parenthesis")
	return p.term(term{kind: f.result, op: f.op, args: slices.Clip(args)})
}
