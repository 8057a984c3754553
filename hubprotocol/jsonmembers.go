package hubprotocol

import (
	"math"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// Texts of malformed records. They reach clients, and are those of ASP.NET Core.
const (
	textNotJSON = "Error reading JSON."
	textNotUTF8 = "Cannot transcode invalid UTF-8 JSON text to UTF-16 string."
)

// memberNames are the names that records and handshakes are searched for.
var memberNames = [][]byte{
	[]byte("type"), []byte("invocationId"), []byte("target"), []byte("arguments"), []byte("streamIds"),
	[]byte("headers"), []byte("item"), []byte("result"), []byte("error"), []byte("allowReconnect"),
	[]byte("sequenceId"), []byte("protocol"), []byte("version"),
}

// maxEscapedName is the length of the longest of memberNames with every letter escaped.
const maxEscapedName = len("allowReconnect") * len(`\u0000`)

// members walks over the members of one JSON object that is the whole of its input.
type members struct {
	b       []byte
	i       int
	name    []byte // raw, without quotes; one of memberNames if it is written with escapes
	escaped bool   // name has escapes and is none of memberNames
	value   []byte // raw, without white space around it
	loose   bool   // values and what follows the object are not checked
	done    bool
	bad     bool // the input is not well-formed; only known when next has returned false
}

// openObject starts the walk. The text is empty or says why there is nothing to walk over.
func openObject(b []byte) (members, string) {
	i := jsontext.SkipSpace(b, 0)
	if i < len(b) && b[i] == '{' {
		return members{b: b, i: i + 1}, ""
	}
	if i == len(b) || jsontext.ScanValue(b, i, 0) < 0 {
		return members{}, textNotJSON
	}
	return members{}, "Unexpected JSON Token Type '" + jsonKind(b[i]) + "'. Expected a JSON Object."
}

// next reads one member. After it has returned false, bad says whether the object
// ended as it should.
func (m *members) next() bool {
	if m.done {
		return false
	}
	first := m.name == nil
	i := jsontext.SkipSpace(m.b, m.i)
	if i < len(m.b) && m.b[i] == '}' {
		m.done = true
		m.bad = !m.loose && jsontext.SkipSpace(m.b, i+1) != len(m.b)
		return false
	}
	if !first {
		if i >= len(m.b) || m.b[i] != ',' {
			return m.fail()
		}
		i = jsontext.SkipSpace(m.b, i+1)
	}
	if i >= len(m.b) || m.b[i] != '"' {
		return m.fail()
	}
	end, escaped := jsontext.ScanString(m.b, i)
	if end < 0 {
		return m.fail()
	}
	m.setName(m.b[i+1:end-1], escaped)
	if i = jsontext.SkipSpace(m.b, end); i >= len(m.b) || m.b[i] != ':' {
		return m.fail()
	}
	return m.readValue(jsontext.SkipSpace(m.b, i+1))
}

func (m *members) readValue(start int) bool {
	end := 0
	if m.loose {
		end = jsontext.SkipLoosely(m.b, start)
	} else {
		end = jsontext.ScanValue(m.b, start, 1)
	}
	if end < 0 {
		return m.fail()
	}
	m.i = end
	for end > start && jsontext.SkipSpace(m.b[:end], end-1) == end {
		end--
	}
	m.value = m.b[start:end:end]
	return true
}

// setName replaces a name with escapes by the constant that it stands for, so that
// callers may switch on it without decoding or allocating.
func (m *members) setName(raw []byte, escaped bool) {
	m.name, m.escaped = raw, escaped
	if !escaped || len(raw) > maxEscapedName {
		return
	}
	var room [maxEscapedName]byte
	plain, _ := jsontext.AppendUnescaped(room[:0], raw)
	for _, known := range memberNames {
		if string(known) == string(plain) {
			m.name, m.escaped = known, false
			return
		}
	}
}

func (m *members) fail() bool {
	m.done, m.bad = true, true
	return false
}

func jsonKind(first byte) string {
	switch first {
	case '{':
		return "Object"
	case '[':
		return "Array"
	case '"':
		return "String"
	case 't', 'f':
		return "Boolean"
	case 'n':
		return "Null"
	}
	return "Number"
}

func wrongKind(name, kind string) string {
	return "Expected '" + name + "' to be of type " + kind + "."
}

// stringMember decodes the value of a member that has to be a string. The text is
// empty or says what is wrong.
func stringMember(name string, value []byte) (s, text string) {
	if len(value) < 2 || value[0] != '"' {
		return "", wrongKind(name, "String")
	}
	raw := value[1 : len(value)-1]
	if !jsontext.HasEscape(raw) {
		return string(raw), ""
	}
	plain, ok := jsontext.AppendUnescaped(make([]byte, 0, len(raw)), raw)
	if !ok {
		return "", "Cannot read incomplete UTF-16 JSON text in '" + name + "'."
	}
	return string(plain), ""
}

func int32Member(name string, value []byte) (n int, text string) {
	if len(value) == 0 || value[0] != '-' && !jsontext.IsDigit(value[0]) {
		return 0, wrongKind(name, "Number")
	}
	v, ok := parseInteger(value)
	if !ok || v < math.MinInt32 || v > math.MaxInt32 {
		return 0, "Expected '" + name + "' to be a 32-bit integer."
	}
	return int(v), ""
}

func sequenceMember(value []byte) (n uint64, text string) {
	if len(value) == 0 || value[0] != '-' && !jsontext.IsDigit(value[0]) {
		return 0, wrongKind("sequenceId", "Number")
	}
	v, ok := parseInteger(value)
	if !ok || v < 0 {
		return 0, "Expected 'sequenceId' to be a positive 64-bit integer."
	}
	return uint64(v), ""
}

// parseInteger reads digits with an optional minus; anything else, a fraction or an
// exponent included, or a value outside of int64, is not ok.
func parseInteger(raw []byte) (int64, bool) {
	digits := raw
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	n, ok := parseDigits(digits)
	if len(digits) < len(raw) {
		return -int64(n), ok && n <= 1<<63
	}
	return int64(n), ok && n <= math.MaxInt64
}

func parseDigits(digits []byte) (n uint64, ok bool) {
	for _, c := range digits {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(digits) > 0
}
