package upstream

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/webhook"
	"github.com/hubgate/hubgate/webhook/signature"
)

// noted is a Life that remembers what it was told.
type noted struct {
	mu      sync.Mutex
	told    []string
	records map[string][]byte
	hold    bool
	born    chan struct{} // if not nil, Born waits for it
}

func (n *noted) note(what string, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, what+" "+id)
}

func (n *noted) keep(id string, record Recorder) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.records == nil {
		n.records = make(map[string][]byte)
	}
	n.records[id] = record.AppendRecord(nil)
}

func (n *noted) Born(ctx context.Context, hub, id string, record Recorder) {
	if n.born != nil {
		select {
		case <-n.born:
		case <-ctx.Done():
		}
	}
	n.note("born "+hub, id)
	n.keep(id, record)
}

func (n *noted) Ending(_ context.Context, id string, record Recorder) bool {
	n.note("ending", id)
	n.keep(id, record)
	return !n.hold
}

func (n *noted) Doubted(id string) { n.note("doubted", id) }

func (n *noted) Ended(id string) { n.note("ended", id) }

func (n *noted) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.told...)
}

func startNoted(t *testing.T, cfg *Config, n *noted, more ...func(*Options)) *Backend {
	b := start(t, cfg, more...)
	b.Use(n)
	return b
}

func TestLifeOfAClient(t *testing.T) {
	t.Run("17 born before connected, ending before disconnected, ended after it", func(t *testing.T) {
		n := new(noted)
		h := newHook(t, func(w http.ResponseWriter, p post) {
			n.note("post", p.event())
			w.WriteHeader(http.StatusNoContent)
		})
		b := startNoted(t, toAll(h.URL), n)
		s := connect(b, newConn("abc"))
		s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, []string{"born chat abc", "post connected", "ending abc", "post disconnected", "ended abc"}, n.list())
	})
	t.Run("17 connected waits for the note, and nobody else does", func(t *testing.T) {
		n := &noted{born: make(chan struct{})}
		h := newHook(t, nil)
		b := startNoted(t, toAll(h.URL), n)
		s := connect(b, newConn("abc")) // returns
		require.True(t, receive(t, s, send("one")))
		require.Empty(t, h.posts)
		close(n.born)
		require.Equal(t, "connected", want(t, h.posts).event())
		require.Equal(t, "one", want(t, h.posts).event())
	})
	t.Run("13 only clients whose end a webhook is told of are noted", func(t *testing.T) {
		n := new(noted)
		h := newHook(t, nil)
		cfg := toAll(h.URL)
		cfg.Templates[0].Event = webhook.PatternOf("connected,one")
		b := startNoted(t, cfg, n)
		s := connect(b, newConn("abc"))
		s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
		require.NoError(t, b.Close(t.Context()))
		require.Empty(t, n.list())
	})
	t.Run("13 a client is noted although no webhook is told of its beginning", func(t *testing.T) {
		n := new(noted)
		h := newHook(t, nil)
		cfg := toAll(h.URL)
		cfg.Templates[0].Event = webhook.PatternOf("disconnected")
		b := startNoted(t, cfg, n)
		s := connect(b, newConn("abc"))
		s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, []string{"born chat abc", "ending abc", "ended abc"}, n.list())
	})
	t.Run("16.1 what is held is not sent, and goes on being noted", func(t *testing.T) {
		n := &noted{hold: true}
		m := new(books)
		h := newHook(t, nil)
		b := startNoted(t, toAll(h.URL), n, watched(m))
		s := connect(b, newConn("abc"))
		s.Closed(gateway.Cause{Reason: gateway.ClosePingTimeout, Text: "late"})
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, "connected", want(t, h.posts).event())
		require.Empty(t, h.posts)
		require.Equal(t, []string{"born chat abc", "ending abc"}, n.list())
		require.Equal(t, []SkipReason{SkipHeld}, m.skips())
	})
	t.Run("D13 a client that is rejected has ended", func(t *testing.T) {
		n := new(noted)
		h := newHook(t, says(http.StatusForbidden, "no"))
		client := newConn("abc")
		b := startNoted(t, toAll(h.URL), n)
		s := connect(b, client)
		want(t, client.closed)
		s.Closed(gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed})
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, []string{"born chat abc", "ended abc"}, n.list())
	})
	t.Run("a client that leaves when no webhook is told any more has ended", func(t *testing.T) {
		n := new(noted)
		h := newHook(t, nil)
		cfg := toAll(h.URL)
		b := startNoted(t, cfg, n, func(o *Options) { o.Config = func() *Config { return cfg } })
		s := connect(b, newConn("abc"))
		want(t, h.posts)
		cfg = &Config{}
		s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, []string{"born chat abc", "ended abc"}, n.list())
	})
	t.Run("what the end of the gateway cuts off is not noted as ended", func(t *testing.T) {
		n := new(noted)
		reached, release := make(chan struct{}), make(chan struct{})
		h := newHook(t, func(w http.ResponseWriter, p post) {
			if p.event() == "disconnected" {
				close(reached)
				<-release
			}
		})
		t.Cleanup(func() { close(release) })
		opts := Options{Config: func() *Config { return toAll(h.URL) }}
		b := New(opts)
		b.Use(n)
		connect(b, newConn("abc")).Closed(gateway.Cause{Reason: gateway.CloseNormal})
		<-reached
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, b.Close(ctx), context.Canceled)
		require.Equal(t, []string{"born chat abc", "ending abc"}, n.list())
	})
}

func TestSendDisconnected(t *testing.T) {
	client := newConn("abc")
	client.id = gateway.Identity{
		ID: "abc", Hub: "app_chat", HubName: "Chat", User: "añn, \x01", Query: "hub=chat&x=ü%20",
		Claims: []gateway.Claim{{Type: "role", Value: "a, b"}, {Type: "x: y", Value: "ü"}},
	}
	n := new(noted)
	h := newHook(t, nil)
	b := startNoted(t, &Config{Templates: toAll(h.URL).Templates, Keys: []auth.Secret{testKey}}, n)
	s := connect(b, client)
	want(t, h.posts)
	s.Closed(gateway.Cause{Reason: gateway.CloseSlowClient, Text: "slow"})
	own := want(t, h.posts)
	own.Header.Del("Traceparent")

	send := func(t *testing.T, record []byte) post {
		require.NoError(t, b.SendDisconnected(record))
		got := want(t, h.posts)
		got.Header.Del("Traceparent")
		return got
	}
	t.Run("17 the event of another node's client has the headers and the signature that its own would have", func(t *testing.T) {
		got := send(t, s.AppendRecord(nil))
		own.Header.Set("Content-Length", got.Header.Get("Content-Length")) // the bodies differ, and so what signs them
		event, err := (&signature.Verifier{Keys: []string{testKey.Reveal()}}).Request(got.Request, []byte(got.body))
		require.NoError(t, err)
		require.Equal(t, "abc.disconnected", event.ID)
		require.Contains(t, own.Header.Get(signature.Header), event.ID)
		own.Header.Set(signature.Header, got.Header.Get(signature.Header))
		require.Equal(t, own.Header, got.Header)
		require.NotEmpty(t, got.Header.Get(SignatureHeader))
		require.Equal(t, `{"type":11,"error":"NodeLost: the node of the gateway that had the connection is gone."}`, got.body)
	})
	t.Run("16.1 what was held has the error it would have had", func(t *testing.T) {
		n.mu.Lock()
		record := n.records["abc"]
		n.mu.Unlock()
		require.Equal(t, own.body, send(t, record).body)
	})
	t.Run("no webhook, no call", func(t *testing.T) {
		require.NoError(t, start(t, &Config{}).SendDisconnected(s.AppendRecord(nil)))
	})
	t.Run("D8 a webhook that fails is not called again", func(t *testing.T) {
		h := newHook(t, says(http.StatusInternalServerError, ""))
		require.NoError(t, start(t, toAll(h.URL)).SendDisconnected(s.AppendRecord(nil)))
		require.Len(t, h.posts, 1)
	})
	t.Run("a node that ends leaves it to others", func(t *testing.T) {
		b := New(Options{Config: func() *Config { return toAll(h.URL) }})
		require.NoError(t, b.Close(t.Context()))
		require.ErrorIs(t, b.SendDisconnected(s.AppendRecord(nil)), ErrNotSent)
		require.Empty(t, h.posts)
	})
	for _, bad := range []string{``, `{`, `{}`, `{"id":"a"}`, `{"id":"a","hub":"b","claims":[["a"]]}`, `[]`} {
		t.Run(fmt.Sprintf("malformed %q", bad), func(t *testing.T) {
			require.ErrorIs(t, b.SendDisconnected([]byte(bad)), ErrRecord)
		})
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, &gateway.Identity{ID: "a", Hub: "b", Claims: []gateway.Claim{{Type: "c", Value: "d"}}}, disconnectedBody(nodeLost)))
	f.Add([]byte(`{"id":"a","hub":"b","claims":[[],["a","b","c"]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, body, err := parseRecord(text)
		if err != nil {
			return
		}
		again, body2, err := parseRecord(appendRecord(nil, &d.id, body))
		require.NoError(t, err)
		require.Equal(t, d.id.ID, again.id.ID)
		require.Equal(t, d.id.Claims, again.id.Claims)
		require.JSONEq(t, string(body), string(body2))
	})
}
