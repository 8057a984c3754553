package config

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// Windows PowerShell writes UTF-16, and .NET reads it.
func TestSettingsFileInUTF16(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.json")
	for name, order := range map[string]binary.AppendByteOrder{"little endian": binary.LittleEndian, "big endian": binary.BigEndian} {
		data := order.AppendUint16(nil, 0xfeff)
		for _, unit := range utf16.Encode([]rune(`{"UpstreamSettings":{"Templates":[{"UrlTemplate":"http://localhost:7071/\u00fc"}]}}`)) {
			data = order.AppendUint16(data, unit)
		}
		require.NoError(t, os.WriteFile(file, data, 0o600))
		got, err := ReadSettingsFile(file)
		require.NoError(t, err, name)
		require.Equal(t, []settings.Template{{URLTemplate: "http://localhost:7071/\u00fc"}}, got, name)
	}
}

func TestSettingsFile(t *testing.T) {
	one := func(url string) []settings.Template { return []settings.Template{{URLTemplate: url}} }
	tests := []struct {
		name, text string
		want       []settings.Template
		err        string
	}{
		{"as the emulator writes it", string(DefaultSettingsFile()), one("http://localhost:7071/runtime/webhooks/signalr"), ""},
		{"patterns", `{"UpstreamSettings": {"Templates": [{"UrlTemplate": "http://a",
			"HubPattern": "chat", "CategoryPattern": "messages, connections", "EventPattern": "*"}]}}`,
			[]settings.Template{{URLTemplate: "http://a", HubPattern: webhook.PatternOf("chat"),
				CategoryPattern: webhook.PatternOf("messages, connections")}}, ""},
		{"empty and null patterns", `{"UpstreamSettings": {"Templates": [{"UrlTemplate": "http://a",
			"HubPattern": "", "EventPattern": null}]}}`,
			[]settings.Template{{URLTemplate: "http://a", HubPattern: webhook.PatternOf(""), EventPattern: webhook.NoPattern()}}, ""},
		{"letter case", `{"upstreamsettings": {"TEMPLATES": [{"urltemplate": "http://a", "hubpattern": "Chat"}]}}`,
			[]settings.Template{{URLTemplate: "http://a", HubPattern: webhook.PatternOf("Chat")}}, ""},
		{"foreign sections and members", `{"Logging": {"LogLevel": {"Default": "Debug"}}, "AccessKey": "x", "n": [1, [true, null]],
			"UpstreamSettings": {"Other": 1, "Templates": [{"UrlTemplate": "http://a", "Auth": {"Type": "None"}}]}}`, one("http://a"), ""},
		{"order is kept", `{"UpstreamSettings": {"Templates": [{"UrlTemplate": "http://a"}, {"UrlTemplate": "http://b"}]}}`,
			[]settings.Template{{URLTemplate: "http://a"}, {URLTemplate: "http://b"}}, ""},
		{"numbered object", `{"UpstreamSettings": {"Templates": {"10": {"UrlTemplate": "http://c"}, "9": {"UrlTemplate": "http://b"}, "x": {"UrlTemplate": "http://d"}}}}`,
			[]settings.Template{{URLTemplate: "http://b"}, {URLTemplate: "http://c"}, {URLTemplate: "http://d"}}, ""},
		{"keys with colons", `{"UpstreamSettings:Templates:0:UrlTemplate": "http://a", "UpstreamSettings:Templates:0": {"HubPattern": "h"}}`,
			[]settings.Template{{URLTemplate: "http://a", HubPattern: webhook.PatternOf("h")}}, ""},
		{"numbers and booleans are their text", `{"UpstreamSettings": {"Templates": [{"UrlTemplate": "http://a", "HubPattern": 1.50, "EventPattern": true}]}}`,
			[]settings.Template{{URLTemplate: "http://a", HubPattern: webhook.PatternOf("1.50"), EventPattern: webhook.PatternOf("True")}}, ""},
		{"comments, trailing commas and a byte order mark", "\ufeff// one\n" + `{ /* two, } */ "UpstreamSettings": { "Templates": [
			{ "UrlTemplate": "http://a/*b*/" /* it is a string */, }, // three
		], }, }`, one("http://a/*b*/"), ""},
		{"no templates", `{"UpstreamSettings": {}}`, nil, ""},
		{"null templates", `{"UpstreamSettings": {"Templates": null}}`, nil, ""},
		{"nothing", `{}`, nil, ""},

		{"empty file", "", nil, "line 1: unexpected EOF"},
		{"no object", "[]", nil, "must be a JSON object"},
		{"unfinished", "{\n\"UpstreamSettings\": {", nil, "line 2: unexpected EOF"},
		{"not JSON", "{\n\n'a': 1}", nil, "line 3: invalid character"},
		{"comma without a value", `{"a": [,]}`, nil, "line 1: "},
		{"comma in an empty object", `{,}`, nil, "line 1: "},
		{"two commas", `{"a": [1,,]}`, nil, "line 1: "},
		{"something after it", "{}\n{}", nil, "something follows the JSON object"},
		{"unfinished comment", "{} /* x", nil, "has no end"},
		{"key twice in other letters", `{"A": 1, "a": 2}`, nil, "a key is given twice"},
		{"templates are a text", `{"UpstreamSettings": {"Templates": "http://a"}}`, nil, "UpstreamSettings:Templates is not a list"},
		{"too deep by colons", `{"` + strings.Repeat(":", 64) + `": 1}`, nil, "nested deeper than 64 levels"},
		{"too deep", strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), nil, "nested deeper than 64 levels"},
		{"nothing but brackets", strings.Repeat("[", maxFileBytes), nil, "must be a JSON object"},
		{"nothing but members", "{" + strings.Repeat(`"a":{`, maxFileBytes/5-1), nil, "nested deeper than 64 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseSettingsFile([]byte(tt.text))
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSettingsFileErrorNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	require.NoError(t, os.WriteFile(path, []byte("{,}"), 0o600))
	_, err := ReadSettingsFile(path)
	require.ErrorContains(t, err, path+": line 1: ")

	require.NoError(t, os.WriteFile(path, make([]byte, maxFileBytes+1), 0o600))
	_, err = ReadSettingsFile(path)
	require.ErrorContains(t, err, "is larger than 1048576 bytes")
}

// FuzzSettingsFile checks that the reader neither panics nor lets anything
// through that has no end, and that it changes nothing in plain JSON.
func FuzzSettingsFile(f *testing.F) {
	for _, seed := range []string{
		string(DefaultSettingsFile()), `{"UpstreamSettings:Templates:0:UrlTemplate": "http://a"}`, "\ufeff{ // x\n}", `{"a": [1, 2,],}`,
		`{"UpstreamSettings":{"Templates":{"1":{"urltemplate":null},"a":{"HubPattern":5e3}}}}`, `{"a":"\"/*"}`, `{"a":1}/*`, "{/**/,}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, err := plainJSON(data)
		if err == nil {
			require.Len(t, plain, len(data))
			if json.Valid(data) {
				require.Equal(t, string(data), string(plain))
			}
		}
		list, err := parseSettingsFile(data)
		if err != nil {
			require.Empty(t, list)
			return
		}
		require.True(t, json.Valid(plain), "accepted what is not JSON: %q", plain)
		require.LessOrEqual(t, len(list), len(data))
	})
}
