package upstream

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/webhook"
)

// bin turns readable MessagePack in hexadecimal into bytes.
func bin(t testing.TB, hex string) string {
	var b []byte
	_, err := fmt.Sscanf(hex, "%x", &b)
	require.NoError(t, err)
	return string(b)
}

func TestEventsOfAConnection(t *testing.T) {
	h := newHook(t, nil)
	client := newConn("abc")
	s := connect(start(t, toAll(h.URL)), client)
	require.True(t, receive(t, s, send("one")))
	require.True(t, receive(t, s, invoke("7", "two")))
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})

	for i, c := range []struct{ name, category, event, body string }{
		{"R53 connected comes first", "connections", "connected", `{"type":10}`},
		{"R55 send has neither separator nor invocation id", "messages", "one", send("one")},
		{"R55 invoke has an invocation id", "messages", "two", invoke("7", "two")},
		{"R54 disconnected comes last", "connections", "disconnected", `{"type":11}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := want(t, h.posts)
			require.Equal(t, http.MethodPost, got.Method)
			require.Equal(t, c.body, got.body, i)
			require.Equal(t, c.category, got.category())
			require.Equal(t, c.event, got.event())
			require.Equal(t, []string{"application/json"}, got.Header["Content-Type"])
		})
	}
	t.Run("R54 disconnected comes once", func(t *testing.T) {
		require.NoError(t, s.backend.Close(t.Context()))
		require.Empty(t, h.posts)
	})
}

func TestDisconnectedError(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause gateway.Cause
		body  string
	}{
		{"R54 ordinary end", gateway.Cause{Reason: gateway.CloseNormal}, `{"type":11}`},
		{"R54 abnormal end", gateway.Cause{Reason: gateway.ClosePingTimeout, Text: `"late"`}, `{"type":11,"error":"\"late\""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, nil)
			s := connect(start(t, toAll(h.URL)), newConn("abc"))
			require.Equal(t, "connected", want(t, h.posts).event())
			s.Closed(c.cause)
			require.Equal(t, c.body, want(t, h.posts).body)
		})
	}
	t.Run("R54 nothing for a client whose handshake failed", func(t *testing.T) {
		h := newHook(t, nil)
		b := start(t, toAll(h.URL))
		newSession(b, newConn("abc")).Closed(gateway.Cause{Reason: gateway.CloseHandshakeError, Text: "no"})
		require.NoError(t, b.Close(t.Context()))
		require.Empty(t, h.posts)
	})
}

func TestMessagePack(t *testing.T) {
	h := newHook(t, nil)
	client := newConn("abc")
	client.protocol = hubprotocol.MessagePack
	s := connect(start(t, toAll(h.URL)), client)
	record := bin(t, "960180a130a3696e76910190")
	receive(t, s, record)
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	t.Run("R56 connected is JSON", func(t *testing.T) {
		got := want(t, h.posts)
		require.Equal(t, "application/json", got.Header.Get("Content-Type"))
		require.Equal(t, `{"type":10}`, got.body)
	})
	t.Run("R56 message is MessagePack without a length prefix", func(t *testing.T) {
		got := want(t, h.posts)
		require.Equal(t, "application/x-msgpack", got.Header.Get("Content-Type"))
		require.Equal(t, record, got.body)
		require.Equal(t, "inv", got.event())
	})
	t.Run("R56 disconnected is JSON", func(t *testing.T) {
		require.Equal(t, "application/json", want(t, h.posts).Header.Get("Content-Type"))
	})
	t.Run("R70 204 is a Completion in MessagePack", func(t *testing.T) {
		m := completion(t, client)
		require.Equal(t, "0", m.InvocationID)
		require.False(t, m.HasError)
	})
}

func TestRecordsAreForwardedVerbatim(t *testing.T) {
	h := newHook(t, nil)
	s := newSession(start(t, toAll(h.URL)), newConn("abc"))
	for _, c := range []struct{ name, body string }{
		{"R67 twelve arguments", `{"type":1,"target":"m","arguments":[1,2,3,4,5,6,7,8,9,10,11,12]}`},
		{"headers and stream ids", `{"type":1,"headers":{"a":"b"},"target":"m","arguments":[],"streamIds":["1"]}`},
		{"order, spaces and numbers of the client", `{ "arguments":[1.0e2, 12345678901234567890123], "target":"m", "type":1 }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			receive(t, s, c.body)
			require.Equal(t, c.body, want(t, h.posts).body)
		})
	}
}

func TestRecordsWithoutAWebhook(t *testing.T) {
	h := newHook(t, nil)
	m := &books{}
	client := newConn("abc")
	b := start(t, toAll(h.URL), watched(m))
	s := newSession(b, client)
	t.Run("R68 results, items and cancellations cause no call", func(t *testing.T) {
		for _, record := range []string{
			`{"type":3,"invocationId":"1","result":1}`, `{"type":2,"invocationId":"1","item":1}`,
			`{"type":5,"invocationId":"1"}`, `{"type":6}`, `{"type":99}`,
		} {
			require.True(t, receive(t, s, record))
		}
		require.Empty(t, client.sent)
	})
	t.Run("C88 a streaming invocation gets an error", func(t *testing.T) {
		require.True(t, receive(t, s, `{"type":4,"invocationId":"1","target":"m","arguments":[]}`))
		got := completion(t, client)
		require.Equal(t, "1", got.InvocationID)
		require.Contains(t, got.Error, "Streaming is not supported")
		require.Equal(t, []SkipReason{SkipUnsupported}, m.skips())
	})
	require.NoError(t, b.Close(t.Context()))
	require.Empty(t, h.posts)
}

func TestR43StreamsOfWebhooks(t *testing.T) {
	const body = `{"type":4,"invocationId":"1","target":"m","arguments":[5]}`
	for _, c := range []struct {
		name   string
		status int
		answer string
		end    string // of the stream; "" leaves it open
	}{
		{"an empty answer leaves it open", 200, "", ""},
		{"204 leaves it open", 204, "", ""},
		{"a Completion ends it", 200, `{"type":3,"invocationId":"1","error":"no more"}`, "no more"},
		{"a failure ends it", 500, "", "status code 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, func(w http.ResponseWriter, _ post) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			})
			config := toAll(h.URL)
			config.Streams = true
			client := newConn("abc")
			b := start(t, config)
			require.True(t, receive(t, newSession(b, client), body))
			require.Equal(t, body, want(t, h.posts).body)
			if c.end != "" {
				require.Contains(t, completion(t, client).Error, c.end)
			}
			require.NoError(t, b.Close(t.Context()))
			require.Empty(t, client.sent)
		})
	}
}

func TestUnmatched(t *testing.T) {
	h := newHook(t, nil)
	onlyLogin := func(silent bool) *Config {
		return &Config{Templates: []Template{{URL: h.URL, Event: webhook.PatternOf("login")}}, SilentUnmatched: silent}
	}
	t.Run("C89 R63 an invocation that no template takes gets an error", func(t *testing.T) {
		m := &books{}
		client := newConn("abc")
		s := connect(start(t, onlyLogin(false), watched(m)), client)
		require.True(t, receive(t, s, invoke("5", "other")))
		got := completion(t, client)
		require.Equal(t, "5", got.InvocationID)
		require.Equal(t, "No upstream endpoint matches hub, category, event: chat, messages, other.", got.Error)
		require.Equal(t, []SkipReason{SkipUnmatched}, m.skips())
		require.Empty(t, client.closed, "the connection lives")
	})
	t.Run("C89 a long name is cut in the answer", func(t *testing.T) {
		client := newConn("abc")
		receive(t, connect(start(t, onlyLogin(false)), client), invoke("5", strings.Repeat("é", 5000)))
		require.LessOrEqual(t, len(completion(t, client).Error), 256)
	})
	t.Run("R63 a send that no template takes is silent", func(t *testing.T) {
		client := newConn("abc")
		s := connect(start(t, onlyLogin(false)), client)
		require.True(t, receive(t, s, send("other")))
		require.True(t, receive(t, s, `{"type":1,"invocationId":"","target":"other","arguments":[]}`))
		require.Empty(t, client.sent)
	})
	t.Run("R63 silent as the emulator", func(t *testing.T) {
		client := newConn("abc")
		s := connect(start(t, onlyLogin(true)), client)
		require.True(t, receive(t, s, invoke("5", "other")))
		require.Empty(t, client.sent)
	})
	require.Empty(t, h.posts)
}

func TestFirstTemplateOnly(t *testing.T) {
	first, second := newHook(t, nil), newHook(t, nil)
	s := newSession(start(t, &Config{Templates: []Template{
		{URL: first.URL + "/{event}", Event: webhook.PatternOf("a,b")}, {URL: second.URL},
	}}), newConn("abc"))
	receive(t, s, send("a"))
	receive(t, s, send("c"))
	t.Run("R63 first match wins", func(t *testing.T) {
		require.Equal(t, "/a", want(t, first.posts).URL.Path)
		require.Equal(t, "c", want(t, second.posts).event())
		require.NoError(t, s.backend.Close(t.Context()))
		require.Empty(t, first.posts)
		require.Empty(t, second.posts)
	})
}

func TestTargets(t *testing.T) {
	h := newHook(t, nil)
	for _, target := range []string{`a\r\nX-Evil: 1`, `\u0000`, `a\u007f`, `a\u0085b`, `a\tb`, ` a`, `a `, ` `, `\u0020a`} {
		t.Run(fmt.Sprintf("R61 %q closes the connection", target), func(t *testing.T) {
			m := &books{}
			client := newConn("abc")
			s := newSession(start(t, toAll(h.URL), watched(m)), client)
			require.True(t, receive(t, s, invoke("1", target)))
			got := want(t, client.closed)
			require.Equal(t, gateway.CloseBadRequest, got.Reason)
			require.False(t, got.AllowReconnect)
			require.Contains(t, got.Text, "control characters, or spaces at its ends")
			require.Equal(t, []SkipReason{SkipTarget}, m.skips())
		})
	}
	t.Run("R61 too long for a header", func(t *testing.T) {
		client := newConn("abc")
		s := newSession(start(t, toAll(h.URL)), client)
		require.True(t, receive(t, s, invoke("1", strings.Repeat("x", maxTargetBytes+1))))
		require.Contains(t, completion(t, client).Error, "longer than")
	})
	t.Run("R62 a name that climbs makes no URL", func(t *testing.T) {
		client := newConn("abc")
		s := newSession(start(t, toAll(h.URL+"/api/{event}")), client)
		require.True(t, receive(t, s, invoke("1", "..")))
		require.Equal(t, textNoURL, completion(t, client).Error)
	})
	require.Empty(t, h.posts)
	t.Run("R62 letters beyond ASCII", func(t *testing.T) {
		s := newSession(start(t, toAll(h.URL+"/{event}")), newConn("abc"))
		receive(t, s, send("é/x"))
		got := want(t, h.posts)
		require.Equal(t, "/%C3%A9%2Fx", got.URL.EscapedPath())
		require.Equal(t, "é/x", got.event())
	})
}

// gated is an upstream whose answers wait for the test.
func gated(t *testing.T) (*hook, chan struct{}) {
	gate := make(chan struct{})
	h := newHook(t, func(w http.ResponseWriter, p post) {
		<-gate
		w.WriteHeader(http.StatusNoContent)
	})
	return h, gate
}

func TestFullQueue(t *testing.T) {
	for _, c := range []struct {
		name  string
		queue Queue
		fits  int
	}{
		{"D14 bound of events", Queue{Events: 3}, 3},
		{"D14 bound of bytes", Queue{Bytes: 2*len(send("m")) + 10}, 2},
		{"D14 an empty queue takes any one event", Queue{Bytes: 1}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, gate := gated(t)
			m := &books{}
			cfg := toAll(h.URL)
			cfg.Queue = c.queue
			s := newSession(start(t, cfg, watched(m)), newConn("abc"))
			require.True(t, receive(t, s, send("m")))
			want(t, h.posts) // it left the queue
			for range c.fits {
				require.True(t, receive(t, s, send("m")))
			}
			require.False(t, receive(t, s, send("m")))
			require.Equal(t, []SkipReason{SkipFull}, m.skips())
			require.Equal(t, c.fits, m.depth())
			s.Opened()
			s.Closed(gateway.Cause{Reason: gateway.CloseThrottled, Text: "x"})
			close(gate)
			for range c.fits {
				require.Equal(t, "m", want(t, h.posts).event())
			}
			require.Equal(t, "connected", want(t, h.posts).event())
			require.Equal(t, "disconnected", want(t, h.posts).event(), "always taken")
			require.NoError(t, s.backend.Close(t.Context()))
			require.Zero(t, m.depth())
		})
	}
}

func TestSlowUpstream(t *testing.T) {
	h, gate := gated(t)
	b := start(t, toAll(h.URL))
	one, other := newSession(b, newConn("one")), newSession(b, newConn("other"))
	receive(t, one, send("first"))
	require.Equal(t, "first", want(t, h.posts).event())
	receive(t, one, send("second"))
	receive(t, other, send("third"))
	t.Run("R75 other connections do not wait", func(t *testing.T) {
		require.Equal(t, "third", want(t, h.posts).event())
	})
	t.Run("R75 the second message of the connection waits", func(t *testing.T) {
		require.Empty(t, h.posts)
		gate <- struct{}{}
		gate <- struct{}{}
		require.Equal(t, "second", want(t, h.posts).event())
	})
	close(gate)
}

// A webhook may itself reach the client that called it, and get more calls
// from it, before it answers.
func TestWebhookThatCallsBack(t *testing.T) {
	client := newConn("abc")
	sessions := make(chan *session, 1)
	h := newHook(t, func(w http.ResponseWriter, p post) {
		if p.event() == "outer" {
			client.Send([]byte("pushed"))
			s := <-sessions
			s.Received(gateway.Record{Type: hubprotocol.Invocation, Message: &hubprotocol.Message{Target: "inner"}})
		}
		w.WriteHeader(http.StatusNoContent)
	})
	s := newSession(start(t, toAll(h.URL)), client)
	sessions <- s
	t.Run("R75 calls back while pending", func(t *testing.T) {
		receive(t, s, invoke("1", "outer"))
		require.Equal(t, "pushed", string(want(t, client.sent)))
		require.Equal(t, "1", completion(t, client).InvocationID)
		require.Equal(t, "outer", want(t, h.posts).event())
		require.Equal(t, "inner", want(t, h.posts).event())
	})
}

func TestTemplatesChangeWhileRunning(t *testing.T) {
	first, second := newHook(t, nil), newHook(t, nil)
	var cfg atomic.Pointer[Config]
	cfg.Store(toAll(first.URL))
	s := connect(start(t, nil, func(o *Options) { o.Config = cfg.Load }), newConn("abc"))
	require.Equal(t, "connected", want(t, first.posts).event())
	cfg.Store(toAll(second.URL))
	t.Run("R78 new templates take the next event of a live connection", func(t *testing.T) {
		receive(t, s, send("m"))
		require.Equal(t, "m", want(t, second.posts).event())
	})
	cfg.Store(&Config{})
	t.Run("R78 no templates, no call", func(t *testing.T) {
		s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
		require.NoError(t, s.backend.Close(t.Context()))
		require.Empty(t, first.posts)
		require.Empty(t, second.posts)
	})
}

func TestSessionIsSmall(t *testing.T) {
	require.Less(t, unsafe.Sizeof(session{}), uintptr(100))
	h := newHook(t, nil)
	s := connect(start(t, toAll(h.URL)), newConn("abc"))
	receive(t, s, send("m"))
	require.NoError(t, s.backend.Close(t.Context()))
	require.Nil(t, s.queue, "an idle session keeps no queue")
	require.False(t, s.working)
}

// Where no template takes anything, an event must cost nothing.
func TestNoTemplateNoWork(t *testing.T) {
	s := connect(start(t, &Config{Templates: []Template{{URL: "http://h/", Hub: webhook.PatternOf("other")}}}), newConn("abc"))
	message := &hubprotocol.Message{Type: hubprotocol.Invocation, Target: "m"}
	record := gateway.Record{Type: hubprotocol.Invocation, Body: []byte("{}"), Message: message}
	require.Zero(t, testing.AllocsPerRun(100, func() { s.Received(record) }))
	require.False(t, s.working)
}
