package restapi

import (
	"bytes"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// BenchmarkInvoke is an :invoke of a client that answers at once. It is compared with a plain send, and a
// record of the client that the application gets: both in turn, so that what else the machine does slows both.
// The handler is called without a network. The metric "times" is how much longer an :invoke takes; it should
// be three at most.
func BenchmarkInvoke(b *testing.B) {
	f, c, came := answering(b)
	c.answer = func(record []byte) []byte {
		_, id, asks := bytes.Cut(record, []byte(`"invocationId":"`))
		if !asks {
			return []byte(`{"type":1,"target":"answer","arguments":[7]}` + "\x1e")
		}
		id, _, _ = bytes.Cut(id, []byte(`"`))
		return append(append([]byte(`{"type":3,"invocationId":"`), id...), `","result":7}`+"\x1e"...)
	}
	invoke := request(b, f, "/api/hubs/chat/connections/c/:invoke", 200)
	send := request(b, f, "/api/hubs/chat/connections/c/:send", 202)
	var invoking, sending time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		invoke()
		between := time.Now()
		send()
		<-came
		invoking += between.Sub(began)
		sending += time.Since(between)
	}
	b.ReportMetric(float64(invoking)/float64(sending), "times")
	b.ReportMetric(float64(invoking.Nanoseconds())/float64(b.N), "ns/invoke")
}

// request makes a request that is made again each time it is called.
func request(b *testing.B, f *fixture, target string, status int) func() {
	u, err := url.ParseRequestURI(target)
	require.NoError(b, err)
	r := httptest.NewRequest("POST", "/", nil)
	r.URL, r.RequestURI, r.ContentLength = u, target, int64(len(smallBody))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Authorization", "Bearer "+restToken(b, target))
	content := bytes.NewReader(smallBody)
	return func() {
		content.Reset(smallBody)
		r.Body = io.NopCloser(content)
		w := &discarding{header: make(map[string][]string)}
		f.handler.ServeHTTP(w, r)
		if w.status != status {
			b.Fatal(w.status)
		}
	}
}

// answerer is a client that answers each invocation.
type answerer struct {
	sink
	answer func(record []byte) []byte
}

// answering is a fixture with one of them. Came hears of each record of the client that the application gets.
func answering(b *testing.B) (f *fixture, c *answerer, came chan struct{}) {
	f, came = newFixture(b), make(chan struct{}, 1)
	gw, err := gateway.New(gateway.Options{Node: "n1", Backend: hearing{came}, Workers: 1})
	require.NoError(b, err)
	options := f.options()
	options.Logger, options.Hubs, options.UserGroups = nil, gw, gw
	f.handler = New(options)
	c = &answerer{sink: sink{wake: make(chan struct{}, 1)}}
	c.conn, err = gw.Attach(gateway.Identity{ID: "c", Hub: "chat", HubName: "chat"}, c)
	require.NoError(b, err)
	c.wg.Go(c.pump)
	require.NoError(b, c.conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	b.Cleanup(func() {
		c.conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		close(c.wake)
		c.wg.Wait()
		gw.Close()
	})
	return f, c, came
}

func (c *answerer) pump() {
	var batch gateway.Batch
	for range c.wake {
		for c.conn.Take(&batch, 64<<10) {
			var say []byte
			for _, r := range batch.Records {
				if strings.Contains(string(r.Bytes), `"type":1`) {
					say = append(say, c.answer(r.Bytes)...)
				}
			}
			c.conn.Wrote(&batch, nil)
			if len(say) > 0 {
				_ = c.conn.Feed(say)
			}
		}
	}
}

// hearing is an application that says when it gets something.
type hearing struct{ came chan struct{} }

func (h hearing) Supports(string) bool { return true }

func (h hearing) Accept(*gateway.Conn, gateway.Handshake) (gateway.Session, error) { return h, nil }
func (hearing) Speaker() gateway.Speaker                                           { return gateway.GatewaySpeaks }
func (hearing) Opened()                                                            {}
func (hearing) Closed(gateway.Cause)                                               {}

func (h hearing) Received(gateway.Record) bool {
	h.came <- struct{}{}
	return true
}
