package upstream

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

func TestHeaders(t *testing.T) {
	longRole := auth.LongClaimType("role")
	otherKey := auth.Secret(strings.Repeat("B", 44))
	for _, c := range []struct {
		name   string
		change func(*gateway.Identity)
		keys   []auth.Secret
		header string
		want   []string // nil: absent
	}{
		{"R53 connection id", nil, nil, "X-ASRS-Connection-Id", []string{"abc"}},
		{"R53 hub", nil, nil, "X-ASRS-Hub", []string{"chat"}},
		{"R53 hub as the client spelled it", func(i *gateway.Identity) { i.HubName = "Chat" }, nil, "X-ASRS-Hub", []string{"Chat"}},
		{"R53 hub of an application", func(i *gateway.Identity) { i.Hub = "app_chat" }, nil, "X-ASRS-Hub", []string{"app_chat"}},
		{"R53 category", nil, nil, "X-ASRS-Category", []string{"connections"}},
		{"R53 event", nil, nil, "X-ASRS-Event", []string{"connected"}},
		{"R53 content type", nil, nil, "Content-Type", []string{"application/json"}},
		{"R53 anonymous has no user", nil, nil, "X-ASRS-User-Id", nil},
		{"user", func(i *gateway.Identity) { i.User = "bob" }, nil, "X-ASRS-User-Id", []string{"bob"}},
		{"user beyond ASCII is UTF-8", func(i *gateway.Identity) { i.User = "bö b" }, nil, "X-ASRS-User-Id", []string{"bö b"}},
		{"R61 user with line breaks", func(i *gateway.Identity) { i.User = " a\r\nX-Evil: 1\x00\u0085" }, nil, "X-ASRS-User-Id", []string{"%20a%0D%0AX-Evil: 1%00%C2%85"}},
		{"R61 user that looks escaped", func(i *gateway.Identity) { i.User = "u%0A%0a%%41%4" }, nil, "X-ASRS-User-Id", []string{"u%250A%250a%%2541%4"}},
		{"a percent sign alone stays", func(i *gateway.Identity) { i.User = "100% of %x" }, nil, "X-ASRS-User-Id", []string{"100% of %x"}},
		{"no claims", nil, nil, "X-ASRS-User-Claims", nil},
		{"R60 claims", claims("team", "red", "x", "y"), nil, "X-ASRS-User-Claims", []string{"team: red, x: y"}},
		{"R60 claims that .NET knows by long names", claims("role", "a", "sub", "u", "role", "b"), nil, "X-ASRS-User-Claims",
			[]string{"role: a, sub: u, role: b, " + longRole + ": a, " + auth.LongClaimType("sub") + ": u, " + longRole + ": b"}},
		{"R60 comma in a value", claims("team", "a,b: c,d"), nil, "X-ASRS-User-Claims", []string{"team: a%2Cb%3A c%2Cd"}},
		{"no claims, no form", nil, nil, "X-Hubgate-User-Claims", nil},
		{"claims as a form", claims("role", "Doe, Jane", "a=b&c", "%2C+"), nil, "X-Hubgate-User-Claims", []string{"role=Doe%2C+Jane&a%3Db%26c=%252C%2B"}},
		{"R60 URI as a type", claims("http://schemas/role", "a:b"), nil, "X-ASRS-User-Claims", []string{"http://schemas/role: a:b"}},
		{"R61 claim with line breaks", claims("a\r\nb:", "c\nd"), nil, "X-ASRS-User-Claims", []string{"a%0D%0Ab%3A: c%0Ad"}},
		{"R59 no query", nil, nil, "X-ASRS-Client-Query", nil},
		{"R59 query", func(i *gateway.Identity) { i.Query = "hub=chat&x=%20y" }, nil, "X-ASRS-Client-Query", []string{"?hub=chat&x=%20y"}},
		{"R61 query with raw bytes", func(i *gateway.Identity) { i.Query = "a=\r\n é" }, nil, "X-ASRS-Client-Query", []string{"?a=%0D%0A%20%C3%A9"}},
		{"no key, no signature", nil, []auth.Secret{""}, "X-ASRS-Signature", nil},
		{"R58 signature of one key", nil, []auth.Secret{testKey, ""}, "X-ASRS-Signature",
			[]string{"sha256=D4B71F6479906BF45CDC69C969315019A67A52DEAE1EAB86C7A7F3D9B25CD31E"}},
		{"R58 signatures of two keys in one line", nil, []auth.Secret{testKey, otherKey}, "X-ASRS-Signature",
			[]string{"sha256=D4B71F6479906BF45CDC69C969315019A67A52DEAE1EAB86C7A7F3D9B25CD31E," +
				"sha256=8A5558C298360434A151C521008B9434FA03E46564EC15BDE26836F0DBE85452"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, nil)
			cfg := toAll(h.URL)
			cfg.Keys = c.keys
			client := newConn("abc")
			if c.change != nil {
				c.change(&client.id)
			}
			connect(start(t, cfg), client)
			got := want(t, h.posts)
			require.Equal(t, c.want, got.Header.Values(c.header))
			require.Empty(t, got.Header.Values("X-Evil"))
		})
	}
}

func claims(pairs ...string) func(*gateway.Identity) {
	return func(id *gateway.Identity) {
		for i := 0; i < len(pairs); i += 2 {
			id.Claims = append(id.Claims, gateway.Claim{Type: pairs[i], Value: pairs[i+1]})
		}
	}
}

// functionsAccepts checks a signature as the Functions extension does: the
// first header line, split at commas, compared ignoring case.
func functionsAccepts(h http.Header, connection string, key auth.Secret) bool {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(connection))
	for _, one := range strings.Split(h.Get("X-ASRS-Signature"), ",") {
		if strings.EqualFold(one, "sha256="+hex.EncodeToString(mac.Sum(nil))) {
			return true
		}
	}
	return false
}

func TestSignatureIsVerifiable(t *testing.T) {
	h := newHook(t, nil)
	cfg := toAll(h.URL)
	primary, secondary := testKey, auth.Secret(strings.Repeat("B", 44))
	cfg.Keys = []auth.Secret{primary, secondary}
	connect(start(t, cfg), newConn("abc"))
	got := want(t, h.posts)
	t.Run("R77 an application accepts either key", func(t *testing.T) {
		require.True(t, functionsAccepts(got.Header, "abc", primary))
		require.True(t, functionsAccepts(got.Header, "abc", secondary))
		require.False(t, functionsAccepts(got.Header, "abc", "another"))
		require.False(t, functionsAccepts(got.Header, "abd", primary))
	})
}

// rawHook is an upstream that hands over the bytes of one request.
func rawHook(t *testing.T) (url string, requests chan string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	requests = make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var seen strings.Builder
		r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &seen)))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		requests <- seen.String()
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return "http://" + listener.Addr().String(), requests
}

func TestRequestOnTheWire(t *testing.T) {
	url, requests := rawHook(t)
	cfg := toAll(strings.Replace(url, "http://", "http://user:pass@", 1) + "/api/{event}?code=k")
	cfg.Keys = []auth.Secret{testKey}
	client := newConn("abc")
	client.id.User, client.id.Query = "bob", "hub=chat"
	claims("team", "red")(&client.id)
	connect(start(t, cfg), client)
	got := want(t, requests)

	head, body, _ := strings.Cut(got, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	t.Run("R53 request line and body", func(t *testing.T) {
		require.Equal(t, "POST /api/connected?code=k HTTP/1.1", lines[0])
		require.Equal(t, `{"type":10}`, body)
	})
	t.Run("R53 header names as they are spelled", func(t *testing.T) {
		for _, line := range []string{
			"Content-Length: 11", "Content-Type: application/json", "X-ASRS-Category: connections",
			"X-ASRS-Client-Query: ?hub=chat", "X-ASRS-Connection-Id: abc", "X-ASRS-Event: connected", "X-ASRS-Hub: chat",
			"X-ASRS-Signature: sha256=D4B71F6479906BF45CDC69C969315019A67A52DEAE1EAB86C7A7F3D9B25CD31E",
			"X-ASRS-User-Claims: team: red", "X-Hubgate-User-Claims: team=red", "X-ASRS-User-Id: bob", "Authorization: Basic dXNlcjpwYXNz",
		} {
			require.Contains(t, lines, line)
		}
		require.NotContains(t, head, "Accept-Encoding")
	})
	t.Run("trace context", func(t *testing.T) {
		require.Regexp(t, `(?m)^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01\r?$`, head)
	})
}

// The name of an event has one reading: the header has the target as it is, or there is no event.
func TestEventHeader(t *testing.T) {
	for target, taken := range map[string]bool{
		"newMessage": true, "a b": true, "100%": true, "%20a": true, "café": true, "\u00a0": true,
		" a": false, "a ": false, "  ": false, "a\t": false, "\xff": false, "a\xc3": false, "a\nb": false, "\u0085": false,
	} {
		require.Equal(t, taken, checkTarget(target), "%q", target)
		if taken {
			e := event{kind: kindMessage, target: target}
			header := newCaller(&gateway.Identity{}, &Config{}).header(&e, &endpoint{}, "")
			require.Equal(t, []string{target}, header[headerEvent])
		}
	}
}

func TestCallerCacheFollowsTheKeys(t *testing.T) {
	var cache callerCache
	id := &gateway.Identity{ID: "abc"}
	one, two := &Config{Keys: []auth.Secret{testKey}}, &Config{}
	first := cache.get(id, one)
	require.NotEmpty(t, first.signature)
	require.Same(t, first, cache.get(id, one))
	require.Empty(t, cache.get(id, two).signature)
	// Many more connections than places: nobody gets another's headers.
	for range 2 {
		for i := range 3 * len(cache) {
			id := fmt.Sprint("c", i)
			require.Equal(t, id, cache.get(&gateway.Identity{ID: id}, one).connection)
		}
	}
}

// parseClaims reads the header as the Functions extension does.
func parseClaims(header string) (pairs [][2]string) {
	for _, item := range strings.Split(header, ",") {
		if parts := strings.Split(strings.TrimSpace(item), ": "); len(parts) == 2 {
			pairs = append(pairs, [2]string{parts[0], parts[1]})
		}
	}
	return pairs
}

// checkValue says whether a header value would survive net/http unaltered.
func checkValue(value string) error {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == 0x7f {
			return fmt.Errorf("byte %#x at %d", c, i)
		}
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("no UTF-8: %q", value)
	}
	return nil
}

func FuzzClaims(f *testing.F) {
	f.Add("role", "admin", "x", "y")
	f.Add("sub", "Doe%2C Jane", "nameid", "Doe, Jane")
	f.Add("a,b", "c, d: e", "r: s:", ":")
	f.Add("a\r\n", "\x00\xff\u0085", "http://x/y", "a:b")
	f.Fuzz(func(t *testing.T, type1, value1, type2, value2 string) {
		list := []gateway.Claim{{Type: type1, Value: value1}, {Type: type2, Value: value2}}
		header := string(appendClaims(nil, list))
		require.NoError(t, checkValue(header))
		all := slices.Collect(auth.UnderBothNames(list))
		require.Equal(t, len(all)-1, strings.Count(header, ","), "a claim was split: %q", header)
		pairs := parseClaims(header)
		form := string(appendClaimsForm(nil, list))
		require.NoError(t, checkValue(form))
		var back []gateway.Claim
		for pair := range strings.SplitSeq(form, "&") {
			values, err := url.ParseQuery(pair)
			require.NoError(t, err)
			for name := range values {
				back = append(back, gateway.Claim{Type: name, Value: values.Get(name)})
			}
		}
		require.Equal(t, list, back, "%q", form)
		for _, text := range []string{type1, value1, type2, value2} {
			if text == "" || strings.TrimSpace(text) != text || strings.Contains(text, "%") {
				return // receivers trim, and percent signs of clients stay as they are
			}
		}
		require.Len(t, pairs, len(all), "%q", header)
		for i, pair := range pairs {
			for j, text := range pair {
				back, err := url.PathUnescape(text)
				require.NoError(t, err)
				require.Equal(t, []string{all[i].Type, all[i].Value}[j], back)
			}
		}
	})
}

// unescapeLeniently decodes as browsers do: what is no escape stays.
func unescapeLeniently(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if b, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				out.Write(b)
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func FuzzHeaderValues(f *testing.F) {
	for _, seed := range []string{"bob", " a\r\nb ", "\xff\x7f", "é\u0085", "%0A"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		values := []string{string(appendHeader(nil, value)), string(appendUser(nil, value)), string(appendASCII(nil, value))}
		if checkTarget(value) {
			values = append(values, value)
		}
		for _, encoded := range values {
			require.NoError(t, checkValue(encoded))
			require.Equal(t, strings.Trim(encoded, " \t"), encoded, "would be trimmed")
		}
		require.Equal(t, value, unescapeLeniently(string(appendUser(nil, value))))
	})
}
