package clientws

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/transport"
)

func TestParseQuery(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want query
		kept string
	}{
		"empty":                       {"", query{}, ""},
		"C08 letter case":             {"HUB=Chat&ID=x&Application=a&NegotiateVersion=1", query{hub: "Chat", hubs: 1, id: "x", hasID: true, application: "a", version: "1", hasVersion: true}, "HUB=Chat&Application=a&NegotiateVersion=1"},
		"C08 encoded key":             {"%68%75b=chat", query{hub: "chat", hubs: 1}, "%68%75b=chat"},
		"C15 last id":                 {"hub=h&id=mine&id=token", query{hub: "h", hubs: 1, id: "token", hasID: true}, "hub=h&id=mine"},
		"C15 the same id twice":       {"hub=h&id=token&id=token", query{hub: "h", hubs: 1, id: "token", hasID: true}, "hub=h"},
		"empty id is none":            {"hub=h&id=", query{hub: "h", hubs: 1}, "hub=h"},
		"C14 tokens":                  {"access_token=a&hub=h&ACCESS_TOKEN=b&access%5Ftoken=c", query{hub: "h", hubs: 1}, "hub=h"},
		"plus is a space":             {"hub=a+b", query{hub: "a b", hubs: 1}, "hub=a+b"},
		"C06 taken as it is":          {"&&asrs.op=%2Fchat&hub=h&x&y=&=z&", query{hub: "h", hubs: 1}, "asrs.op=%2Fchat&hub=h&x&y=&=z"},
		"what cannot be decoded":      {"hub=%zz&id=%", query{hub: "%zz", hubs: 1, id: "%", hasID: true}, "hub=%zz"},
		"C09 the first of two hubs":   {"hub=a&Hub=b", query{hub: "a", hubs: 2}, "hub=a&Hub=b"},
		"version without a value":     {"negotiateVersion", query{hasVersion: true}, "negotiateVersion"},
		"C92 stateful, any value":     {"useStatefulReconnect=true&UseStatefulReconnect=false", query{stateful: true}, "useStatefulReconnect=true&UseStatefulReconnect=false"},
		"C92 stateful, any case":      {"usestatefulreconnect=+TRUE", query{stateful: true}, "usestatefulreconnect=+TRUE"},
		"C91 not stateful":            {"useStatefulReconnect=1&useStatefulReconnect", query{}, "useStatefulReconnect=1&useStatefulReconnect"},
		"the last version counts too": {"negotiateVersion=1&negotiateVersion=0", query{version: "0", hasVersion: true}, "negotiateVersion=1&negotiateVersion=0"},
	} {
		t.Run(name, func(t *testing.T) {
			q := parseQuery(c.raw)
			c.want.raw = c.raw
			require.Equal(t, c.want, q)
			require.Equal(t, c.kept, q.kept())
		})
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"hub=chat&id=a&access_token=b&negotiateVersion=1", "HUB=%63hat&iD=%2B", "&&=&==&hub", "hub=%&id=%zz", "negotiateVersion=-9223372036854775809",
		"asrs.op=%2Fchat&asrs_request_id=a%2Bb%3D&hub=x&useStatefulReconnect=true&useStatefulReconnect=true", "a;b=c&hub=h;x", "\x00=\xff&hub=\xc3\x28",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		// A second opinion on what can be decoded at all.
		if values, err := url.ParseQuery(raw); err == nil {
			for key, list := range values {
				if strings.EqualFold(key, "hub") && len(values) == 1 && q.hubs != len(list) {
					t.Fatalf("%q: %d hubs, want %d", raw, q.hubs, len(list))
				}
			}
		}
		kept := q.kept()
		again := parseQuery(kept)
		if q.hasID && again.hasID && again.id == q.id {
			t.Fatalf("%q keeps the connection token: %q", raw, kept)
		}
		for pair := range strings.SplitSeq(kept, "&") {
			if key, _ := transport.CutPair(pair); strings.EqualFold(key, "access_token") {
				t.Fatalf("%q keeps the access token: %q", raw, kept)
			}
		}
		if again.hub != q.hub || again.hubs != q.hubs || again.version != q.version || again.application != q.application {
			t.Fatalf("%q loses something: %q", raw, kept)
		}
		if version, problem := negotiateVersion(&q); problem == "" {
			body := decodeJSON[negotiated](t, string((&negotiateAnswer{version: version, id: "id"}).append(nil)))
			require.Equal(t, version, body.NegotiateVersion)
			require.Contains(t, "01", strconv.Itoa(version))
		} else {
			require.Equal(t, problem, decodeJSON[negotiated](t, string(appendNegotiateError(nil, problem))).Error)
		}
	})
}
