package aspnetprotocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame makes a frame, and returns it with its cursor written as CURSOR.
func frame(t testing.TB, text string) string {
	t.Helper()
	f, err := NewCursors("n").Frame([]byte(text))
	require.NoError(t, err)
	if c := CursorOf(f); c != "" {
		require.Contains(t, c, "n-")
		return strings.Replace(string(f), c, "CURSOR", 1)
	}
	return string(f)
}

// C108, C118: every frame with messages has a cursor of its own, in front, and other members pass.
func TestC108FramesHaveACursorOfTheirOwn(t *testing.T) {
	for _, c := range []struct{ name, sent, want string }{
		{"a bus message", `{"C":"0","M":[{"H":"Chat","M":"t","A":[]}]}`, `{"C":"CURSOR","M":[{"H":"Chat","M":"t","A":[]}]}`},
		{"no messages", `{"C":"0","M":[]}`, `{"C":"CURSOR","M":[]}`},
		{"no cursor", `{"M":[1]}`, `{"C":"CURSOR","M":[1]}`},
		{"a cursor alone", `{"C":"0"}`, `{"C":"CURSOR","M":[]}`},
		{"messages in front", `{"M":[1,2],"G":"x","C":"0","T":1}`, `{"C":"CURSOR","G":"x","T":1,"M":[1,2]}`},
		{"escaped names", `{"\u004D":[1],"\u0043":"0"}`, `{"C":"CURSOR","M":[1]}`},
		{"two cursors", `{"C":"0","C":"1","M":[]}`, `{"C":"CURSOR","M":[]}`},
		{"spaces", " {\t\"C\" : \"0\" , \"S\" : { \"a\" : 1 } , \"M\" : [ 1 ] } ", `{"C":"CURSOR","S" : { "a" : 1 },"M":[ 1 ]}`},
		{"line breaks", "{\r\n\"C\":\"0\",\n\"X\":[\n1\r],\"M\":[\r\n1,\n2]\n}", `{"C":"CURSOR","X":[ 1 ],"M":[  1, 2]}`},
		{"strings stay", `{"M":["a\r\n\u2028","\\n"]}`, `{"C":"CURSOR","M":["a\r\n\u2028","\\n"]}`},
		{"progress", `{"C":"0","M":[{"I":"P|0","P":{"I":"0","D":0}}]}`, `{"C":"CURSOR","M":[{"I":"P|0","P":{"I":"0","D":0}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, frame(t, c.sent)) })
	}
}

// C118: answers to calls pass as they are.
func TestC118AnswersStayAsTheyAre(t *testing.T) {
	for _, text := range []string{
		`{"I":"0","R":"ok"}`, `{"I":"0"}`, `{"I":"0","E":"text","H":true,"D":{"M":[1],"C":2},"S":{"a":1}}`, `{}`, ` { "I" : "0" } `,
		`{"I":"P|0","P":{"I":"0","D":1}}`, `{"MM":1,"c":2,"m":3}`,
	} {
		require.Equal(t, text, frame(t, text))
		f, err := NewCursors("").Frame([]byte(text))
		require.NoError(t, err)
		require.True(t, IsResponse(f))
	}
	require.Equal(t, `{ "I":"a\nb", "R":1  }`, frame(t, "{\n\"I\":\"a\\nb\",\r\"R\":1\r\n}"))
}

func TestWhatIsNoFrame(t *testing.T) {
	members := func(n int) string { return `{` + strings.Repeat(`"a":1,`, n) + `"M":[]}` }
	nested := func(n int) string { return `{"M":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for name, text := range map[string]string{
		"nothing": "", "a text": `"x"`, "an array": `[1]`, "two objects": `{}{}`, "cut short": `{"C":"0","M":[`, "a comma": `{"C":"0",}`,
		"no comma": `{"C":"0""M":[]}`, "messages that are no array": `{"M":{}}`, "messages twice": `{"M":[],"M":[]}`, "null messages": `{"M":null}`,
		"no JSON inside": `{"C":"0","M":[x]}`, "a line break in a string": "{\"M\":[\"\n\"]}", "not UTF-8": "{\"M\":[\"\xff\"]}",
		"a mark in front": "\ufeff{}", "too many members": members(MaxMembers), "too deep": nested(MaxDepth),
		"no name": `{1:2}`, "no colon": `{"M" []}`, "no value": `{"M":}`, "a brace alone": `{`, "an open name": `{"M`,
	} {
		_, err := NewCursors("n").Frame([]byte(text))
		require.ErrorIs(t, err, ErrMalformed, name)
	}
	for _, text := range []string{members(MaxMembers - 1), nested(MaxDepth - 1)} {
		frame(t, text)
	}
}

func TestCursorsAreUnique(t *testing.T) {
	first, later := NewCursors("a.b\"c"), NewCursors("x")
	seen := make(map[string]bool)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				f, err := first.Frame([]byte(`{"M":[]}`))
				mu.Lock()
				seen[string(f)] = err == nil
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, 2000)
	f, err := later.Frame([]byte(`{"M":[]}`))
	require.NoError(t, err)
	for have := range seen {
		require.Contains(t, have, `{"C":"abc-`, "a tag cannot leave its string")
		require.True(t, HasCursor([]byte(have), CursorOf([]byte(have))))
		require.False(t, HasCursor(f, CursorOf([]byte(have))))
	}
}

func TestHasCursor(t *testing.T) {
	require.True(t, HasCursor(Init, NoCursor))
	for _, cursor := range []string{"", "00", `0"`, `0","S":1,"M`, `0","S`, "1"} {
		require.False(t, HasCursor(Init, cursor), cursor)
	}
	require.False(t, HasCursor(KeepAlive, ""))
	require.False(t, HasCursor([]byte(`{"I":"0"}`), "0"))
	require.False(t, HasCursor([]byte(`{"C":"`), "0"))
	require.Equal(t, "0", CursorOf(Reconnect))
	require.Empty(t, CursorOf([]byte(`{"I":"0"}`)))
}

func TestJoinPoll(t *testing.T) {
	join := func(texts ...string) string {
		frames := make([][]byte, len(texts))
		for i, text := range texts {
			frames[i] = []byte(text)
		}
		return string(JoinPoll([]byte("x"), frames...))
	}
	require.Equal(t, `x{"C":"a","M":[1]}`, join(`{"C":"a","M":[1]}`))
	require.Equal(t, `x{"C":"c","M":[1,2,[3],"]}"]}`, join(`{"C":"a","M":[1,2]}`, `{"C":"b","M":[]}`, `{"C":"c","M":[[3],"]}"]}`))
	require.Equal(t, `x{"C":"b","M":[2]}`, join(`{"C":"a","M":[ ]}`, `{"C":"b","M":[2]}`), "spaces are no message")
	require.Equal(t, `x{"C":"b","T":1,"E":"z","M":[1,2]}`, join(`{"C":"a","T":1,"E":"y","M":[1]}`, `{"C":"b","E":"z","M":[2]}`), "members of the last that has them")
	require.Equal(t, `x{"C":"b","M":[1,2]}`, join(`{"C":"a","M":[1]}`, `{"I":"0"}`, `{"C":"b","M":[2]}`), "an answer is no part of it")
	require.Equal(t, `x{"C":"0","S":1,"M":[1]}`, join(string(Init), `{"C":"0","M":[1]}`))
}

// C116: the text of an error stands in a frame that has a cursor.
func TestC116FramesOfErrors(t *testing.T) {
	require.Equal(t, `x{"C":"0","E":"a \"b\"\r\n","M":[]}`, string(AppendError([]byte("x"), NoCursor, "a \"b\"\r\n")))
	require.Equal(t, `x{"C":"n-1","M":[]}`, string(AppendEmpty([]byte("x"), "n-1")))
	require.Equal(t, `x{"I":"5","E":"gone"}`, string(AppendHubError([]byte("x"), "5", "gone")))
	for _, f := range [][]byte{Init, KeepAlive, Reconnect, AppendError(nil, NoCursor, "x"), AppendEmpty(nil, "x"), AppendHubError(nil, "x", "y")} {
		require.True(t, json.Valid(f))
		require.False(t, bytes.ContainsAny(f, "\r\n"))
	}
}

func FuzzFrame(f *testing.F) {
	for _, text := range []string{`{"C":"0","M":[{"H":"Chat","M":"t","A":[]}]}`, `{"M":[1],"G":"x","\u0043":"0"}`, `{"I":"0","R":{"M":[]}}`, "{\r\n\"M\":[\n]}", `{}`} {
		f.Add([]byte(text), []byte(`{"C":"0","T":1,"M":[2]}`))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		cursors := NewCursors("n")
		var frames [][]byte
		for _, sent := range [][]byte{a, b} {
			before := bytes.Clone(sent)
			made, err := cursors.Frame(sent)
			require.Equal(t, before, sent)
			if err != nil {
				require.ErrorIs(t, err, ErrMalformed)
				continue
			}
			require.True(t, json.Valid(made))
			require.False(t, bytes.ContainsAny(made, "\r\n"))
			checkFrame(t, sent, made)
			frames = append(frames, made)
		}
		joined := JoinPoll(nil, frames...)
		if bytes.HasPrefix(joined, []byte(`{"C":""`)) {
			return // no frame to join
		}
		var poll struct{ M []json.RawMessage }
		require.NoError(t, json.Unmarshal(joined, &poll), "%s", joined)
		want := 0
		for _, made := range frames {
			want += len(messages(t, made))
		}
		require.Len(t, poll.M, want)
	})
}

// checkFrame compares a frame with what was sent.
func checkFrame(t *testing.T, sent, made []byte) {
	var was, is map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(sent, &was))
	require.NoError(t, json.Unmarshal(made, &is))
	_, cursor := was["C"]
	_, with := was["M"]
	require.Equal(t, cursor || with, !IsResponse(made))
	if IsResponse(made) {
		require.Len(t, made, len(sent))
		return
	}
	require.True(t, HasCursor(made, CursorOf(made)))
	require.True(t, bytes.HasSuffix(made, []byte("]}")))
	delete(was, "C")
	delete(was, "M")
	delete(is, "C")
	delete(is, "M")
	require.Len(t, is, len(was))
}

func messages(t *testing.T, frame []byte) []json.RawMessage {
	var f map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(frame, &f))
	if IsResponse(frame) {
		return nil
	}
	var list []json.RawMessage
	require.NoError(t, json.Unmarshal(f["M"], &list))
	return list
}

// broadcast is a hub server's message of 128 bytes.
var broadcast = []byte(`{"C":"0","M":[{"H":"Chat","M":"broadcast","A":["` + strings.Repeat("x", 128-53) + `"]}]}`)

func TestAFrameIsOneAllocation(t *testing.T) {
	require.Len(t, broadcast, 128)
	c := NewCursors("node-1")
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = c.Frame(broadcast) }), 1.0)
}

func BenchmarkFrame(b *testing.B) {
	c := NewCursors("node-1")
	b.ReportAllocs()
	b.SetBytes(int64(len(broadcast)))
	for b.Loop() {
		if _, err := c.Frame(broadcast); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHasCursor(b *testing.B) {
	f, err := NewCursors("node-1").Frame(broadcast)
	require.NoError(b, err)
	cursor := CursorOf(f)
	b.ReportAllocs()
	for b.Loop() {
		if !HasCursor(f, cursor) {
			b.Fatal()
		}
	}
}

func BenchmarkJoinPoll(b *testing.B) {
	c := NewCursors("node-1")
	frames := make([][]byte, 8)
	for i := range frames {
		frames[i], _ = c.Frame(broadcast)
	}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = JoinPoll(dst[:0], frames...)
	}
}
