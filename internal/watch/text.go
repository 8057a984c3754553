package watch

import (
	"strings"
	"unicode/utf8"
)

// Body is a body, or the beginning of one, as an event may show it: at most MaxBody bytes of valid
// UTF-8. More says that it went on.
func Body(body []byte, more bool) string {
	if len(body) > MaxBody {
		body, more = body[:MaxBody], true
	}
	for range utf8.UTFMax - 1 { // a character that was cut in two
		if r, size := utf8.DecodeLastRune(body); !more || r != utf8.RuneError || size != 1 {
			break
		}
		body = body[:len(body)-1]
	}
	text := strings.ToValidUTF8(string(body), "\uFFFD")
	if more {
		text += "…"
	}
	return text
}
