package presence_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/store"
)

// follower is told when the fan-out of a send is over.
type follower struct{ came chan gateway.SendReport }

func (f *follower) FollowSend(*gateway.Command) func(gateway.SendReport) {
	return func(r gateway.SendReport) { f.came <- r }
}
func (*follower) Unheard(*gateway.Command)            {}
func (*follower) Opened(*gateway.Conn)                {}
func (*follower) Closed(*gateway.Conn, gateway.Cause) {}

// quiet is a transport that takes everything and keeps nothing. Its pump runs where it is woken: on the worker.
type quiet struct{ conn *gateway.Conn }

func (*quiet) Name() string                 { return "WebSockets" }
func (*quiet) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (q *quiet) Abort(cause gateway.Cause)  { q.conn.Ended(cause) }
func (q *quiet) Wake() {
	var b gateway.Batch
	for q.conn.Take(&b, 1<<16) {
		q.conn.Wrote(&b, nil)
	}
}

// BenchmarkBroadcastBesideListing compares the p99 of broadcasts to a hub of 100 000 connections, alone and while
// somebody lists all of them, page by page, without a pause. The two take turns in one run.
func BenchmarkBroadcastBesideListing(b *testing.B) {
	const clients, broadcasts = 100_000, 25
	f := &follower{make(chan gateway.SendReport, 1)}
	g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}, UserGroups: store.NewMemory(store.MemoryOptions{}), Limits: gateway.DefaultLimits, Observer: f})
	require.NoError(b, err)
	defer g.Close()
	e := presence.New(presence.Options{Hub: g, Tokens: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }})})
	defer e.Close()
	handshake := []byte("{\"protocol\":\"json\",\"version\":1}\x1e")
	for i := range clients {
		q := &quiet{}
		c, err := g.Attach(gateway.Identity{ID: fmt.Sprintf("%08x", uint32(i)*2654435761), Hub: "chat", User: fmt.Sprint("user", i)}, q)
		require.NoError(b, err)
		q.conn = c // before there is anything to take
		require.NoError(b, c.Feed(handshake))
	}
	message, err := hubprotocol.NewInvocation("json", "news", []byte(`["hello"]`))
	require.NoError(b, err)
	broadcast := func() time.Duration {
		began := time.Now()
		_, err := g.Do(b.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: gateway.Target{Kind: gateway.TargetAll}, Frames: message})
		require.NoError(b, err)
		require.Equal(b, clients, (<-f.came).Matched)
		return time.Since(began)
	}
	broadcast()

	const path = "/hubgate/v1/hubs/chat/connections"
	token, err := auth.SignREST(key, "http://localhost"+path, time.Hour)
	require.NoError(b, err)
	var alone, beside []time.Duration
	var pages atomic.Int64
	for b.Loop() {
		for range broadcasts {
			alone = append(alone, broadcast())
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for listAll(e, path, token, stop, &pages) {
			}
		}()
		for range broadcasts {
			beside = append(beside, broadcast())
		}
		close(stop)
		<-stopped
	}
	slices.Sort(alone)
	slices.Sort(beside)
	b.ReportMetric(float64(p99(beside))/float64(p99(alone)), "p99-ratio")
	b.ReportMetric(float64(p99(alone))/1e6, "p99-alone-ms")
	b.ReportMetric(float64(beside[len(beside)/2])/float64(alone[len(alone)/2]), "median-ratio")
	b.ReportMetric(float64(pages.Load()), "pages")
}

func p99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// listAll pages through the list. It reports false if it was stopped.
func listAll(e *presence.Endpoint, path, token string, stop <-chan struct{}, pages *atomic.Int64) bool {
	query := url.Values{"maxpagesize": {"1000"}}
	for {
		select {
		case <-stop:
			return false
		default:
		}
		r := httptest.NewRequest(http.MethodGet, path+"?"+query.Encode(), nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			panic(w.Body.String())
		}
		// What a caller does with a page is not the gateway's.
		_, rest, more := bytes.Cut(w.Body.Bytes(), []byte(`"continuationToken":"`))
		if !more {
			return true
		}
		token, _, _ := bytes.Cut(rest, []byte(`"`))
		query.Set("continuationToken", string(token))
		pages.Add(1)
	}
}
