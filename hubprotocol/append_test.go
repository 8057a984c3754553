package hubprotocol

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

func TestAppendInvocation(t *testing.T) {
	t.Run("C72 six elements", func(t *testing.T) {
		framed, err := AppendInvocation(nil, MessagePack, "", "A", unhex(t, "9201a178"))
		require.NoError(t, err)
		require.Equal(t, "0b960180c0a1419201a17890", hex.EncodeToString(framed))
	})
	t.Run("no arguments are an empty array", func(t *testing.T) {
		framed, err := AppendInvocation(nil, MessagePack, "0", "A", nil)
		require.NoError(t, err)
		require.Equal(t, "09960180a130a1419090", hex.EncodeToString(framed))
		framed, err = AppendInvocation(nil, JSON, "", "A", nil)
		require.NoError(t, err)
		require.Equal(t, "{\"type\":1,\"target\":\"A\",\"arguments\":[]}\x1e", string(framed))
	})
	t.Run("text is escaped", func(t *testing.T) {
		framed, err := AppendInvocation(nil, JSON, "\"\x1e", "a\\\x00é", []byte(` ["x"] `))
		require.NoError(t, err)
		require.Equal(t, `{"type":1,"invocationId":"\"\u001e","target":"a\\\u0000é","arguments":["x"]}`+"\x1e", string(framed))
	})
	t.Run("text that is no UTF-8", func(t *testing.T) {
		for _, protocol := range []string{JSON, MessagePack} {
			framed, err := AppendInvocation(nil, protocol, "", "a\xffb", nil)
			require.NoError(t, err)
			m, err := Parse(protocol, body(t, protocol, framed))
			require.NoError(t, err)
			require.Equal(t, "a\uFFFDb", m.Target)
		}
	})
	t.Run("long text", func(t *testing.T) {
		for _, n := range []int{31, 32, 255, 256, 65535, 65536} {
			want := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
			for _, protocol := range []string{JSON, MessagePack} {
				framed, err := AppendInvocation(nil, protocol, want, want, nil)
				require.NoError(t, err)
				m, err := Parse(protocol, body(t, protocol, framed))
				require.NoError(t, err)
				require.Equal(t, want, m.InvocationID)
				require.Equal(t, want, m.Target)
			}
		}
	})
	t.Run("refused arguments leave dst as it was", func(t *testing.T) {
		for _, c := range []struct {
			protocol  string
			arguments []byte
			want      error
		}{
			{JSON, []byte(`{}`), ErrArgumentsNotArray},
			{JSON, []byte(`null`), ErrArgumentsNotArray},
			{JSON, []byte(` `), ErrMalformed},
			{JSON, []byte(`[1`), ErrMalformed},
			{JSON, []byte(`[1],2`), ErrMalformed},
			{JSON, []byte("[\"\xff\"]"), ErrMalformed},
			{JSON, []byte("[\"\x1e\"]"), ErrMalformed},
			{JSON, []byte(nested("[", "", "]", MaxDepth)), ErrMalformed},
			{MessagePack, []byte{0x80}, ErrArgumentsNotArray},
			{MessagePack, []byte{0xc0}, ErrArgumentsNotArray},
			{MessagePack, []byte{0x91}, ErrMalformed},
			{MessagePack, []byte{0x90, 0x90}, ErrMalformed},
			{MessagePack, []byte(strings.Repeat("\x91", MaxDepth-1) + "\x90"), ErrMalformed},
		} {
			dst, err := AppendInvocation([]byte("x"), c.protocol, "", "m", c.arguments)
			require.ErrorIs(t, err, c.want, "%s %q", c.protocol, c.arguments)
			require.Equal(t, "x", string(dst))
		}
		_, err := AppendInvocation(nil, JSON, "", "", nil)
		require.ErrorIs(t, err, ErrTargetEmpty)
	})
	t.Run("the deepest arguments taken are a record that is read", func(t *testing.T) {
		for protocol, arguments := range map[string][]byte{
			JSON:        []byte(nested("[", "", "]", MaxDepth-1)),
			MessagePack: []byte(strings.Repeat("\x91", MaxDepth-2) + "\x90"),
		} {
			f, err := NewInvocation(protocol, "m", arguments)
			require.NoError(t, err)
			for _, to := range []string{JSON, MessagePack} {
				framed, ok := f.For(to)
				require.True(t, ok)
				_, err = Parse(to, body(t, to, framed))
				require.NoError(t, err)
			}
		}
	})
}

func TestAppendClose(t *testing.T) {
	for _, c := range []struct {
		text   string
		again  bool
		json   string
		packed string
	}{
		{"", false, `{"type":7}`, "049307c0c2"},
		{"", true, `{"type":7,"allowReconnect":true}`, "049307c0c3"},
		{"bye", false, `{"type":7,"error":"bye"}`, "079307a3627965c2"},
		{"bye", true, `{"type":7,"error":"bye","allowReconnect":true}`, "079307a3627965c3"},
	} {
		t.Run("C74 "+c.json, func(t *testing.T) {
			require.Equal(t, c.json+"\x1e", string(AppendClose(nil, JSON, c.text, c.again)))
			require.Equal(t, c.packed, hex.EncodeToString(AppendClose(nil, MessagePack, c.text, c.again)))
		})
	}
}

func TestAppendCompletion(t *testing.T) {
	t.Run("no result is null", func(t *testing.T) {
		require.Equal(t, "{\"type\":3,\"invocationId\":\"0\",\"result\":null}\x1e",
			string(AppendCompletionResult(nil, JSON, "0", nil)))
		require.Equal(t, "07950380a13003c0", hex.EncodeToString(AppendCompletionResult(nil, MessagePack, "0", nil)))
	})
	t.Run("an empty error is an error", func(t *testing.T) {
		for _, protocol := range []string{JSON, MessagePack} {
			m, err := Parse(protocol, body(t, protocol, AppendCompletionError(nil, protocol, "0", "")))
			require.NoError(t, err)
			require.True(t, m.HasError)
		}
	})
	t.Run("large result", func(t *testing.T) {
		result := msgp.AppendBytes(nil, make([]byte, 100_000))
		m, err := Parse(MessagePack, body(t, MessagePack, AppendCompletionResult(nil, MessagePack, "0", result)))
		require.NoError(t, err)
		require.Equal(t, result, m.Result)
	})
}

func TestFrameCompletion(t *testing.T) {
	const record = `{"type":3,"invocationId":"0","result":"ok"}`
	const bom = "\uFEFF"
	for _, c := range []struct{ name, body, want string }{
		{"framed", record + "\x1e", record + "\x1e"},
		{"framing missing", record, record + "\x1e"},
		{"white space around the record", "\n " + record + "\r\n", record + "\x1e"},
		{"white space behind the separator", record + "\x1e\n", record + "\x1e"},
		{"byte order mark", bom + record, record + "\x1e"},
		{"void", `{"type":3,"invocationId":"0"}`, "{\"type\":3,\"invocationId\":\"0\"}\x1e"},
		{"error", `{"invocationId":"0","error":"x","type":3}`, "{\"invocationId\":\"0\",\"error\":\"x\",\"type\":3}\x1e"},
		{"empty", "", ""},
		{"separator only", "\x1e", ""},
		{"two records", record + "\x1e" + record + "\x1e", ""},
		{"two separators", record + "\x1e\x1e", ""},
		{"another id", `{"type":3,"invocationId":"1"}`, ""},
		{"another type", `{"type":2,"invocationId":"0","item":1}`, ""},
		{"unknown type", `{"type":33,"invocationId":"0"}`, ""},
		{"result and error", `{"type":3,"invocationId":"0","result":1,"error":"x"}`, ""},
		{"null members", `{"type":3,"invocationId":"0","result":1,"error":null}`, ""},
		{"html", `<html></html>`, ""},
		{"a bare result", `"ok"`, ""},
		{"MessagePack", "\x09\x95\x03\x80\xa10\x03\xa2ok", ""},
	} {
		t.Run("json "+c.name, func(t *testing.T) {
			got, err := FrameCompletion(JSON, "0", []byte(c.body))
			if c.want == "" {
				require.ErrorIs(t, err, ErrMalformed)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
		})
	}
	for _, c := range []struct{ name, body, want string }{
		{"framed", "09950380a13003a26f6b", "09950380a13003a26f6b"},
		{"framing missing", "950380a13003a26f6b", "09950380a13003a26f6b"},
		{"void", "940380a13002", "06940380a13002"},
		{"array 16", "dc00050380a13003a26f6b", "0bdc00050380a13003a26f6b"},
		{"longer prefix than needed", "8900950380a13003a26f6b", "8900950380a13003a26f6b"},
		{"empty", "", ""},
		{"prefix only", "00", ""},
		{"cut short", "09950380a13003a26f", ""},
		{"something follows", "09950380a13003a26f6bc0", ""},
		{"something follows unframed", "950380a13003a26f6bc0", ""},
		{"two records", "06940380a1300206940380a13002", ""},
		{"another id", "06940380a13102", ""},
		{"another type", "06940280a1302a", ""},
		{"json", hex.EncodeToString([]byte(record)), ""},
	} {
		t.Run("messagepack "+c.name, func(t *testing.T) {
			got, err := FrameCompletion(MessagePack, "0", unhex(t, c.body))
			if c.want == "" {
				require.ErrorIs(t, err, ErrMalformed)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, hex.EncodeToString(got))
		})
	}
	t.Run("long record without framing", func(t *testing.T) {
		framed := AppendCompletionResult(nil, MessagePack, "0", msgp.AppendString(nil, strings.Repeat("x", 70_000)))
		got, err := FrameCompletion(MessagePack, "0", body(t, MessagePack, framed))
		require.NoError(t, err)
		require.Equal(t, framed, got)
	})
	t.Run("a record that came framed is not copied", func(t *testing.T) {
		b := []byte(record + "\x1e")
		got, err := FrameCompletion(JSON, "0", b)
		require.NoError(t, err)
		require.Same(t, &b[0], &got[0])
	})
	t.Run("a record without framing is not written into", func(t *testing.T) {
		b := []byte(record + "x")
		_, err := FrameCompletion(JSON, "0", b[:len(record)])
		require.NoError(t, err)
		require.Equal(t, record+"x", string(b))
	})
}
