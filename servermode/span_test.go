package servermode_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// inTracedWorld is inWorld with a tracer that keeps every span.
func inTracedWorld(t *testing.T, test func(t *testing.T, w *world, spans *tracetest.SpanRecorder)) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")
	inWorldWith(t, func(o *servermode.Options) { o.Tracer = tracer }, func(t *testing.T, w *world) { test(t, w, spans) })
}

// full connects a hub server that reads nothing more once it has its client, which says so much that it waits.
func full(t *testing.T, w *world, records int) (c *gatewaytest.Client, ws *websocket.Conn, read func() []sp.Message) {
	w.limits.QueueBytes = 64 << 10
	ws, read = stuck(t, w)
	require.NotEmpty(t, read())
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, nil))
	c = gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "1", Hub: "chat"})
	for opened := false; !opened; {
		for _, m := range read() {
			_, data := m.(*sp.ConnectionData)
			opened = opened || data
		}
	}
	go func() {
		for i := range records {
			if c.Conn.Feed([]byte(call("", fmt.Sprint(i, strings.Repeat("x", 1000))))) != nil {
				return
			}
		}
	}()
	synctest.Wait()
	return c, ws, read
}

// endedWith counts the spans that have ended with an error, in whatever order.
func endedWith(spans *tracetest.SpanRecorder, why string) (n int) {
	for _, span := range spans.Ended() {
		if slices.Contains(span.Attributes(), attribute.String("error.type", why)) {
			n++
		}
	}
	return n
}

// A record that waits for room is offered again and again. It has one span, from when it came.
func TestARecordThatIsOfferedAgainHasOneSpan(t *testing.T) {
	inTracedWorld(t, func(t *testing.T, w *world, spans *tracetest.SpanRecorder) {
		const records = 1000
		_, _, read := full(t, w, records)
		time.Sleep(time.Second)
		traced := map[uint64]bool{}
		for got := 0; got < records; {
			for _, m := range read() {
				if d, ok := m.(*sp.ConnectionData); ok {
					traced[d.TracingID] = true
					got++
				}
			}
		}
		require.Equal(t, records, len(spans.Started()))
		require.Equal(t, records, len(spans.Ended()))
		waited := 0
		for _, span := range spans.Ended() {
			id := span.SpanContext().TraceID()
			require.True(t, traced[binary.BigEndian.Uint64(id[8:])], "the hub server has got it")
			if span.EndTime().Sub(span.StartTime()) >= time.Second {
				waited++
			}
		}
		require.Equal(t, 1, waited, "the record that waited while nothing was read")
	})
}

// A client that leaves while a record of it waits leaves no span open.
func TestTheSpanOfARecordThatNeverHadRoomEnds(t *testing.T) {
	inTracedWorld(t, func(t *testing.T, w *world, spans *tracetest.SpanRecorder) {
		c, _, _ := full(t, w, 1000)
		c.Leave()
		synctest.Wait()
		require.Equal(t, len(spans.Ended()), len(spans.Started()))
		require.Equal(t, 1, endedWith(spans, "ClientClosed"))
	})
}

// The span of a record that has waited for a hub server which then goes ends: the record waits for another one, which gets it.
func TestTheSpanOfARecordThatIsHeldEnds(t *testing.T) {
	inTracedWorld(t, func(t *testing.T, w *world, spans *tracetest.SpanRecorder) {
		w.limits.Grace = 10 * time.Second
		_, ws, _ := full(t, w, 200)
		require.Equal(t, len(spans.Ended())+1, len(spans.Started()))
		require.NoError(t, ws.Close())
		synctest.Wait()
		require.Equal(t, len(spans.Ended()), len(spans.Started()), "what is held has no span")
		require.Equal(t, 1, endedWith(spans, "Held"))

		held := len(spans.Ended()) - 1
		next := w.server(dial{id: "s2"})
		time.Sleep(time.Second)
		data := next.take(sp.TypeConnectionData)
		require.Greater(t, len(data), 1)
		require.Contains(t, string(data[1].(*sp.ConnectionData).Payload), fmt.Sprintf(`"%dxxx`, held), "behind the handshake")
	})
}

// What a hub server says to one client alone is shown under its tracing id on the node of the client.
func TestTheTracingIDOfWhatOneClientIsTold(t *testing.T) {
	for _, where := range []string{"a", "b"} {
		inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
			s := ns.list["a"].server(dial{})
			time.Sleep(time.Second) // all nodes know of it
			c := ns.list[where].client(gatewaytest.Options{User: "ann"})
			said(t, c, call("1", "add"))
			s.send(&sp.ConnectionData{ConnectionID: idOf(c), Payload: []byte(completion("1", "3")), TracingID: 42})
			s.send(&sp.ConnectionData{ConnectionID: idOf(c), Payload: []byte(invocation("untraced"))})
			time.Sleep(time.Second)
			require.Equal(t, []string{"42"}, ns.list[where].traced())
		})
	}
}

// A hub server on another node gets the tracing id of a call.
func TestTheTracingIDOfACallGoesToAnotherNode(t *testing.T) {
	inNodes(t, []string{"a"}, func(t *testing.T, ns *nodes) {
		spans := tracetest.NewSpanRecorder()
		ns.change = func(o *servermode.Options) {
			o.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")
		}
		b := ns.start("b")
		time.Sleep(3 * time.Second)
		s := ns.list["a"].server(dial{})
		time.Sleep(time.Second) // all nodes know of it
		c := b.client(gatewaytest.Options{User: "ann"})
		s.take(sp.TypeConnectionData) // the handshake
		said(t, c, call("1", "add"))
		id := spans.Started()[0].SpanContext().TraceID()
		require.Equal(t, binary.BigEndian.Uint64(id[8:]), s.next(sp.TypeConnectionData).(*sp.ConnectionData).TracingID)
	})
}

// While somebody reads which messages are sent, hub servers are asked for tracing ids.
func TestHubServersAreAskedForTracingIDs(t *testing.T) {
	var reads atomic.Bool
	inWorldWith(t, func(o *servermode.Options) { o.MessageLog = reads.Load }, func(t *testing.T, w *world) {
		s := w.server(dial{})
		asked := func() (list []bool) {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			for _, m := range s.take(sp.TypePing) {
				if on, ok := m.(*sp.Ping).MessageLog(); ok {
					list = append(list, on)
				}
			}
			return list
		}
		require.Empty(t, asked())
		reads.Store(true)
		require.Equal(t, []bool{true}, asked())
		require.Empty(t, asked(), "it knows")
		reads.Store(false)
		require.Equal(t, []bool{false}, asked())
	})
}
