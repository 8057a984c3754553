package clientaspnet

import (
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/internal/transport"
)

// values are what the gateway itself reads from a request's query and form. Names may have any
// letter case. Of repeated items the first counts, and the query comes before the form: the items
// that clients of SignalR write themselves come before those of pages.
type values struct {
	raw string // the query as it came

	transport       value
	connectionToken value
	connectionData  value
	clientProtocol  value
	messageID       value
	data            value
	callback        value
	// accessToken is that of the query; the last counts, as in ASP.NET Core SignalR. A form has none.
	accessToken string
}

// value is one item.
type value struct {
	text  string
	found bool
	// posted: it came in the form.
	posted bool
}

func (v *values) addQuery(raw string) {
	v.raw = raw
	v.add(raw, false)
}

// addForm reads a body. It is a form, whatever its Content-Type: some clients send none.
func (v *values) addForm(body string) { v.add(strings.TrimSpace(body), true) }

func (v *values) add(raw string, posted bool) {
	for pair := range strings.SplitSeq(raw, "&") {
		key, text := transport.CutPair(pair)
		if strings.EqualFold(key, "access_token") && !posted {
			v.accessToken = transport.Unescape(text)
		}
		if item := v.item(key); item != nil && !item.found {
			*item = value{transport.Unescape(text), true, posted}
		}
	}
}

// item returns where the item with the name belongs, nil for those of others.
func (v *values) item(key string) *value {
	switch strings.ToLower(key) {
	case "transport":
		return &v.transport
	case "connectiontoken":
		return &v.connectionToken
	case "connectiondata":
		return &v.connectionData
	case "clientprotocol":
		return &v.clientProtocol
	case "messageid":
		return &v.messageID
	case "data":
		return &v.data
	case "callback":
		return &v.callback
	}
	return nil
}

// kept is the query as the application may see it: in the client's own spelling and order, without
// the access token, and with the connection's id in place of the connection token. The list of hubs is
// there once, as whoever reads it next reads it too. Items of which the application wants to know and
// that came in the form are at its end.
func (v *values) kept(id string) string {
	var kept strings.Builder
	add := func(pair string) {
		if kept.Len() > 0 {
			kept.WriteByte('&')
		}
		kept.WriteString(pair)
	}
	identified, declared := false, false
	for pair := range strings.SplitSeq(v.raw, "&") {
		key, raw := transport.CutPair(pair)
		switch {
		case pair == "", strings.EqualFold(key, "access_token"):
		case strings.EqualFold(key, "connectionToken"):
			if !identified {
				identified = true
				add("connectionToken=" + id)
			}
		case strings.EqualFold(key, "connectionData"):
			if !declared {
				declared = true
				add("connectionData=" + portable(raw, v.connectionData.text))
			}
		default:
			add(pair)
		}
	}
	if !identified {
		add("connectionToken=" + id)
	}
	for _, item := range []struct {
		name string
		value
	}{{"transport", v.transport}, {"connectionData", v.connectionData}, {"clientProtocol", v.clientProtocol}} {
		if item.posted {
			add(item.name + "=" + url.QueryEscape(item.text))
		}
	}
	return kept.String()
}

// portable returns a value as it came, unless readers of queries do not agree about what it means.
func portable(raw, text string) string {
	if _, err := url.QueryUnescape(raw); err != nil || strings.Contains(raw, ";") {
		return url.QueryEscape(text)
	}
	return raw
}
