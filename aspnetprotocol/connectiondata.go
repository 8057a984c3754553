package aspnetprotocol

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// ParseConnectionData returns the names of the hubs that a client declares, as [{"name":"chat"}], each
// once and in the letter case in which it came. Neither the letter case of "name" nor that of hubs
// counts. An empty text declares no hub. The error is ErrMalformed, also for more than
// MaxConnectionData bytes, MaxHubs hubs or MaxHubName bytes of a name.
func ParseConnectionData(data string) ([]string, error) {
	if len(data) > MaxConnectionData || !utf8.ValidString(data) {
		return nil, ErrMalformed
	}
	b := []byte(data)
	i := jsontext.SkipSpace(b, 0)
	if i == len(b) {
		return nil, nil
	}
	end := jsontext.ScanValue(b, i, 0)
	switch {
	case end < 0 || jsontext.SkipSpace(b, end) != len(b):
		return nil, ErrMalformed
	case b[i] == 'n':
		return nil, nil
	case b[i] != '[':
		return nil, ErrMalformed
	}
	return declared(b[i+1 : end])
}

// declared reads the entries of a well-formed array, from behind its opening bracket.
func declared(b []byte) (names []string, err error) {
	for i := jsontext.SkipSpace(b, 0); b[i] != ']'; {
		end := jsontext.ScanValue(b, i, 1)
		name, ok := hubName(b[i:end])
		if !ok {
			return nil, ErrMalformed
		}
		if !slices.ContainsFunc(names, func(have string) bool { return strings.EqualFold(have, name) }) {
			if len(names) == MaxHubs {
				return nil, ErrMalformed
			}
			names = append(names, name)
		}
		if i = jsontext.SkipSpace(b, end); b[i] == ',' {
			i = jsontext.SkipSpace(b, i+1)
		}
	}
	return names, nil
}

// hubName reads one entry.
func hubName(entry []byte) (name string, ok bool) {
	o := open(entry)
	for o.next() {
		if key, short := unquoted(o.name); short && strings.EqualFold(key, "name") {
			if name, ok = text(o.value, MaxHubName); !ok {
				return "", false
			}
		}
	}
	return name, o.state == walked && name != ""
}

// unquoted returns what a member's name stands for, if it is as short as those that are looked for.
func unquoted(raw []byte) (string, bool) {
	const most = len("name") * len(`\u0000`)
	if len(raw) > most {
		return "", false
	}
	if jsontext.HasEscape(raw) {
		var plain [most]byte
		raw, _ = jsontext.AppendUnescaped(plain[:0], raw)
	}
	return string(raw), true
}
