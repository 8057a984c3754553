package hubprotocol

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

// jsonBodies are bodies of REST sends in application/json.
var jsonBodies = []struct {
	name, body        string
	target, arguments string
	err               error
}{
	{"R17 target and arguments", `{"target":"m","arguments":[1,"x"]}`, "m", `[1,"x"]`, nil},
	{"R17 names in capitals, arguments null", `{"Target":"m","Arguments":null}`, "m", `[]`, nil},
	{"R17 no arguments", `{"target":"m"}`, "m", `[]`, nil},
	{"R17 empty object", `{}`, "", "", ErrTargetMissing},
	{"R17 no body", ``, "", "", ErrMalformed},
	{"R18 malformed JSON", `{"target":"m"`, "", "", ErrMalformed},
	{"names in any case", `{"TARGET":"m","aRGUMENTS":[]}`, "m", `[]`, nil},
	{"escaped names", `{"T\u0061rget":"m","\u0061rguments":[1]}`, "m", `[1]`, nil},
	{"a letter that folds to s is no s", `{"target":"m","argumentſ":[1]}`, "m", `[]`, nil},
	{"members to ignore", `{"rawBytes":{"json":"AA=="},"target":"m","rawOnly":true,"x":[{}]}`, "m", `[]`, nil},
	{"white space", " {\n\"target\" : \"m\" ,\t\"arguments\" : [ 1 ] } \r\n", "m", `[ 1 ]`, nil},
	{"byte order mark", "\uFEFF{\"target\":\"m\"}", "m", `[]`, nil},
	{"escapes in the target", `{"target":"\u00e9\n"}`, "é\n", `[]`, nil},
	{"the last of equal members counts", `{"target":"a","Target":"b","arguments":[1],"Arguments":[2]}`, "b", `[2]`, nil},
	{"null behind a value", `{"target":"a","arguments":[1],"arguments":null}`, "a", `[]`, nil},
	{"target taken back", `{"target":"a","target":null}`, "", "", ErrTargetMissing},
	{"empty target", `{"target":""}`, "", "", ErrTargetEmpty},
	{"target null", `{"target":null}`, "", "", ErrTargetMissing},
	{"target a number", `{"target":1}`, "", "", ErrMalformed},
	{"half a surrogate pair in the target", `{"target":"\ud800"}`, "", "", ErrMalformed},
	{"arguments an object", `{"target":"m","arguments":{"0":1}}`, "", "", ErrArgumentsNotArray},
	{"arguments text", `{"target":"m","arguments":"[]"}`, "", "", ErrArgumentsNotArray},
	{"not an object", `["m"]`, "", "", ErrMalformed},
	{"null", `null`, "", "", ErrMalformed},
	{"something follows", `{"target":"m"}{}`, "", "", ErrMalformed},
	{"invalid UTF-8", "{\"target\":\"m\",\"arguments\":[\"\xff\"]}", "", "", ErrMalformed},
	{"too deep", `{"target":"m","arguments":` + nested("[", "", "]", MaxDepth) + `}`, "", "", ErrMalformed},
	{"as deep as allowed", `{"target":"m","arguments":` + nested("[", "", "]", MaxDepth-1) + `}`,
		"m", nested("[", "", "]", MaxDepth-1), nil},
}

func TestParseJSONBody(t *testing.T) {
	for _, c := range jsonBodies {
		t.Run(c.name, func(t *testing.T) {
			target, arguments, err := ParseJSONBody([]byte(c.body))
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.target, target)
			require.Equal(t, c.arguments, string(arguments))
			if c.err == nil {
				_, err = NewInvocation(JSON, target, arguments)
				require.NoError(t, err)
			}
		})
	}
}

func TestParseMessagePackBody(t *testing.T) {
	target := func(name, value string) []byte {
		return msgp.AppendString(msgp.AppendString(nil, name), value)
	}
	for _, c := range []struct {
		name      string
		body      []byte
		target    string
		arguments string // hex
		err       error
	}{
		{"R22 vector", unhex(t, packedMessage), "newMessage", "91a26869", nil},
		{"names in capitals", append([]byte{0x82}, append(target("Target", "m"), target("ARGUMENTS", "")...)...), "", "", ErrArgumentsNotArray},
		{"arguments nil", append([]byte{0x82}, append(append(target("Target", "m"), msgp.AppendString(nil, "Arguments")...), 0xc0)...), "m", "90", nil},
		{"no arguments", append([]byte{0x81}, target("target", "m")...), "m", "90", nil},
		{"members to ignore", append([]byte{0x83, 0xa0, 0x80, 0xa1, 'x', 0x92, 1, 2}, target("target", "m")...), "m", "90", nil},
		{"empty map", []byte{0x80}, "", "", ErrTargetMissing},
		{"target nil", append(append([]byte{0x81}, msgp.AppendString(nil, "target")...), 0xc0), "", "", ErrTargetMissing},
		{"target empty", append([]byte{0x81}, target("target", "")...), "", "", ErrTargetEmpty},
		{"target a number", append(append([]byte{0x81}, msgp.AppendString(nil, "target")...), 0x01), "", "", ErrMalformed},
		{"target no UTF-8", append([]byte{0x81}, target("target", "\xff")...), "", "", ErrMalformed},
		{"arguments a map", append([]byte{0x82}, append(append(target("target", "m"), msgp.AppendString(nil, "arguments")...), 0x80)...),
			"", "", ErrArgumentsNotArray},
		{"arguments cut short", append([]byte{0x82}, append(append(target("target", "m"), msgp.AppendString(nil, "arguments")...), 0x91)...),
			"", "", ErrMalformed},
		{"a key that is no text", append([]byte{0x82, 0x01, 0x01}, target("target", "m")...), "", "", ErrMalformed},
		{"no body", nil, "", "", ErrMalformed},
		{"an array", []byte{0x90}, "", "", ErrMalformed},
		{"cut short", unhex(t, packedMessage[:20]), "", "", ErrMalformed},
		{"something follows", append(unhex(t, packedMessage), 0xc0), "", "", ErrMalformed},
		{"4 billion members that are not there", []byte{0xdf, 0xff, 0xff, 0xff, 0xff}, "", "", ErrMalformed},
		{"too deep", append([]byte{0x82}, append(append(target("target", "m"), msgp.AppendString(nil, "arguments")...),
			strings.Repeat("\x91", MaxDepth)+"\xc0"...)...), "", "", ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			target, arguments, err := ParseMessagePackBody(c.body)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.target, target)
			if c.err == nil {
				require.Equal(t, unhex(t, c.arguments), arguments)
				_, err = NewInvocation(MessagePack, target, arguments)
				require.NoError(t, err)
			}
		})
	}
	t.Run("R22 x-msgpack reaches both protocols", func(t *testing.T) {
		target, arguments, err := ParseMessagePackBody(unhex(t, packedMessage))
		require.NoError(t, err)
		f, err := NewInvocation(MessagePack, target, arguments)
		require.NoError(t, err)
		payloads, err := ParseOctetStreamBody(unhex(t, octetBoth))
		require.NoError(t, err)
		for protocol, want := range payloads {
			got, ok := f.For(protocol)
			require.True(t, ok)
			require.Equal(t, string(want), string(got))
		}
	})
}

func TestParseOctetStreamBody(t *testing.T) {
	const asJSON = "{\"type\":1,\"target\":\"newMessage\",\"arguments\":[\"hi\"]}\x1e"
	t.Run("R23 vector, JSON only", func(t *testing.T) {
		payloads, err := ParseOctetStreamBody(unhex(t, octetJSONOnly))
		require.NoError(t, err)
		require.Equal(t, map[string][]byte{JSON: []byte(asJSON)}, payloads)
	})
	t.Run("R23 vector, both", func(t *testing.T) {
		payloads, err := ParseOctetStreamBody(unhex(t, octetBoth))
		require.NoError(t, err)
		require.Equal(t, map[string][]byte{
			JSON:        []byte(asJSON),
			MessagePack: unhex(t, "14960180c0aa6e65774d65737361676591a2686990"),
		}, payloads)
	})

	pair := func(name string, payload []byte) []byte {
		return msgp.AppendBytes(msgp.AppendString(nil, name), payload)
	}
	bodyOf := func(pairs ...[]byte) []byte {
		return append(msgp.AppendMapHeader(nil, uint32(len(pairs))), bytes.Join(pairs, nil)...)
	}
	many := func(n int) (pairs [][]byte) {
		for i := range n {
			pairs = append(pairs, pair(strings.Repeat("p", i+1), []byte{1}))
		}
		return pairs
	}
	for _, c := range []struct {
		name string
		body []byte
		want int // payloads, 0 for an error
	}{
		{"any name, any bytes", bodyOf(pair("Custom", []byte{0xc1})), 1},
		{"name in capitals", bodyOf(pair("JSON", []byte("{}\x1e"))), 1},
		{"several records", bodyOf(pair(JSON, []byte("{}\x1e{}\x1e")), pair(BlazorPack, []byte{0, 2, 0x91, 6})), 2},
		{"16 protocols", bodyOf(many(16)...), 16},
		{"17 protocols", bodyOf(many(17)...), 0},
		{"4 billion protocols", []byte{0xdf, 0xff, 0xff, 0xff, 0xff}, 0},
		{"name of 64 bytes", bodyOf(pair(strings.Repeat("p", 64), []byte{1})), 1},
		{"name of 65 bytes", bodyOf(pair(strings.Repeat("p", 65), []byte{1})), 0},
		{"empty name", bodyOf(pair("", []byte{1})), 0},
		{"name that is no UTF-8", bodyOf(pair("\xff", []byte{1})), 0},
		{"name a number", []byte{0x81, 0x01, 0xc4, 0x01, 0x00}, 0},
		{"the same name twice", bodyOf(pair(JSON, []byte("{}\x1e")), pair("Json", []byte("{}\x1e"))), 0},
		{"no payload", bodyOf(), 0},
		{"empty payload", bodyOf(pair(JSON, nil)), 0},
		{"empty payload of another protocol", bodyOf(pair("custom", nil)), 0},
		{"payload as text", append([]byte{0x81}, msgp.AppendString(msgp.AppendString(nil, JSON), "{}\x1e")...), 0},
		{"payload of 4 GB that is not there", []byte{0x81, 0xa1, 'p', 0xc6, 0xff, 0xff, 0xff, 0xff}, 0},
		{"JSON without separator", bodyOf(pair(JSON, []byte("{}"))), 0},
		{"JSON with half a record", bodyOf(pair(JSON, []byte("{}\x1e{"))), 0},
		{"MessagePack without prefix", bodyOf(pair(MessagePack, []byte{0x91, 6})), 0},
		{"MessagePack cut short", bodyOf(pair(MessagePack, []byte{3, 0x91, 6})), 0},
		{"no body", nil, 0},
		{"not a map", []byte{0x90}, 0},
		{"something follows", append(bodyOf(pair("p", []byte{1})), 0), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			payloads, err := ParseOctetStreamBody(c.body)
			if c.want == 0 {
				require.ErrorIs(t, err, ErrMalformed)
				require.Nil(t, payloads)
				return
			}
			require.NoError(t, err)
			require.Len(t, payloads, c.want)
			for name := range payloads {
				require.Equal(t, strings.ToLower(name), name)
			}
		})
	}
}
