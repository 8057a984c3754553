package jsontext

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzScanValue(f *testing.F) {
	for _, v := range []string{
		`null`, `true`, `[1,-2.5e3,18446744073709551615,18446744073709551616,-9223372036854775808,1e999]`,
		`{"b":{"a":[{}]},"b":"x"}`, `"\ud83d\ude00\ud800\u0041\u001e\n\\"`, ` [ { "a" : [ ] } , "é" ] `, `[01]`, `{"a"}`,
		`"aaaaaaa\"bbbbbbbbbbbbbbbbbbbbb\u0000ccccccccccccccccccccccccccc"`, `-0`, `[[[[[[[[]]]]]]]]`, `1.`, "\"\x1f\"",
	} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := ScanValue(b, 0, 0)
		ok := end >= 0 && SkipSpace(b, end) == len(b)
		require.Equal(t, json.Valid(b) && depth(b) <= MaxDepth, ok)
	})
}

// depth counts the brackets of valid JSON that are open at once.
func depth(valid []byte) (deepest int) {
	open, inString := 0, false
	for i := 0; i < len(valid); i++ {
		switch c := valid[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			open++
			deepest = max(deepest, open)
		case c == ']' || c == '}':
			open--
		}
	}
	return deepest
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/", "\x00\x01\x1e\x1f\x7f", "\b\f\n\r\t", "é€😀\u2028", "\xff", "a\xc3", "\xed\xa0\x80", "\uFFFD"} {
		var got string
		encoded := AppendString(nil, s)
		require.NoError(t, json.Unmarshal(encoded, &got))
		require.Equal(t, strings.ToValidUTF8(s, "\uFFFD"), oneReplacementPerRun(got), "%q", s)
		require.Equal(t, encoded, AppendString(nil, []byte(s)))
	}
}

// oneReplacementPerRun undoes what strings.ToValidUTF8 does differently: it replaces a
// run of wrong bytes once.
func oneReplacementPerRun(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}
