package hubprotocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

func FuzzHandshake(f *testing.F) {
	for _, c := range handshakes {
		f.Add([]byte(c.record+"\x1e"), 200)
	}
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		record, rest, err := CutHandshake(b, limit)
		if err != nil {
			require.Equal(t, ErrTooLarge, err)
			require.Greater(t, len(b), limit)
			return
		}
		if record == nil {
			require.NotContains(t, string(b), "\x1e")
			return
		}
		require.LessOrEqual(t, len(record), max(limit, 0))
		require.Equal(t, b, append(append(bytes.Clone(record), RecordSeparator), rest...))
		request, err := ParseHandshake(record)
		if err == nil {
			var oracle map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(record, &oracle))
			var protocol string
			require.NoError(t, json.Unmarshal(oracle["protocol"], &protocol))
			require.True(t, strings.EqualFold(protocol, request.Protocol))
			require.Equal(t, strconv.Itoa(request.Version), strings.Replace(string(oracle["version"]), "-0", "0", 1))
			err = request.Check(Supported)
		}
		if err != nil {
			answer := AppendHandshakeResponse(nil, err.Error())
			var told map[string]string
			require.NoError(t, json.Unmarshal(body(t, JSON, answer), &told))
			require.Equal(t, map[string]string{"error": err.Error()}, told)
		}
	})
}

func FuzzCutJSON(f *testing.F) {
	for _, v := range vectors {
		f.Add([]byte(v.json+"\x1e"+v.json), 40)
	}
	f.Fuzz(func(t *testing.T, b []byte, limit int) { checkCut(t, JSON, b, limit) })
}

func FuzzCutMessagePack(f *testing.F) {
	for _, v := range vectors {
		f.Add(append(unhex(f, v.packed), 0x80, 0x01), 200)
	}
	for _, prefix := range []string{"8080808000", "ffffffff07", "ffffffff08", "808080808000", "c801"} {
		f.Add(unhex(f, prefix), 1<<20)
	}
	f.Fuzz(func(t *testing.T, b []byte, limit int) { checkCut(t, MessagePack, b, limit) })
}

// checkCut cuts all of b, and asserts that nothing is lost or over the limit and that
// a record cut short is incomplete.
func checkCut(t *testing.T, protocol string, b []byte, limit int) {
	for rest := b; ; {
		frame, record, next, err := Cut(protocol, rest, limit)
		if err != nil {
			require.True(t, errors.Is(err, ErrTooLarge) || errors.Is(err, ErrMalformed))
			require.Nil(t, frame)
			return
		}
		require.Equal(t, len(rest), len(frame)+len(next))
		if frame == nil {
			return
		}
		require.LessOrEqual(t, len(record), max(limit, 0))
		require.True(t, bytes.HasPrefix(rest, frame))
		require.True(t, bytes.HasSuffix(rest, next))
		require.True(t, bytes.Contains(frame, record))
		for _, n := range []int{0, 1, len(frame) / 2, len(frame) - 1} {
			if n < len(frame) {
				short, _, _, err := Cut(protocol, rest[:n], limit)
				require.NoError(t, err)
				require.Nil(t, short)
			}
		}
		rest = next
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, v := range vectors {
		f.Add([]byte(v.json))
	}
	for _, c := range append(captures, strictness...) {
		f.Add([]byte(c.record))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		m, err := Parse(JSON, record)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			require.True(t, utf8.ValidString(err.Error()))
			_, _ = Peek(JSON, record)
			return
		}
		var oracle map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(record, &oracle))
		want := Message{Type: m.Type}
		var typ int64
		require.NoError(t, json.Unmarshal(oracle["type"], &typ))
		require.Equal(t, recordType(typ), m.Type)
		for name, to := range map[string]any{"invocationId": &want.InvocationID, "target": &want.Target, "error": &want.Error,
			"streamIds": &want.StreamIDs, "allowReconnect": &want.AllowReconnect, "sequenceId": &want.SequenceID} {
			if raw, ok := oracle[name]; ok {
				require.NoError(t, json.Unmarshal(raw, to))
			}
		}
		if len(want.StreamIDs) == 0 {
			want.StreamIDs = nil
		}
		_, want.HasError = oracle["error"]
		want.HasID = want.InvocationID != ""
		want.Arguments, want.Result = oracle["arguments"], oracle["result"]
		if m.Type == StreamItem {
			want.Result = oracle["item"]
		}
		require.Equal(t, want, m)
		checkPeek(t, JSON, record, m)
		checkConversion(t, JSON, m)
	})
}

func FuzzParseMessagePack(f *testing.F) {
	for _, v := range vectors {
		f.Add(body(f, MessagePack, unhex(f, v.packed)))
	}
	for _, c := range packedCases {
		f.Add(unhex(f, c.body))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		m, err := Parse(MessagePack, record)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			_, _ = Peek(MessagePack, record)
			return
		}
		rest, err := msgp.Skip(record)
		require.NoError(t, err)
		require.Empty(t, rest)
		checkPeek(t, MessagePack, record, m)
		checkConversion(t, MessagePack, m)
	})
}

func checkPeek(t *testing.T, protocol string, record []byte, m Message) {
	p, err := Peek(protocol, record)
	require.NoError(t, err)
	require.Equal(t, m.Type, p.Type)
	require.Equal(t, m.HasID, p.HasID)
	require.Equal(t, m.HasID, p.SameID(m.InvocationID))
	if protocol == MessagePack {
		require.Equal(t, m.Target, string(p.Target))
	}
}

// checkConversion asserts that a record that was read, written in the other protocol,
// is read as the same one.
func checkConversion(t *testing.T, from string, m Message) {
	to := MessagePack
	if from == MessagePack {
		to = JSON
	}
	framed, err := appendConverted(nil, to, &m)
	if err != nil {
		return
	}
	got, err := Parse(to, body(t, to, framed))
	require.NoError(t, err)
	require.Equal(t, m.Type, got.Type)
	require.Equal(t, m.InvocationID, got.InvocationID)
	if m.Type == Invocation {
		require.Equal(t, m.Target, got.Target)
	}
	if m.Type == Completion {
		require.Equal(t, m.HasError, got.HasError)
		require.Equal(t, m.Error, got.Error)
		require.Equal(t, m.Result == nil, got.Result == nil)
	}
}

var jsonValues = []string{
	`null`, `true`, `[1,-2.5e3,18446744073709551615,18446744073709551616,-9223372036854775808,1e999]`,
	`{"b":{"a":[{}]},"b":"x"}`, `"\ud83d\ude00\ud800\u0041\u001e\n\\"`, ` [ { "a" : [ ] } , "é" ] `, `[01]`, `{"a"}`,
	`"aaaaaaa\"bbbbbbbbbbbbbbbbbbbbb\u0000ccccccccccccccccccccccccccc"`, `-0`, `[[[[[[[[]]]]]]]]`, `1.`, "\"\x1f\"",
}

func jsonDepth(valid []byte) (deepest int) {
	depth := 0
	for _, token := range jsonTokens(valid) {
		switch token {
		case json.Delim('['), json.Delim('{'):
			depth++
			deepest = max(deepest, depth)
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
	return deepest
}

func jsonTokens(valid []byte) (tokens []json.Token) {
	decoder := json.NewDecoder(bytes.NewReader(valid))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return tokens
		}
		if err != nil {
			panic(err)
		}
		tokens = append(tokens, token)
	}
}

func FuzzJSONThroughMessagePack(f *testing.F) {
	for _, v := range jsonValues {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		packed, err := AppendJSONAsMessagePack(nil, b)
		valid := json.Valid(b) && utf8.Valid(b)
		require.Equal(t, valid && jsonDepth(b) <= MaxDepth, err == nil)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		rest, err := msgp.Skip(packed)
		require.NoError(t, err)
		require.Empty(t, rest)
		back, err := AppendMessagePackAsJSON(nil, packed)
		require.NoError(t, err)
		require.True(t, json.Valid(back))
		want, got := jsonTokens(b), jsonTokens(back)
		require.Len(t, got, len(want))
		for i := range want {
			if number, ok := want[i].(json.Number); ok {
				requireSameNumber(t, number, got[i])
				continue
			}
			require.Equal(t, want[i], got[i])
		}
	})
}

func requireSameNumber(t *testing.T, want json.Number, got json.Token) {
	if !strings.ContainsAny(string(want), ".eE") {
		if n, err := strconv.ParseInt(string(want), 10, 64); err == nil {
			require.Equal(t, json.Number(strconv.FormatInt(n, 10)), got)
			return
		}
		if _, err := strconv.ParseUint(string(want), 10, 64); err == nil {
			require.Equal(t, want, got)
			return
		}
	}
	f, err := want.Float64()
	if err != nil && math.IsInf(f, 0) {
		require.Nil(t, got)
		return
	}
	back, err := got.(json.Number).Float64()
	require.NoError(t, err)
	require.Equal(t, f, back)
}

func FuzzMessagePackAsJSON(f *testing.F) {
	for _, v := range jsonValues {
		packed, _ := AppendJSONAsMessagePack(nil, []byte(v))
		f.Add(packed)
	}
	for _, v := range []string{"d7ff1d6f34545a4af6a5", "81c40100c0", "93ca7f800000c7020501ffc2", "ddffffffff", "8192"} {
		f.Add(unhex(f, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := packSkip(b, 0, 0)
		if end >= 0 {
			rest, err := msgp.Skip(b)
			require.NoError(t, err)
			require.Equal(t, b[end:], rest)
		}
		got, err := AppendMessagePackAsJSON(nil, b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.Equal(t, len(b), end)
		require.True(t, json.Valid(got))
		require.True(t, utf8.Valid(got))
		require.NotContains(t, string(got), "\x1e")
		_, err = AppendJSONAsMessagePack(nil, got)
		require.NoError(t, err)
	})
}

// What another node sends is refused or means the same when it is sent on.
func FuzzParseFrames(f *testing.F) {
	message, err := NewFrames(map[string][]byte{JSON: []byte("{}\x1e"), "custom": []byte("c")})
	require.NoError(f, err)
	f.Add(message.Append(nil))
	f.Add([]byte("\x02\x01a\x01x\x01A\x01y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, err := ParseFrames(data)
		if err != nil {
			return
		}
		require.LessOrEqual(t, frames.Size(), len(data))
		again, err := ParseFrames(frames.Append(nil))
		require.NoError(t, err)
		require.Equal(t, frames.Append(nil), again.Append(nil))
	})
}
