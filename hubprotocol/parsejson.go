package hubprotocol

import (
	"unicode/utf8"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// jsonPresence is which members a record has had.
type jsonPresence struct{ typ, arguments, item, result bool }

// parseJSON fills m and returns what is wrong with the record, or nothing. Of members
// that occur twice the last counts; each is checked, whatever the record's type.
func (m *Message) parseJSON(body []byte) string {
	if !utf8.Valid(body) {
		return textNotUTF8
	}
	walk, text := openObject(body)
	if text != "" {
		return text
	}
	var has jsonPresence
	var item []byte
	for walk.next() {
		if string(walk.name) == "item" {
			item, has.item = walk.value, true
			continue
		}
		if text := m.jsonMember(walk.name, walk.value, &has); text != "" {
			return text
		}
	}
	if walk.bad {
		return textNotJSON
	}
	if !has.typ {
		return "Missing required property 'type'."
	}
	m.HasID = m.InvocationID != ""
	if text := m.checkJSON(has); text != "" {
		return text
	}
	if m.Type == StreamItem {
		m.Result = item
	}
	return ""
}

func (m *Message) jsonMember(name, value []byte, has *jsonPresence) (text string) {
	switch string(name) {
	case "type":
		var n int
		n, text = int32Member("type", value)
		m.Type, has.typ = recordType(int64(n)), true
	case "invocationId":
		m.InvocationID, text = stringMember("invocationId", value)
	case "target":
		m.Target, text = stringMember("target", value)
	case "error":
		m.Error, text = stringMember("error", value)
		m.HasError = true
	case "arguments":
		if value[0] != '[' {
			return wrongKind("arguments", "Array")
		}
		m.Arguments, has.arguments = value, true
	case "result":
		m.Result, has.result = value, true
	case "streamIds":
		return m.jsonStreamIDs(value)
	case "headers":
		return checkHeaders(value)
	case "allowReconnect":
		if value[0] != 't' && value[0] != 'f' {
			return wrongKind("allowReconnect", "Boolean")
		}
		m.AllowReconnect = value[0] == 't'
	case "sequenceId":
		m.SequenceID, text = sequenceMember(value)
	}
	return text
}

// checkJSON asks for the members that the record's type requires.
func (m *Message) checkJSON(has jsonPresence) string {
	missing := ""
	switch m.Type {
	case Invocation, StreamInvocation:
		switch {
		case m.Type == StreamInvocation && !m.HasID:
			missing = "invocationId"
		case m.Target == "":
			missing = "target"
		case !has.arguments:
			missing = "arguments"
		}
	case StreamItem:
		if !m.HasID {
			missing = "invocationId"
		} else if !has.item {
			missing = "item"
		}
	case Completion:
		if !m.HasID {
			missing = "invocationId"
		} else if m.HasError && has.result {
			return "The 'error' and 'result' properties are mutually exclusive."
		}
	case CancelInvocation:
		if !m.HasID {
			missing = "invocationId"
		}
	}
	if missing != "" {
		return "Missing required property '" + missing + "'."
	}
	return ""
}

// jsonStreamIDs reads an array whose syntax is known to be right.
func (m *Message) jsonStreamIDs(value []byte) string {
	if value[0] != '[' {
		return wrongKind("streamIds", "Array")
	}
	m.StreamIDs = nil
	for i := jsontext.SkipSpace(value, 1); value[i] != ']'; {
		end := jsontext.ScanScalar(value, i)
		if end < 0 {
			return wrongKind("streamIds", "Array of String")
		}
		id, text := stringMember("streamIds", value[i:end])
		if text != "" {
			return text
		}
		m.StreamIDs = append(m.StreamIDs, id)
		if i = jsontext.SkipSpace(value, end); value[i] == ',' {
			i = jsontext.SkipSpace(value, i+1)
		}
	}
	return ""
}

func checkHeaders(value []byte) string {
	if value[0] != '{' {
		return wrongKind("headers", "Object")
	}
	walk, _ := openObject(value)
	for walk.next() {
		if walk.value[0] != '"' {
			return "Expected each header to be of type String."
		}
	}
	return ""
}
