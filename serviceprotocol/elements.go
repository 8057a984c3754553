package serviceprotocol

import "github.com/tinylib/msgp/msgp"

// Each method below reads the message's next element.

// text is a string of its own.
func (r *reader) text(field string) string {
	if !r.next() {
		return ""
	}
	return string(r.value(field))
}

// name is a text that is likely to come again, and no secret.
func (r *reader) name(field string) string {
	if !r.next() {
		return ""
	}
	return r.known(r.value(field))
}

func (r *reader) known(b []byte) string {
	if r.reuse == nil {
		return string(b)
	}
	return r.reuse.texts.get(b)
}

// group is a group's name, or nil for all groups.
func (r *reader) group() (name string, all bool) {
	if !r.next() || r.null() {
		return "", true
	}
	return r.known(r.value("group")), false
}

func (r *reader) integer(field string) int32 {
	if !r.next() {
		return 0
	}
	return r.number(field)
}

func (r *reader) boolean(field string) bool {
	if !r.next() {
		return false
	}
	v, rest, err := msgp.ReadBoolBytes(r.b)
	if r.failed(field, err) {
		return false
	}
	r.b = rest
	return v
}

func (r *reader) binary(field string) []byte {
	if !r.next() {
		return nil
	}
	return r.bytes(field)
}

func (r *reader) names(field string) []string {
	if !r.next() {
		return nil
	}
	return r.namesOf(field, r.array(field, MaxNames))
}

// namesOf reads n texts that follow.
func (r *reader) namesOf(field string, n int) []string {
	if n == 0 {
		return nil
	}
	var list []string
	if r.reuse != nil {
		list = r.reuse.lists.names
	}
	// The lists of one message share memory. Where it is too small the earlier ones keep the
	// old, and the new has room for all of them: the next message like this fits.
	start := len(list)
	if cap(list)-start < n {
		list, start = make([]string, 0, start+n), 0
	}
	for ; n > 0 && r.reason == ""; n-- {
		list = append(list, r.known(r.value(field)))
	}
	if r.reuse != nil {
		r.reuse.lists.names = list
	}
	return list[start:len(list):len(list)]
}

func (r *reader) payloads() Payloads {
	const field = "payloads"
	if !r.next() {
		return nil
	}
	n := r.pairs(field)
	if n == 0 {
		return nil
	}
	var list Payloads
	if r.reuse != nil {
		list = r.reuse.lists.payloads
	}
	if cap(list) < n {
		list = make(Payloads, 0, n)
	}
	for ; n > 0 && r.reason == ""; n-- {
		list = append(list, Payload{Protocol: r.known(r.value(field)), Data: r.bytes(field)})
	}
	if r.reuse != nil {
		r.reuse.lists.payloads = list
	}
	return list
}

func (r *reader) claims() []Claim {
	const field = "claims"
	if !r.next() {
		return nil
	}
	n := r.pairs(field)
	if n == 0 {
		return nil
	}
	list := make([]Claim, 0, n)
	for ; n > 0 && r.reason == ""; n-- {
		list = append(list, Claim{Type: r.known(r.value(field)), Value: string(r.value(field))})
	}
	return list
}

func (r *reader) headers() []Header {
	const field = "headers"
	if !r.next() {
		return nil
	}
	n := r.pairs(field)
	if n == 0 {
		return nil
	}
	list := make([]Header, 0, n)
	for ; n > 0 && r.reason == ""; n-- {
		header := Header{Name: r.known(r.value(field))}
		values := r.array(field, MaxPairs)
		if values > 0 {
			header.Values = make([]string, 0, values)
		}
		for ; values > 0 && r.reason == ""; values-- {
			header.Values = append(header.Values, string(r.value(field)))
		}
		list = append(list, header)
	}
	return list
}

// rest is all elements that follow, each of which is a text.
func (r *reader) rest(field string) []string {
	n := r.left
	r.left = 0
	if n > MaxPairs {
		r.fail(field, ReasonTooMany)
		n = 0
	}
	return r.namesOf(field, n)
}
