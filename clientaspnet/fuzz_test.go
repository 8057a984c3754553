package clientaspnet

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
)

// What a query and a form say is what the standard library finds there, and the application never sees a
// token.
func FuzzValues(f *testing.F) {
	for _, seed := range [][2]string{
		{"transport=webSockets&clientProtocol=2.1&connectionToken=a%2Bb&connectionData=%5B%5D&access_token=x&tid=3", ""},
		{"&&TRANSPORT=longPolling&&connectiontoken=a", "messageId=d-1%7C2&groupsToken=x"},
		{"connectionData=[%7B%22Name%22:%22ChatHub%22%7D]", "data=%7B%22H%22%3A%22chat%22%7D\r\n"},
		{"access%5Ftoken=a&ACCESS_TOKEN=b&connection%54oken=c", "access_token=d&connectionToken=e"},
		{"%=%&=&transport", "a;b=c&callback=x"}, {"\x00=\xff", "\xc3\x28=+"},
		{`connectionData=[{"name":"a","x":";"}]`, ""}, {`connectionData=[{"name":"a%"}]`, ""}, {"connectionData=[]&ConnectionData=[1]", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, query, form string) {
		var v values
		v.addQuery(query)
		v.addForm(form)
		for name, got := range map[string]value{"transport": v.transport, "connectionToken": v.connectionToken, "connectionData": v.connectionData,
			"clientProtocol": v.clientProtocol, "messageId": v.messageID, "data": v.data, "callback": v.callback} {
			want, known := first(query, name)
			posted := false
			if known && want == nil {
				if want, known = first(strings.TrimSpace(form), name); want != nil {
					posted = true
				}
			}
			switch {
			case !known: // the library does not take such a text
			case (want != nil) != got.found, want != nil && (*want != got.text || posted != got.posted):
				t.Fatalf("%q %q: %s is %+v", query, form, name, got)
			}
		}
		kept := v.kept("theId")
		ids := 0
		for pair := range strings.SplitSeq(kept, "&") {
			key, raw := transport.CutPair(pair)
			switch {
			case strings.EqualFold(key, "access_token"):
				t.Fatalf("%q keeps the access token: %q", query, kept)
			case strings.EqualFold(key, "connectionToken"):
				if ids++; raw != "theId" {
					t.Fatalf("%q keeps the connection token: %q", query, kept)
				}
			}
		}
		if ids != 1 {
			t.Fatalf("%q has %d ids: %q", query, ids, kept)
		}
		var again values
		again.addQuery(kept)
		if again.connectionData.text != v.connectionData.text || again.transport.text != v.transport.text {
			t.Fatalf("%q %q loses something: %q", query, form, kept)
		}
		// Sessions and hub servers have their own ways to read it.
		read, _ := url.ParseQuery(kept)
		if declared := read["connectionData"]; v.connectionData.found && !slices.Equal(declared, []string{v.connectionData.text}) {
			t.Fatalf("%q %q: others read %q in %q", query, form, declared, kept)
		}
	})
}

// first is a second opinion on the first item with a name.
func first(text, name string) (value *string, known bool) {
	parsed, err := url.ParseQuery(text)
	if err != nil {
		return nil, false
	}
	keys := 0
	for key, all := range parsed {
		if strings.EqualFold(key, name) {
			keys++
			value = &all[0]
		}
	}
	return value, keys <= 1 // of several spellings it does not know the order
}

// Nothing but what this endpoint has given out is a connection token.
func FuzzConnectionToken(f *testing.F) {
	sealer, err := auth.NewSealer(make([]byte, auth.SealerKeyBytes))
	if err != nil {
		f.Fatal(err)
	}
	h := &Handler{options: Options{Sealer: sealer}}
	expires := time.Unix(2_000_000_000, 0)
	good := h.newToken("n1abcdefghijklmnopqrstuv", expires, "aspnet:app", "u")
	for _, seed := range []string{good, good[:len(good)-1], good + "A", "", "x", sealer.Seal("id", expires, "chat", "u"), sealer.Seal("id", expires, sealedFor, ""),
		sealer.Seal("id", expires, "aspnet:app", "u"), strings.Repeat("A", 1000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		given, err := h.openToken(token)
		if err != nil {
			if given.id != "" {
				t.Fatal("an id with an error")
			}
			return
		}
		if given.id != "n1abcdefghijklmnopqrstuv" || given.owner != ownerMark("aspnet:app", "u") || !given.expires.Equal(expires) {
			t.Fatalf("%q opens as %+v", token, given)
		}
	})
}
