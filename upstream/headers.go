package upstream

import (
	"hash/maphash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/webhook/signature"
)

// Names of the request headers, spelled as on the wire: net/http writes map
// keys as they are.
const (
	// ConnectionHeader names the connection; SignatureHeader signs its value.
	ConnectionHeader = "X-ASRS-Connection-Id"
	headerHub        = "X-ASRS-Hub"
	headerCategory   = "X-ASRS-Category"
	headerEvent      = "X-ASRS-Event"
	headerUser       = "X-ASRS-User-Id"
	headerClaims     = "X-ASRS-User-Claims"
	// headerClaimsForm is an addition of ours.
	headerClaimsForm = "X-Hubgate-User-Claims"
	headerQuery      = "X-ASRS-Client-Query"
	SignatureHeader  = "X-ASRS-Signature"
	// headerSigned signs the whole request, see package webhook/signature.
	headerSigned      = signature.Header
	headerContentType = "Content-Type"
	headerAuth        = "Authorization"
	headerTrace       = "traceparent"
	headerAgent       = "User-Agent"

	// These are of events that are kept: their id, the number of the attempt, and that the receiver may have
	// the event already.
	headerIdempotency = "Idempotency-Key"
	headerAttempt     = "X-Hubgate-Attempt"
	headerRepeat      = "X-Hubgate-Repeat"
	repeatPossible    = "possible"

	userAgent = "hubgate"
)

// maxTargetBytes bounds the targets that may become an event: they travel in a
// header, of which common servers take 8 KiB.
const maxTargetBytes = 4 << 10

// caller holds the header values that are the same for all events of a
// connection; absent ones are empty.
type caller struct {
	cfg   *Config           // whose keys signed
	of    *gateway.Identity // another one when the client has renewed its claims
	party party
	keys  []string

	connection, hub, user, claims, claimsForm, query, signature string
}

func newCaller(id *gateway.Identity, cfg *Config) *caller {
	c := &caller{
		cfg:        cfg,
		of:         id,
		party:      partyOf(id),
		connection: id.ID,
		hub:        hubName(id),
		user:       string(appendUser(nil, id.User)),
		claims:     string(appendClaims(nil, id.Claims)),
		claimsForm: string(appendClaimsForm(nil, id.Claims)),
		signature:  auth.UpstreamSignature(cfg.Keys, id.ID),
	}
	for _, key := range cfg.Keys {
		if key != "" {
			c.keys = append(c.keys, key.Reveal())
		}
	}
	if id.Query != "" {
		c.query = string(appendASCII([]byte("?"), id.Query))
	}
	return c
}

// callerCache remembers the callers of connections that were heard of lately:
// computing one takes a tenth of what its event does (BenchmarkCaller and
// BenchmarkEvent). A fixed table costs an idle connection nothing; a caller that
// is overwritten is computed again.
type callerCache [1024]atomic.Pointer[caller]

var callerSeed = maphash.MakeSeed()

// get returns the caller for a connection under the settings.
func (cache *callerCache) get(id *gateway.Identity, cfg *Config) *caller {
	slot := &cache[maphash.String(callerSeed, id.ID)%uint64(len(cache))]
	if c := slot.Load(); c != nil && c.cfg == cfg && c.of == id {
		return c
	}
	c := newCaller(id, cfg)
	slot.Store(c)
	return c
}

// hubName returns the hub as the client spelled it, or the hub's key when that
// is more than another spelling: it then has the application's prefix.
func hubName(id *gateway.Identity) string {
	if strings.EqualFold(id.Hub, id.HubName) {
		return id.HubName
	}
	return id.Hub
}

// header returns the headers of one request (R53, R56, R58–R60).
func (c *caller) header(e *event, at *endpoint, trace string) http.Header {
	values := [...]struct{ name, value string }{
		{headerContentType, e.contentType()},
		{ConnectionHeader, c.connection},
		{headerHub, c.hub},
		{headerCategory, e.kind.category()},
		{headerEvent, e.name()},
		{headerUser, c.user},
		{headerClaims, c.claims},
		{headerClaimsForm, c.claimsForm},
		{headerQuery, c.query},
		{SignatureHeader, c.signature},
		{headerSigned, c.signed(e, at)},
		{headerAuth, at.authorization},
		{headerTrace, trace},
		{headerAgent, userAgent},
		{headerIdempotency, ""},
		{headerAttempt, ""},
		{headerRepeat, ""},
	}
	if k := e.kept; k != nil {
		kept := values[len(values)-3:]
		kept[0].value, kept[1].value = e.id, strconv.Itoa(k.attempt)
		if k.doubt {
			kept[2].value = repeatPossible
		}
	}
	header := make(http.Header, len(values))
	// One array for all values: a slice each would be an allocation each.
	list := make([]string, len(values))
	for i, v := range values {
		if v.value != "" {
			list[i] = v.value
			header[v.name] = list[i : i+1 : i+1]
		}
	}
	return header
}

// signed returns the signature of the whole request, "" without keys.
func (c *caller) signed(e *event, at *endpoint) string {
	if len(c.keys) == 0 {
		return ""
	}
	return string(signature.Append(make([]byte, 0, 256), c.keys, time.Now(), e.id, http.MethodPost, at.url.RequestURI(), e.body))
}

// contentType returns the media type of an event's body, without parameters.
func (e *event) contentType() string {
	if e.kind == kindMessage && e.protocol == hubprotocol.MessagePack {
		return "application/x-msgpack"
	}
	return "application/json"
}

// checkTarget says whether a target may become an event. Its name travels in X-ASRS-Event as it is,
// as UTF-8: the Functions extension compares that with the names of its functions and with the
// target in the body. What a header cannot carry would have to be altered, and an altered name could
// pass for another: control characters, spaces that receivers trim off, bytes that are no UTF-8 (R61).
func checkTarget(target string) bool {
	start, end := edges(target)
	return end-start == len(target) && utf8.ValidString(target) && strings.IndexFunc(target, unicode.IsControl) < 0
}

// edges returns where value begins and ends without the spaces around it,
// which receivers would trim off.
func edges(value string) (start, end int) {
	end = len(strings.TrimRight(value, " "))
	return min(end, len(value)-len(strings.TrimLeft(value, " "))), end
}

// appendASCII appends a query string; what may not stand in one is percent-encoded.
func appendASCII(dst []byte, query string) []byte {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f {
			dst = appendPercent(dst, c)
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendHeader appends a header value: control characters, bytes that are no
// UTF-8 and spaces at the ends are percent-encoded, all else stays, as UTF-8.
func appendHeader(dst []byte, value string) []byte {
	start, end := edges(value)
	for i := 0; i < len(value); {
		r, size := utf8.DecodeRuneInString(value[i:])
		if i < start || i >= end {
			dst = appendPercent(dst, ' ')
		} else {
			dst = appendRune(dst, value[i:i+size], r, size)
		}
		i += size
	}
	return dst
}

func appendRune(dst []byte, text string, r rune, size int) []byte {
	if unicode.IsControl(r) || r == utf8.RuneError && size == 1 {
		for i := range len(text) {
			dst = appendPercent(dst, text[i])
		}
		return dst
	}
	return append(dst, text...)
}

// appendUser appends a user id as appendHeader does, and besides encodes each percent sign that
// would otherwise begin an escape. Decoding the value therefore gives the user id, and no two user
// ids look alike.
func appendUser(dst []byte, user string) []byte {
	if strings.IndexByte(user, '%') < 0 {
		return appendHeader(dst, user)
	}
	var escaped strings.Builder
	for i := range len(user) {
		escaped.WriteByte(user[i])
		if user[i] == '%' && i+2 < len(user) && isHex(user[i+1]) && isHex(user[i+2]) {
			escaped.WriteString("25")
		}
	}
	return appendHeader(dst, escaped.String())
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// appendClaims appends "type: value, type: value" (R60), each claim under both of its names.
// Receivers split at the comma and then at colon and space, and drop what does not come apart in
// two. In types and values a comma and the colon of ": " are therefore percent-encoded, besides
// what appendHeader encodes.
func appendClaims(dst []byte, claims []gateway.Claim) []byte {
	for claim := range auth.UnderBothNames(claims) {
		if len(dst) > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendClaimText(dst, claim.Type)
		dst = append(dst, ": "...)
		dst = appendClaimText(dst, claim.Value)
	}
	return dst
}

// appendClaimsForm appends the claims as a web form: "type=value&type=value", under the names that
// the token has. Any form parser gives back every claim as it was, which appendClaims cannot promise.
func appendClaimsForm(dst []byte, claims []gateway.Claim) []byte {
	for i, claim := range claims {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, url.QueryEscape(claim.Type)...)
		dst = append(dst, '=')
		dst = append(dst, url.QueryEscape(claim.Value)...)
	}
	return dst
}

func appendClaimText(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		// A colon at the end of a type would make ": " with the separator's own.
		if r == ',' || r == ':' && (i+1 == len(text) || text[i+1] == ' ') {
			dst = appendPercent(dst, byte(r))
		} else {
			dst = appendRune(dst, text[i:i+size], r, size)
		}
		i += size
	}
	return dst
}
