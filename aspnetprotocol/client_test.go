package aspnetprotocol

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseCall(t *testing.T) {
	for text, want := range map[string]Call{
		`{"H":"chathub","M":"hello","A":["x",1],"I":0}`:                  {"0", true},
		`{"H":"chathub","M":"hello","A":[],"I":"17","S":{}}`:             {"17", true},
		`{"I":"a\u0042","H":"c","M":"m"}`:                                {"aB", true},
		`{"H":"c","M":"m","A":null}`:                                     {},
		`{"H":"c","M":"m","I":null}`:                                     {},
		` {"h":"c","m":"m","a":[],"i":3} `:                               {"3", true},
		`{"H":"c","M":"m","I":1,"I":-2}`:                                 {"-2", true},
		`{"H":"c","M":"m","I":"` + strings.Repeat("x", MaxCallID) + `"}`: {strings.Repeat("x", MaxCallID), true},
	} {
		call, err := ParseCall([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, call, text)
	}
	for _, text := range []string{
		ReconnectText, "", "{}", "null", `"x"`, `[1]`, `{"H":"c"}`, `{"M":"m"}`, `{"H":1,"M":"m"}`, `{"H":"c","M":null}`, `{"H":"c","M":"m","A":{}}`,
		`{"H":"c","M":"m","I":true}`, `{"H":"c","M":"m","I":{}}`, `{"H":"c","M":"m"}x`, `{"H":"c","M":"m"`, "{\"H\":\"\xff\",\"M\":\"m\"}",
		`{"H":"c","M":"m","I":` + strings.Repeat("1", MaxCallID+1) + `}`, `{"H":"c","M":"m","I":"` + strings.Repeat("1", MaxCallID+1) + `"}`,
		`{"H":"c","M":"m","A":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`,
		`{"H":"c","M":"m"` + strings.Repeat(`,"x":1`, MaxMembers) + `}`,
	} {
		call, err := ParseCall([]byte(text))
		require.ErrorIs(t, err, ErrMalformed, text)
		require.Empty(t, call)
	}
}

func FuzzParseCall(f *testing.F) {
	for _, text := range []string{`{"H":"chathub","M":"hello","A":["x",1],"I":0}`, `{"h":"c","M":"m","i":"\u0031","S":{"a":[1]}}`, ReconnectText} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		call, err := ParseCall(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.True(t, json.Valid(text))
		require.NotEqual(t, ReconnectText, strings.TrimSpace(string(text)))
		require.LessOrEqual(t, len(call.ID), MaxCallID)
		var answer struct{ I string }
		require.NoError(t, json.Unmarshal(AppendHubError(nil, call.ID, "x"), &answer))
		require.Equal(t, call.ID, answer.I)
	})
}

func BenchmarkParseCall(b *testing.B) {
	text := []byte(`{"H":"chathub","M":"broadcast","A":["` + strings.Repeat("x", 100) + `"],"I":42}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseCall(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParseConnectionData(t *testing.T) {
	for text, want := range map[string][]string{
		``: nil, ` `: nil, `null`: nil, `[]`: nil,
		`[{"name":"chathub"}]`:                                  {"chathub"},
		`[{"Name":"ChatHub"},{"NAME":"other","x":[1]}]`:         {"ChatHub", "other"},
		` [ { "name" : "a" } , { "n\u0061me" : "\u0062.c" } ] `: {"a", "b.c"},
		`[{"name":"Chat"},{"name":"chat"}]`:                     {"Chat"},
		`[{"name":"a","name":"b"}]`:                             {"b"},
	} {
		names, err := ParseConnectionData(text)
		require.NoError(t, err, text)
		require.Equal(t, want, names, text)
	}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"name":"h%d"}`, i)
		}
		return "[" + b.String()[1:] + "]"
	}
	names, err := ParseConnectionData(many(MaxHubs))
	require.NoError(t, err)
	require.Len(t, names, MaxHubs)
	for _, text := range []string{
		many(MaxHubs + 1), `[{"name":"` + strings.Repeat("x", MaxHubName+1) + `"}]`, `[{"name":"x","y":"` + strings.Repeat("y", MaxConnectionData) + `"}]`,
		`{}`, `"x"`, `[1]`, `["x"]`, `[{}]`, `[{"name":""}]`, `[{"name":1}]`, `[{"name":"x"}`, `[{"name":"x"}]]`, `[{"name":"x"},]`, "[{\"name\":\"\xff\"}]",
		`[[{"name":"x"}]]`, `[{"name":"x","y":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}]`,
	} {
		names, err := ParseConnectionData(text)
		require.ErrorIs(t, err, ErrMalformed, "%.80s", text)
		require.Nil(t, names)
	}
}

func FuzzParseConnectionData(f *testing.F) {
	for _, text := range []string{`[{"name":"chathub"}]`, `[{"Name":"ChatHub"},{"name":"x","y":{}}]`, `[]`, `null`, `[{"n\u0061me":"b"}]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, err := ParseConnectionData(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.LessOrEqual(t, len(names), MaxHubs)
		var entries []map[string]json.RawMessage
		if strings.TrimSpace(text) != "" {
			require.NoError(t, json.Unmarshal([]byte(text), &entries))
		}
		require.LessOrEqual(t, len(names), len(entries))
		require.False(t, slices.Contains(names, ""))
	})
}

// C101, C102: the members that clients need, and none that lead them astray.
func TestC102NegotiateAnswer(t *testing.T) {
	n := Negotiation{URL: "/aspnetclient", ConnectionToken: `t"`, ConnectionID: "id", KeepAlive: 20 * time.Second, Disconnect: 30 * time.Second,
		Poll: 110 * time.Second, TransportConnect: 5 * time.Second, TryWebSockets: true, ProtocolVersion: "2.0"}
	require.Equal(t, `x{"Url":"/aspnetclient","ConnectionToken":"t\"","ConnectionId":"id","KeepAliveTimeout":20.0,"DisconnectTimeout":30.0,`+
		`"ConnectionTimeout":110.0,"TryWebSockets":true,"ProtocolVersion":"2.0","TransportConnectTimeout":5.0,"LongPollDelay":0.0}`, string(n.Append([]byte("x"))))
	n.KeepAlive, n.Disconnect, n.Error = 0, 1500*time.Millisecond, "no"
	var got map[string]any
	require.NoError(t, json.Unmarshal(n.Append(nil), &got))
	require.Nil(t, got["KeepAliveTimeout"])
	require.Equal(t, 1.5, got["DisconnectTimeout"])
	require.Equal(t, "no", got["Error"])
	require.NotContains(t, got, "availableTransports")
	require.NotContains(t, got, "RedirectUrl")
}

func TestC102Version(t *testing.T) {
	for announced, want := range map[string]string{
		"1.5": "1.5", "2.0": "2.0", "2.1": "2.1", "2.2": "2.1", "3.0": "2.1", "1.9": "1.5", "1.4": "1.5", "1.2": "1.5", "": "1.5", "x": "1.5", "2": "1.5",
		"2.1.0.0": "2.1", "-2.1": "1.5", "10.0": "2.1", "2.01": "2.1", "99999999999999999999.1": "1.5", strings.Repeat("2.1", 100): "1.5",
	} {
		require.Equal(t, want, Version(announced), announced)
	}
}

func FuzzVersion(f *testing.F) {
	f.Add("2.1")
	f.Fuzz(func(t *testing.T, announced string) { require.Contains(t, versions, Version(announced)) })
}

func TestResponseID(t *testing.T) {
	for frame, want := range map[string]string{
		`{"I":"0","R":1}`: "0", `{"R":{"I":"9"},"I":"17"}`: "17", `{"I":5}`: "5", `{"I":"a\u0042"}`: "aB", `{"I":""}`: "", ` { "I" : "x" } `: "x",
	} {
		id := ResponseID([]byte(frame))
		require.NotNil(t, id, frame)
		require.Equal(t, want, string(id), frame)
	}
	for _, frame := range []string{`{}`, `{"C":"0","M":[],"I":"0"}`, `{"I":"P|0","P":{"I":"0","D":1}}`, `{"R":1}`, ``, `x`, `{"I":"0"`} {
		require.Nil(t, ResponseID([]byte(frame)), frame)
	}
	require.Equal(t, "7", string(ResponseID(AppendHubError(nil, "7", "x"))))
	response := []byte(`{"I":"17","R":"x"}`)
	require.Zero(t, testing.AllocsPerRun(100, func() { ResponseID(response) }))
}

func FuzzResponseID(f *testing.F) {
	for _, frame := range []string{`{"I":"0","R":1}`, `{"I":"P|0"}`, `{"\u0049":"a\u0042"}`, string(Init)} {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		id := ResponseID(frame)
		if id == nil {
			return
		}
		require.True(t, json.Valid(frame))
		require.False(t, strings.HasPrefix(string(id), progressID))
	})
}
