package hubprotocol

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/jsontext"
)

func TestJSONAsMessagePack(t *testing.T) {
	for _, c := range []struct{ json, packed string }{
		{`null`, "c0"}, {`true`, "c3"}, {`false`, "c2"},
		// Integers stay integers, in the shortest form.
		{`0`, "00"}, {`-0`, "00"}, {`127`, "7f"}, {`128`, "cc80"}, {`256`, "cd0100"}, {`65536`, "ce00010000"},
		{`4294967296`, "cf0000000100000000"}, {`-1`, "ff"}, {`-32`, "e0"}, {`-33`, "d0df"}, {`-129`, "d1ff7f"},
		{`-32769`, "d2ffff7fff"}, {`-2147483649`, "d3ffffffff7fffffff"},
		{`9223372036854775807`, "cf7fffffffffffffff"}, {`18446744073709551615`, "cfffffffffffffffff"},
		{`-9223372036854775808`, "d38000000000000000"},
		// What is larger, and what is no integer, is a float64.
		{`18446744073709551616`, "cb43f0000000000000"}, {`-9223372036854775809`, "cbc3e0000000000000"},
		{`1.0`, "cb3ff0000000000000"}, {`1e3`, "cb408f400000000000"}, {`-1.5E-1`, "cbbfc3333333333333"},
		{`0.1`, "cb3fb999999999999a"}, {`-0.0`, "cb8000000000000000"},
		{`1e999`, "cb7ff0000000000000"}, {`-1e999`, "cbfff0000000000000"}, {`1e-999`, "cb0000000000000000"},
		{`""`, "a0"}, {`"x"`, "a178"}, {`"é😀"`, "a6c3a9f09f9880"},
		{`"\"\\\/\b\f\n\r\t"`, "a8225c2f080c0a0d09"},
		{`"\u00e9\ud83d\uDE00"`, "a6c3a9f09f9880"}, {`"\u0000\u001e"`, "a2001e"},
		{`"\ud800"`, "a3efbfbd"}, {`"\udc00\ud800x"`, "a7efbfbdefbfbd78"}, {`"\ud800\u0041"`, "a4efbfbd41"},
		{`[]`, "90"}, {`{}`, "80"}, {`[[],{}]`, "929080"}, {` [ 1 , 2 ] `, "920102"},
		// Members keep their order, and equal ones stay.
		{`{"b":1,"a":{"d":[2],"c":3},"b":null}`, "83a16201a16182a1649102a16303a162c0"},
		{`{"\u0061":1}`, "81a16101"},
	} {
		t.Run(c.json, func(t *testing.T) {
			got, err := AppendJSONAsMessagePack([]byte("x"), []byte(c.json))
			require.NoError(t, err)
			require.Equal(t, "x", string(got[:1]))
			require.Equal(t, c.packed, hex.EncodeToString(got[1:]))
		})
	}
	for _, bad := range []string{
		``, ` `, `nul`, `nulll`, `True`, `+1`, `01`, `1.`, `.5`, `1e`, `1e+`, `-`, `0x10`, `NaN`, `[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`,
		`[1 2]`, `[1}`, `{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{1:1}`, `{"a" 1}`, `{"a":1]`, `"`, `"\`, `"\x"`,
		`"\u12"`, `"\u12g4"`, `"\ud800\u12"`, "\"\n\"", "\"\x1e\"", "\"\xff\"", `1 2`, `[] []`, `'a'`, `/**/1`,
	} {
		dst, err := AppendJSONAsMessagePack([]byte("x"), []byte(bad))
		require.ErrorIs(t, err, ErrMalformed, bad)
		require.Equal(t, "x", string(dst), bad)
		require.Negative(t, scanWhole([]byte(bad)), bad)
	}
}

// scanWhole is ScanValue for the whole of b, UTF-8 included.
func scanWhole(b []byte) int {
	if _, err := AppendJSONAsMessagePack(nil, b); err != nil {
		return -1
	}
	end := jsontext.ScanValue(b, 0, 0)
	if jsontext.SkipSpace(b, end) != len(b) {
		return -1
	}
	return end
}

func TestJSONContainersOfAnySize(t *testing.T) {
	for _, n := range []int{15, 16, 65535, 65536} {
		json := "[" + strings.TrimSuffix(strings.Repeat("1,", n), ",") + "]"
		packed, err := AppendJSONAsMessagePack(nil, []byte(json))
		require.NoError(t, err)
		size, _, err := msgp.ReadArrayHeaderBytes(packed)
		require.NoError(t, err)
		require.EqualValues(t, n, size)
		back, err := AppendMessagePackAsJSON(nil, packed)
		require.NoError(t, err)
		require.Equal(t, json, string(back))

		json = "{" + strings.TrimSuffix(strings.Repeat(`"a":[1],`, n), ",") + "}"
		packed, err = AppendJSONAsMessagePack(nil, []byte(json))
		require.NoError(t, err)
		back, err = AppendMessagePackAsJSON(nil, packed)
		require.NoError(t, err)
		require.Equal(t, json, string(back))
	}
	for _, n := range []int{31, 32, 255, 256, 65535, 65536} {
		plain := strings.Repeat("x", n-1)
		packed, err := AppendJSONAsMessagePack(nil, []byte(`"\u0041`+plain+`"`))
		require.NoError(t, err)
		require.Equal(t, msgp.AppendString(nil, "A"+plain), packed, "the same header as without escapes")
	}
}

func TestConversionDepth(t *testing.T) {
	for _, c := range []struct {
		name  string
		depth int
		ok    bool
	}{{"64", MaxDepth, true}, {"65", MaxDepth + 1, false}, {"a million", 1_000_000, false}} {
		t.Run(c.name, func(t *testing.T) {
			packed, err := AppendJSONAsMessagePack(nil, []byte(nested("[", "", "]", c.depth)))
			require.Equal(t, c.ok, err == nil)
			if c.ok {
				require.Equal(t, strings.Repeat("\x91", c.depth-1)+"\x90", string(packed))
			}
			_, err = AppendJSONAsMessagePack(nil, []byte(nested(`{"a":`, "1", "}", c.depth)))
			require.Equal(t, c.ok, err == nil)
			_, err = AppendMessagePackAsJSON(nil, []byte(strings.Repeat("\x91", c.depth)+"\xc0"))
			require.Equal(t, c.ok, err == nil)
			_, err = AppendMessagePackAsJSON(nil, []byte(strings.Repeat("\x81\xa0", c.depth)+"\xc0"))
			require.Equal(t, c.ok, err == nil)
		})
	}
}

func TestMessagePackAsJSON(t *testing.T) {
	for _, c := range []struct{ name, packed, json string }{
		{"nil", "c0", `null`}, {"false", "c2", `false`}, {"true", "c3", `true`},
		{"fixint", "7f", `127`}, {"negative fixint", "e0", `-32`},
		{"uint8", "ccff", `255`}, {"uint16", "cdffff", `65535`}, {"uint32", "ceffffffff", `4294967295`},
		{"uint64", "cfffffffffffffffff", `18446744073709551615`},
		{"int8", "d080", `-128`}, {"int16", "d18000", `-32768`}, {"int32", "d280000000", `-2147483648`},
		{"int64", "d38000000000000000", `-9223372036854775808`},
		{"float32", "ca3dcccccd", `0.1`}, {"float64", "cb3fb999999999999a", `0.1`},
		{"float64, whole", "cb3ff0000000000000", `1`}, {"float64, -0", "cb8000000000000000", `-0`},
		{"float64, large", "cb444b1ae4d6e2ef50", `1e+21`}, {"float64, small", "cb3e7ad7f29abcaf48", `1e-07`},
		{"NaN", "cb7ff8000000000000", `null`}, {"infinity", "cb7ff0000000000000", `null`}, {"float32 -infinity", "caff800000", `null`},
		{"text", "a6c3a9f09f9880", `"é😀"`}, {"text with controls", "a41e0a2200", `"\u001e\n\"\u0000"`},
		{"text that is no UTF-8", "a361ff62", "\"a\uFFFDb\""},
		{"str8", "d90178", `"x"`}, {"str16", "da000178", `"x"`}, {"str32", "db0000000178", `"x"`},
		{"bin8", "c403000102", `"AAEC"`}, {"bin16", "c50001ff", `"/w=="`}, {"bin32", "c600000000", `""`},
		{"array16", "dc000101", `[1]`}, {"array32", "dd0000000101", `[1]`},
		{"map16", "de0001a16101", `{"a":1}`}, {"map32", "df00000001a16101", `{"a":1}`},
		{"order and equal keys", "83a16201a16102a16203", `{"b":1,"a":2,"b":3}`},
		{"key nil", "81c001", `{"null":1}`}, {"key true", "81c301", `{"true":1}`}, {"key -1", "81ff01", `{"-1":1}`},
		{"key 0.5", "81ca3f00000001", `{"0.5":1}`}, {"key of bytes", "81c40100c0", `{"AA==":null}`},
		{"key timestamp", "81d6ff0000000001", `{"1970-01-01T00:00:00Z":1}`},
		{"key array", "819001", ``}, {"key map", "818001", ``}, {"key of another extension", "81d4050001", ``},
		{"timestamp 32", "d6ff5a4af6a5", `"2018-01-02T03:04:05Z"`},
		{"timestamp 64", "d7ff1d6f34545a4af6a5", `"2018-01-02T03:04:05.123456789Z"`},
		{"timestamp 96", "c70cff00000000ffffffffffffffff", `"1969-12-31T23:59:59Z"`},
		{"timestamp 96, milliseconds", "c70cff07270e00000000005a4af6a5", `"2018-01-02T03:04:05.12Z"`},
		{"timestamp of a wrong size", "d5ff0001", `[-1,"AAE="]`},
		{"timestamp after year 9999", "c70cff00000000000000ffffffffff", `[-1,"AAAAAAAAAP//////"]`},
		{"timestamp before year 0", "c70cff00000000ffffff0000000000", `[-1,"AAAAAP///wAAAAAA"]`},
		{"timestamp with too many nanoseconds", "d7ffee6b280000000000", `[-1,"7msoAAAAAAA="]`},
		{"another extension", "d4050a", `[5,"Cg=="]`}, {"extension of no bytes", "c70080", `[-128,""]`},
		{"empty", "", ``}, {"0xc1", "c1", ``}, {"something follows", "c0c0", ``},
		{"array cut short", "9201", ``}, {"map cut short", "81a161", ``}, {"map without value", "81", ``},
		{"text cut short", "a261", ``}, {"header cut short", "da00", ``}, {"extension cut short", "d6ff0000", ``},
		{"2 GB that are not there", "dbffffffff", ``}, {"4 billion values that are not there", "ddffffffff", ``},
		{"4 billion pairs that are not there", "dfffffffff", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AppendMessagePackAsJSON([]byte("x"), unhex(t, c.packed))
			if c.json == "" {
				require.ErrorIs(t, err, ErrMalformed)
				require.Equal(t, "x", string(got))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "x"+c.json, string(got))
		})
	}
	t.Run("the library's own times and numbers", func(t *testing.T) {
		at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
		packed := msgp.AppendTimeExt(msgp.AppendArrayHeader(nil, 3), at)
		packed = msgp.AppendFloat32(packed, math.MaxFloat32)
		packed = msgp.AppendFloat64(packed, math.SmallestNonzeroFloat64)
		got, err := AppendMessagePackAsJSON(nil, packed)
		require.NoError(t, err)
		require.Equal(t, `["2026-01-02T03:04:05.6Z",3.4028235e+38,5e-324]`, string(got))
	})
}
