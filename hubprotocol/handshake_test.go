package hubprotocol

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const handshakePrefix = "An unexpected error occurred during connection handshake. "

// handshakeCase is one handshake request and what ASP.NET Core answered.
type handshakeCase struct {
	name   string
	record string
	want   HandshakeRequest
	text   string // the error's text, empty if the request is accepted
}

var handshakes = []handshakeCase{
	{"C63 handshake json", `{"protocol":"json","version":1}`, HandshakeRequest{JSON, 1}, ""},
	{"C63 handshake messagepack", `{"protocol":"messagepack","version":1}`, HandshakeRequest{MessagePack, 1}, ""},
	{"version 0", `{"protocol":"json","version":0}`, HandshakeRequest{JSON, 0}, ""},
	{"version 2", `{"protocol":"json","version":2}`, HandshakeRequest{JSON, 2}, ""},
	{"C64 version 99", `{"protocol":"json","version":99}`, HandshakeRequest{JSON, 99},
		"The server does not support version 99 of the 'json' protocol."},
	{"C64 version below 0", `{"protocol":"json","version":-1}`, HandshakeRequest{JSON, -1},
		"The server does not support version -1 of the 'json' protocol."},
	{"C64 unknown protocol", `{"protocol":"xml","version":1}`, HandshakeRequest{"xml", 1},
		"The protocol 'xml' is not supported."},
	{"no version", `{"protocol":"json"}`, HandshakeRequest{}, handshakePrefix + "Missing required property 'version'."},
	{"no protocol", `{"version":1}`, HandshakeRequest{}, handshakePrefix + "Missing required property 'protocol'."},
	{"empty object", `{}`, HandshakeRequest{}, handshakePrefix + "Missing required property 'protocol'."},
	{"not json", `hello`, HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"empty record", ``, HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"white space", " \n", HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"array", `["json",1]`, HandshakeRequest{},
		handshakePrefix + "Unexpected JSON Token Type 'Array'. Expected a JSON Object."},
	{"extra members", `{"x":{"protocol":"xml"},"protocol":"json","y":[1,2],"version":1,"z":null}`,
		HandshakeRequest{JSON, 1}, ""},
	{"C71 members in other order", `{"version":1,"protocol":"json"}`, HandshakeRequest{JSON, 1}, ""},
	{"white space everywhere", " {\t\"protocol\" :\r\"json\"\n, \"version\" : 1 } ", HandshakeRequest{JSON, 1}, ""},
	{"protocol in capitals", `{"protocol":"JSON","version":1}`, HandshakeRequest{JSON, 1}, ""},
	{"Kelvin sign is no k", "{\"protocol\":\"messagepac\u212a\",\"version\":1}", HandshakeRequest{"messagepac\u212a", 1},
		"The protocol 'messagepac\u212a' is not supported."},
	{"escaped names and values", `{"protoco\u006c":"\u006a\u0073on","\u0076ersion":1}`, HandshakeRequest{JSON, 1}, ""},
	{"the last of equal members counts", `{"protocol":"xml","protocol":"json","version":7,"version":1}`,
		HandshakeRequest{JSON, 1}, ""},
	{"invocation before handshake", `{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}`,
		HandshakeRequest{}, handshakePrefix + "Missing required property 'protocol'."},
	{"protocol is a number", `{"protocol":1,"version":1}`, HandshakeRequest{},
		handshakePrefix + "Expected 'protocol' to be of type String."},
	{"protocol is null", `{"protocol":null,"version":1}`, HandshakeRequest{},
		handshakePrefix + "Expected 'protocol' to be of type String."},
	{"version is text", `{"protocol":"json","version":"1"}`, HandshakeRequest{},
		handshakePrefix + "Expected 'version' to be of type Number."},
	{"version is a fraction", `{"protocol":"json","version":1.0}`, HandshakeRequest{},
		handshakePrefix + "Expected 'version' to be a 32-bit integer."},
	{"version over 32 bits", `{"protocol":"json","version":4294967297}`, HandshakeRequest{},
		handshakePrefix + "Expected 'version' to be a 32-bit integer."},
	{"something follows", `{"protocol":"json","version":1}x`, HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"no closing brace", `{"protocol":"json","version":1`, HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"comma at the end", `{"protocol":"json","version":1,}`, HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"no comma", `{"protocol":"json" "version":1}`, HandshakeRequest{}, handshakePrefix + "Error reading JSON."},
	{"deep nesting", `{"protocol":"json","version":1,"x":` + nested("[", "", "]", 64) + `}`, HandshakeRequest{},
		handshakePrefix + "Error reading JSON."},
	{"invalid UTF-8", "{\"protocol\":\"json\",\"version\":1,\"x\":\"\xff\"}", HandshakeRequest{},
		handshakePrefix + "Cannot transcode invalid UTF-8 JSON text to UTF-16 string."},
	{"half a surrogate pair", `{"protocol":"\ud800","version":1}`, HandshakeRequest{},
		handshakePrefix + "Cannot read incomplete UTF-16 JSON text in 'protocol'."},
}

func TestHandshakeRequest(t *testing.T) {
	for _, c := range handshakes {
		t.Run(c.name, func(t *testing.T) {
			request, err := ParseHandshake([]byte(c.record))
			require.Equal(t, c.want, request)
			if err == nil {
				err = request.Check(Supported)
			}
			if c.text == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.text)
			require.ErrorIs(t, err, ErrMalformed)
		})
	}
	t.Run("a long protocol name is not echoed in full", func(t *testing.T) {
		err := HandshakeRequest{Protocol: "x" + strings.Repeat("é", 500), Version: 1}.Check(Supported)
		require.Error(t, err)
		require.Less(t, len(err.Error()), 120)
		require.True(t, utf8.ValidString(err.Error()))
	})
}

func TestCutHandshake(t *testing.T) {
	const request = `{"protocol":"json","version":1}`
	t.Run("record joined to the handshake", func(t *testing.T) {
		record, rest, err := CutHandshake([]byte(request+"\x1e{\"type\":6}\x1e"), 100)
		require.NoError(t, err)
		require.Equal(t, request, string(record))
		require.Equal(t, "{\"type\":6}\x1e", string(rest))
	})
	t.Run("handshake spread over messages", func(t *testing.T) {
		for n := range len(request) + 1 {
			record, rest, err := CutHandshake([]byte(request[:n]), len(request))
			require.NoError(t, err)
			require.Nil(t, record)
			require.Equal(t, request[:n], string(rest))
		}
		record, rest, err := CutHandshake([]byte(request+"\x1e"), len(request))
		require.NoError(t, err)
		require.Equal(t, request, string(record))
		require.Empty(t, rest)
	})
	t.Run("handshake over the limit", func(t *testing.T) {
		_, _, err := CutHandshake([]byte(request), len(request)-1)
		require.ErrorIs(t, err, ErrTooLarge)
		_, _, err = CutHandshake([]byte(request+"\x1e"), len(request)-1)
		require.ErrorIs(t, err, ErrTooLarge)
		_, _, err = CutHandshake([]byte("x"), -5)
		require.ErrorIs(t, err, ErrTooLarge)
	})
	t.Run("an empty record is a record", func(t *testing.T) {
		record, rest, err := CutHandshake([]byte{RecordSeparator, 'x'}, 10)
		require.NoError(t, err)
		require.NotNil(t, record)
		require.Empty(t, record)
		require.Equal(t, "x", string(rest))
	})
}

func TestHandshakeResponse(t *testing.T) {
	t.Run("C63 answer", func(t *testing.T) {
		require.Equal(t, "x{}\x1e", string(AppendHandshakeResponse([]byte("x"), "")))
	})
	t.Run("C64 refusal", func(t *testing.T) {
		const text = "no \"x\"\\\n\x1e\x00 é\u2028 <&>"
		response := AppendHandshakeResponse(nil, text)
		require.Equal(t, byte(RecordSeparator), response[len(response)-1])
		var answer map[string]string
		require.NoError(t, json.Unmarshal(response[:len(response)-1], &answer))
		require.Equal(t, map[string]string{"error": text}, answer)
		require.Equal(t, 1, strings.Count(string(response), "\x1e"))
	})
	t.Run("text that is no UTF-8", func(t *testing.T) {
		require.Equal(t, "{\"error\":\"a\uFFFDb\"}\x1e", string(AppendHandshakeResponse(nil, "a\xffb")))
	})
}
