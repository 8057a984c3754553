package upstream

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/webhook"
)

// audience is a Watcher that writes down what it is told.
type audience struct {
	mu   sync.Mutex
	away bool
	seen []Happening
}

func (a *audience) Watches(*gateway.Identity, string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.away
}

func (a *audience) Happened(h *Happening) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, *h)
}

func (a *audience) take() []Happening {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

func seenBy(a *audience) func(*Options) { return func(o *Options) { o.Watcher = a } }

func TestWebhooksAreWatchedWithRequestAndAnswer(t *testing.T) {
	t.Setenv("UPSTREAM_CODE", "env-secret-value")
	const literal = "literal-code-value"
	large := `{"type":3,"invocationId":"1","result":"` + strings.Repeat("x", 2*MaxSeen) + `"}`
	h := newHook(t, func(w http.ResponseWriter, p post) {
		switch p.event() {
		case "say":
			_, _ = io.WriteString(w, `{"type":3,"invocationId":"1","result":"env-secret-value"}`)
		case "large":
			_, _ = io.WriteString(w, large)
		case "fails":
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "short and stout")
		case "connected":
			w.WriteHeader(http.StatusNoContent)
		}
	})
	cfg := &Config{
		Keys: []auth.Secret{testKey}, Secrets: AllowedSecrets{Env: []string{"UPSTREAM_CODE"}},
		Templates: []Template{
			{URL: "http://a:b@" + strings.TrimPrefix(h.URL, "http://") + "/{hub}/{event}?code=" + literal + "&more={@env:UPSTREAM_CODE}",
				Event: webhook.PatternOf("say,connected,large,fails")},
			{URL: "http://h:port/", Event: webhook.PatternOf("no-url")},
		},
	}
	var a audience
	b := start(t, cfg, seenBy(&a))
	client := newConn("abc")
	s := connect(b, client)
	for _, event := range []string{"say", "fails", "large", "no-url", "unheard"} {
		receive(t, s, invoke("1", event))
	}
	require.NoError(t, b.Close(t.Context()))
	seen := make(map[string]Happening)
	for _, one := range a.take() {
		require.NotContains(t, seen, one.Event, "each event is told once")
		require.Equal(t, "abc", one.Client.ID)
		require.Len(t, one.Trace, 32)
		text, err := json.Marshal(one)
		require.NoError(t, err)
		for _, secret := range []string{literal, "env-secret-value", "a:b", string(testKey)} {
			require.NotContains(t, string(text), secret)
			require.NotContains(t, string(one.Answer)+one.URL+one.Detail, secret)
		}
		seen[one.Event] = one
	}
	say := seen["say"]
	require.Equal(t, ResultOK, say.Result)
	require.Equal(t, 200, say.Status)
	require.Equal(t, invoke("1", "say"), string(say.Request))
	require.Equal(t, `{"type":3,"invocationId":"1","result":"[redacted]"}`, string(say.Answer))
	require.Equal(t, "http://[redacted]@"+strings.TrimPrefix(h.URL, "http://")+"/chat/say?code=[redacted]&more={@env:UPSTREAM_CODE}", say.URL)
	require.Equal(t, "short and stout", string(seen["fails"].Answer), "what is not read for the client is shown too")
	require.Equal(t, 418, seen["fails"].Status)
	require.Equal(t, large[:MaxSeen+1], string(seen["large"].Answer))
	require.Equal(t, SkipURL, seen["no-url"].Skip)
	require.Equal(t, SkipUnmatched, seen["unheard"].Skip)
	require.Equal(t, invoke("1", "unheard"), string(seen["unheard"].Request))
	require.Empty(t, seen["unheard"].URL)
	require.Equal(t, "connections", seen["connected"].Category)
	require.Len(t, client.sent, 5, "watching changes nothing for the client")
}

func TestNobodyWatchesWebhooks(t *testing.T) {
	h := newHook(t, nil)
	a := audience{away: true}
	b := start(t, toAll(h.URL), seenBy(&a))
	receive(t, connect(b, newConn("abc")), invoke("1", "say"))
	require.NoError(t, b.Close(t.Context()))
	require.Empty(t, a.take())
}

// The webhook that the gateway has itself answers in both protocols, and is watched like any other.
func TestEcho(t *testing.T) {
	for _, protocol := range []string{hubprotocol.JSON, hubprotocol.MessagePack} {
		t.Run(protocol, func(t *testing.T) {
			var a audience
			counted := new(books)
			b := start(t, toAll(webhook.Echo), seenBy(&a), func(o *Options) { o.Metrics = counted })
			client := newConn("abc")
			client.protocol = protocol
			s := connect(b, client)
			for arguments, result := range map[string]string{`["hello"]`: `"hello"`, `[1,{"a":[true]}]`: `[1,{"a":[true]}]`, `[]`: `[]`} {
				raw := []byte(arguments)
				if protocol == hubprotocol.MessagePack {
					var err error
					raw, err = hubprotocol.AppendJSONAsMessagePack(nil, raw)
					require.NoError(t, err)
				}
				frame, err := hubprotocol.AppendInvocation(nil, protocol, "7", "say", raw)
				require.NoError(t, err)
				_, body, _, err := hubprotocol.Cut(protocol, frame, 1<<20)
				require.NoError(t, err)
				receive(t, s, string(body))
				m := completion(t, client)
				require.Equal(t, "7", m.InvocationID)
				require.JSONEq(t, result, string(Readable(protocol, m.Result)))
			}
			require.NoError(t, b.Close(t.Context()))
			require.Equal(t, []Result{ResultOK, ResultOK, ResultOK, ResultOK}, counted.results())
			seen := a.take()
			require.Len(t, seen, 4)
			require.Equal(t, "connected", seen[0].Event)
			require.Equal(t, 204, seen[0].Status)
			require.Equal(t, webhook.Echo, seen[1].URL)
			require.Equal(t, 200, seen[1].Status)
			require.Contains(t, string(seen[1].Request), "say")
			require.Contains(t, string(seen[1].Answer), `"7"`)
		})
	}
}
