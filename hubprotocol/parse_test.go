package hubprotocol

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const invocationStart = `"type":1,"target":"Echo","arguments":[`

// captures are the records of the captured WebSocket sessions: what ASP.NET Core closed
// the connection for, with its error detail, and what it let pass (no text).
var captures = []struct {
	name, record, text string
}{
	{"second handshake", `{"protocol":"json","version":1}`, "Missing required property 'type'."},
	{"ping", `{"type":6}`, ""},
	{"close", `{"type":7}`, ""},
	{"close with error", `{"type":7,"error":"bye"}`, ""},
	{"not json", `hello`, "Error reading JSON."},
	{"json, not an object", `[1,2]`, "Unexpected JSON Token Type 'Array'. Expected a JSON Object."},
	{"no type", `{"target":"Echo"}`, "Missing required property 'type'."},
	{"type is text", `{"type":"1"}`, "Expected 'type' to be of type Number."},
	{"C75 unknown type 99", `{"type":99}`, ""},
	{"invocation without target", `{"type":1,"arguments":[]}`, "Missing required property 'target'."},
	{"invocation without arguments", `{"type":1,"target":"Echo"}`, "Missing required property 'arguments'."},
	{"invocation, arguments null", `{"type":1,"target":"Echo","arguments":null}`,
		"Expected 'arguments' to be of type Array."},
	{"invocation, arguments object", `{"type":1,"target":"Echo","arguments":{}}`,
		"Expected 'arguments' to be of type Array."},
	{"invocation, numeric id", `{"type":1,"invocationId":1,"target":"Echo","arguments":[]}`,
		"Expected 'invocationId' to be of type String."},
	{"invocation, empty id", `{"type":1,"invocationId":"","target":"Echo","arguments":[]}`, ""},
	{"invocation, target number", `{"type":1,"target":5,"arguments":[]}`, "Expected 'target' to be of type String."},
	{"C71 members in the order of TS 8", `{"arguments":["x"],"invocationId":"9","target":"Echo","type":1}`, ""},
	{"C71 members in the order of TS 10", `{"target":"Echo","arguments":["x"],"invocationId":"9","type":1}`, ""},
	{"C71 members in the order of .NET", `{"type":1,"invocationId":"9","target":"Echo","arguments":["x"]}`, ""},
	{"stream invocation", `{"type":4,"invocationId":"1","target":"NoSuchStream","arguments":[]}`, ""},
	{"stream item for nobody", `{"type":2,"invocationId":"77","item":1}`, ""},
	{"completion for nobody", `{"type":3,"invocationId":"77"}`, ""},
	{"completion with result and error", `{"type":3,"invocationId":"77","result":1,"error":"x"}`,
		"The 'error' and 'result' properties are mutually exclusive."},
	{"completion with null result and empty error", `{"type":3,"invocationId":"77","result":null,"error":""}`,
		"The 'error' and 'result' properties are mutually exclusive."},
	{"cancel for nobody", `{"type":5,"invocationId":"77"}`, ""},
	{"ack without stateful reconnect", `{"type":8,"sequenceId":1}`, ""},
	{"sequence without stateful reconnect", `{"type":9,"sequenceId":1}`, ""},
	{"empty record", ``, "Error reading JSON."},
	{"invalid utf-8 in a record", "{" + invocationStart + "\"\xff\"]}", textNotUTF8},
	{"duplicate members", `{"type":1,"invocationId":"1","target":"A","target":"Echo","invocationId":"2","arguments":[]}`, ""},
	{"deep nesting", "{" + invocationStart + nested("[", "", "]", 1000) + "]}", "Error reading JSON."},
	{"headers", `{"type":1,"headers":{"a":"b"},"invocationId":"1","target":"Echo","arguments":[]}`, ""},
}

// strictness are records without a capture, by the code of ASP.NET Core.
var strictness = []struct {
	name, record, text string
}{
	{"64 containers", "{" + invocationStart + nested("[", "", "]", 62) + "]}", ""},
	{"65 containers", "{" + invocationStart + nested(`{"a":`, "1", "}", 63) + "]}", "Error reading JSON."},
	{"65 containers in a member that nobody knows", `{"type":6,"x":` + nested("[", "", "]", 64) + `}`, "Error reading JSON."},
	{"type is a fraction", `{"type":6.0}`, "Expected 'type' to be a 32-bit integer."},
	{"type has an exponent", `{"type":6e0}`, "Expected 'type' to be a 32-bit integer."},
	{"type over 32 bits", `{"type":4294967302}`, "Expected 'type' to be a 32-bit integer."},
	{"type is null", `{"type":null}`, "Expected 'type' to be of type Number."},
	{"C75 type below 0", `{"type":-6}`, ""},
	{"C75 type beyond a byte", `{"type":262}`, ""},
	{"C75 unknown type with members of its own", `{"type":42,"item":{"a":[1]},"other":null}`, ""},
	{"unknown type with a known member of a wrong kind", `{"type":42,"target":1}`, "Expected 'target' to be of type String."},
	{"empty target", `{"type":1,"target":"","arguments":[]}`, "Missing required property 'target'."},
	{"target null", `{"type":1,"target":null,"arguments":[]}`, "Expected 'target' to be of type String."},
	{"id null", `{"type":1,"invocationId":null,"target":"m","arguments":[]}`, "Expected 'invocationId' to be of type String."},
	{"stream invocation without id", `{"type":4,"target":"S","arguments":[]}`, "Missing required property 'invocationId'."},
	{"stream invocation, empty id", `{"type":4,"invocationId":"","target":"S","arguments":[]}`,
		"Missing required property 'invocationId'."},
	{"stream invocation without arguments", `{"type":4,"invocationId":"1","target":"S"}`, "Missing required property 'arguments'."},
	{"stream item without id", `{"type":2,"item":1}`, "Missing required property 'invocationId'."},
	{"stream item without item", `{"type":2,"invocationId":"1"}`, "Missing required property 'item'."},
	{"completion without id", `{"type":3,"result":1}`, "Missing required property 'invocationId'."},
	{"completion, error null", `{"type":3,"invocationId":"1","error":null}`, "Expected 'error' to be of type String."},
	{"cancel without id", `{"type":5}`, "Missing required property 'invocationId'."},
	{"stream ids null", `{` + invocationStart + `],"streamIds":null}`, "Expected 'streamIds' to be of type Array."},
	{"stream ids of numbers", `{` + invocationStart + `],"streamIds":["1",2]}`, "Expected 'streamIds' to be of type String."},
	{"stream ids of arrays", `{` + invocationStart + `],"streamIds":[["1"]]}`,
		"Expected 'streamIds' to be of type Array of String."},
	{"headers no object", `{` + invocationStart + `],"headers":[]}`, "Expected 'headers' to be of type Object."},
	{"header of a number", `{` + invocationStart + `],"headers":{"a":"b","c":1}}`, "Expected each header to be of type String."},
	{"allowReconnect is text", `{"type":7,"allowReconnect":"true"}`, "Expected 'allowReconnect' to be of type Boolean."},
	{"sequence id is text", `{"type":8,"sequenceId":"1"}`, "Expected 'sequenceId' to be of type Number."},
	{"sequence id below 0", `{"type":8,"sequenceId":-1}`, "Expected 'sequenceId' to be a positive 64-bit integer."},
	{"sequence id over 63 bits", `{"type":8,"sequenceId":9223372036854775808}`,
		"Expected 'sequenceId' to be a positive 64-bit integer."},
	{"half a surrogate pair in an id", `{"type":3,"invocationId":"\udc00"}`,
		"Cannot read incomplete UTF-16 JSON text in 'invocationId'."},
	{"half a surrogate pair in an argument", `{` + invocationStart + `"\ud800"]}`, ""},
	{"two values", `{"type":6}{"type":6}`, "Error reading JSON."},
	{"comma at the end", `{"type":6,}`, "Error reading JSON."},
	{"comma at the start", `{,"type":6}`, "Error reading JSON."},
	{"name without quotes", `{type:6}`, "Error reading JSON."},
	{"no colon", `{"type" 6}`, "Error reading JSON."},
	{"no value", `{"type":}`, "Error reading JSON."},
	{"comment", `{"type":6/**/}`, "Error reading JSON."},
	{"number", `6`, "Unexpected JSON Token Type 'Number'. Expected a JSON Object."},
	{"null", `null`, "Unexpected JSON Token Type 'Null'. Expected a JSON Object."},
	{"true", `true`, "Unexpected JSON Token Type 'Boolean'. Expected a JSON Object."},
	{"string", `"x"`, "Unexpected JSON Token Type 'String'. Expected a JSON Object."},
}

func TestParseJSON(t *testing.T) {
	for _, c := range append(captures, strictness...) {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse(JSON, []byte(c.record))
			if c.text == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.text)
			require.ErrorIs(t, err, ErrMalformed)
			require.Equal(t, Message{}, m)
		})
	}
	t.Run("the last of equal members counts", func(t *testing.T) {
		record := []byte(`{"type":6,"target":"A","target":"B","type":1,"invocationId":"1","invocationId":"2",` +
			`"arguments":[1],"arguments":[2],"streamIds":["a"],"streamIds":["b"]}`)
		m, err := Parse(JSON, record)
		require.NoError(t, err)
		require.Equal(t, Message{Type: Invocation, InvocationID: "2", HasID: true, Target: "B",
			Arguments: []byte("[2]"), StreamIDs: []string{"b"}}, m)
		p, err := Peek(JSON, record)
		require.NoError(t, err)
		require.Equal(t, Invocation, p.Type)
		require.True(t, p.SameID("2"))
		require.Equal(t, "B", string(p.Target))
	})
	t.Run("escapes", func(t *testing.T) {
		record := []byte(`{"\u0074ype":1,"invocation\u0049d":"\u0031\/\b\f\n\r\t\"\\é\ud83d\ude00","target":"T\u00e9",` +
			`"arguments":["\u0000"],"streamIds":["\u0041"]}`)
		m, err := Parse(JSON, record)
		require.NoError(t, err)
		require.Equal(t, Message{Type: Invocation, InvocationID: "1/\b\f\n\r\t\"\\é😀", HasID: true, Target: "Té",
			Arguments: []byte(`["\u0000"]`), StreamIDs: []string{"A"}}, m)
		p, err := Peek(JSON, record)
		require.NoError(t, err)
		require.True(t, p.SameID(m.InvocationID))
		require.False(t, p.SameID("1"))
	})
	t.Run("white space", func(t *testing.T) {
		m, err := Parse(JSON, []byte(" { \"type\" : 1 ,\n\"target\"\t:\"m\",\r\"arguments\" : [ 1 , 2 ] , \"streamIds\" : [ \"a\" , \"b\" ] } "))
		require.NoError(t, err)
		require.Equal(t, Message{Type: Invocation, Target: "m", Arguments: []byte("[ 1 , 2 ]"), StreamIDs: []string{"a", "b"}}, m)
	})
	t.Run("an empty error is an error", func(t *testing.T) {
		m, err := Parse(JSON, []byte(`{"type":3,"invocationId":"1","error":""}`))
		require.NoError(t, err)
		require.True(t, m.HasError)
	})
	t.Run("every prefix of a record is malformed", func(t *testing.T) {
		for _, v := range vectors {
			for n := range len(v.json) {
				_, err := Parse(JSON, []byte(v.json[:n]))
				require.ErrorIs(t, err, ErrMalformed, v.json[:n])
			}
		}
	})
}

// packedCases are MessagePack bodies without length prefix, by the code of ASP.NET Core.
var packedCases = []struct {
	name, body string
	ok         bool
}{
	{"empty body", "", false},
	{"no array", "80", false},
	{"empty array", "90", false},
	{"C75 unknown type", "9163", true},
	{"C75 unknown type with anything", "9363c081a161d1ffff", true},
	{"C75 type beyond a byte", "91cd0106", true},
	{"C75 type below 0", "91ff", true},
	{"type is text", "91a136", false},
	{"type is a float", "91ca40c00000", false},
	{"type over 32 bits", "91cf0000000100000006", false},
	{"type of any width: uint8", "91cc06", true},
	{"type of any width: int64", "91d30000000000000006", true},
	{"C72 headers nil", "9501c0c0a14190", true},
	{"C72 headers with text", "950181a161a162c0a14190", true},
	{"C72 id empty", "950180a0a14190", true},
	{"C72 more elements than known", "980180a130a1419090c3c0", true},
	{"headers of numbers", "950181a16101c0a14190", false},
	{"headers with an empty key", "950181a0a162c0a14190", false},
	{"headers no map", "950190c0a14190", false},
	{"headers with a count that is not there", "9501dfffffffffa161", false},
	{"id is a number", "95018001a14190", false},
	{"id is no UTF-8", "950180a1ffa14190", false},
	{"target nil", "950180c0c090", false},
	{"target empty", "950180c0a090", false},
	{"target is no UTF-8", "950180c0a1ff90", false},
	{"arguments nil", "950180c0a141c0", false},
	{"arguments are a map", "950180c0a14180", false},
	{"arguments missing", "940180c0a141", false},
	{"arguments behind the array's end", "940180c0a14190", false},
	{"arguments with a count that is not there", "950180c0a141ddffffffff", false},
	{"arguments of 2 GB that are not there", "950180c0a14191c6ffffffff", false},
	{"stream ids nil", "960180c0a14190c0", false},
	{"stream ids with an empty one", "960180c0a1419091a0", false},
	{"stream ids with nil", "960180c0a1419091c0", false},
	{"stream ids with a count that is not there", "960180c0a14190ddffffffff", false},
	{"stream item, id empty", "940280a001", false},
	{"stream item without item", "930280a130", false},
	{"completion, id nil", "940380c002", false},
	{"completion, kind 0", "940380a13000", false},
	{"completion, kind 4", "950380a13004c0", false},
	{"completion, error without text", "940380a13001", false},
	{"completion, error nil", "950380a13001c0", true},
	{"completion, error is a number", "950380a1300101", false},
	{"completion, result missing", "940380a13003", false},
	{"completion, void with a value", "950380a13002c0", true},
	{"stream invocation, id nil", "950480c0a15390", false},
	{"cancel, id empty", "930580a0", false},
	{"close without error element", "9107", false},
	{"close, error is a number", "920701", false},
	{"close, allowReconnect nil", "9307c0c0", false},
	{"ack without id", "9108", false},
	{"ack below 0", "9208ff", false},
	{"ack over 63 bits", "9208cf8000000000000000", false},
	{"ack of 63 bits", "9208cf7fffffffffffffff", true},
	{"ack in an array of one", "910801", false},
	{"something follows", "9106c0", false},
	{"an element is missing", "9206", false},
	{"0xc1", "9206c1", false},
}

func TestParseMessagePack(t *testing.T) {
	for _, c := range packedCases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(MessagePack, unhex(t, c.body))
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrMalformed)
			require.NotEmpty(t, err.Error())
		})
	}
	t.Run("C72 an empty or nil id is none", func(t *testing.T) {
		for _, id := range []string{"c0", "a0", "d900"} {
			record := unhex(t, "950180"+id+"a14190")
			m, err := Parse(MessagePack, record)
			require.NoError(t, err)
			require.False(t, m.HasID)
			p, err := Peek(MessagePack, record)
			require.NoError(t, err)
			require.False(t, p.HasID)
			require.False(t, p.SameID(""))
		}
	})
	t.Run("a backslash in an id is no escape", func(t *testing.T) {
		p, err := Peek(MessagePack, unhex(t, "940380a25c6e02"))
		require.NoError(t, err)
		require.True(t, p.SameID(`\n`))
		require.False(t, p.SameID("\n"))
	})
	t.Run("deep nesting", func(t *testing.T) {
		invocation := func(depth int) []byte {
			return unhex(t, "950180c0a141"+nested("91", "90", "", depth-2))
		}
		_, err := Parse(MessagePack, invocation(MaxDepth))
		require.NoError(t, err)
		_, err = Parse(MessagePack, invocation(MaxDepth+1))
		require.ErrorIs(t, err, ErrMalformed)
		_, err = Parse(MessagePack, invocation(100_000))
		require.ErrorIs(t, err, ErrMalformed)
	})
	t.Run("every prefix of a record is malformed", func(t *testing.T) {
		for _, v := range vectors {
			record := body(t, MessagePack, unhex(t, v.packed))
			for n := range record {
				_, err := Parse(MessagePack, record[:n])
				require.ErrorIs(t, err, ErrMalformed, "%s: %x", v.name, record[:n])
			}
		}
	})
}

func TestPeekIsLenient(t *testing.T) {
	for _, c := range []struct{ name, protocol, record string }{
		{"arguments of a wrong kind", JSON, `{"type":3,"invocationId":"7","arguments":null}`},
		{"arguments that are no JSON", JSON, `{"type":3,"arguments":[tru,{]],"invocationId":"7"}`},
		{"arguments too deep", JSON, `{"type":3,"x":` + nested("[", "", "]", 5000) + `,"invocationId":"7"}`},
		{"something follows", JSON, `{"type":3,"invocationId":"7"} x`},
		{"brackets and quotes in strings", JSON, `{"a":"}]\"","b":{"c":"}\\"},"type":3 ,"invocationId": "7" }`},
		{"result too deep", MessagePack, hex.EncodeToString([]byte{0x95, 3, 0x80, 0xa1, '7', 3}) + strings.Repeat("91", 5000) + "c0"},
		{"result cut short", MessagePack, "950380a13703dc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			record := []byte(c.record)
			if c.protocol == MessagePack {
				record = unhex(t, c.record)
			}
			p, err := Peek(c.protocol, record)
			require.NoError(t, err)
			require.Equal(t, Completion, p.Type)
			require.True(t, p.SameID("7"))
		})
	}
	for _, record := range []string{``, `[]`, `{`, `{}`, `{"type":"3"}`, `{"type":3`, `{"type":3,"a":[`, `{"type":3,"a":"`, `{"type":3 4}`} {
		_, err := Peek(JSON, []byte(record))
		require.ErrorIs(t, err, ErrMalformed, record)
	}
	for _, record := range []string{"", "90", "80", "91a0", "9501", "950180c001"} {
		_, err := Peek(MessagePack, unhex(t, record))
		require.ErrorIs(t, err, ErrMalformed, record)
	}
	t.Run("an id that is no text is none", func(t *testing.T) {
		p, err := Peek(JSON, []byte(`{"type":1,"invocationId":7}`))
		require.NoError(t, err)
		require.False(t, p.HasID)
	})
}

func TestResultsShareMemory(t *testing.T) {
	record := []byte(`{"type":1,"target":"m","arguments":[1]}`)
	m, err := Parse(JSON, record)
	require.NoError(t, err)
	copy(record[bytes.IndexByte(record, '['):], "[2]")
	require.Equal(t, "[2]", string(m.Arguments))
	require.Equal(t, 3, cap(m.Arguments), "appending must not write into the record")
}
