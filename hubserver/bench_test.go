package hubserver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// BenchmarkEcho is a call with its answer, from the gateway's frame to the hub server's.
func BenchmarkEcho(b *testing.B) {
	hub := NewHub("chat")
	hub.Handle("echo", func(_ *Context, text string) string { return text })
	p := newPool(newTestServer(hub), hub, dialer{hub: "chat", serverID: "here"})
	l := newLink(p, "cid", serviceprotocol.KindDefault)
	decoder := serviceprotocol.NewDecoder()
	give := func(m serviceprotocol.Message) {
		body, _, err := serviceprotocol.Cut(m.Append(nil), 1<<20)
		require.NoError(b, err)
		l.received(decoder, body)
	}
	said := func(text string) serviceprotocol.Message {
		return &serviceprotocol.ConnectionData{ConnectionID: "C", Payload: []byte(text + "\x1e")}
	}
	give(&serviceprotocol.OpenConnection{ConnectionID: "C"})
	give(said(`{"protocol":"json","version":1}`))
	call := said(`{"type":1,"invocationId":"1","target":"echo","arguments":["hello"]}`)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		give(call)
		<-l.out.more
		buffer, _ = l.out.take(buffer)
	}
}

// BenchmarkLeave is what a client that leaves costs while others have to answer calls of other
// hub servers.
func BenchmarkLeave(b *testing.B) {
	for _, others := range []int{0, maxForwarded} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			hub := NewHub("chat")
			p := newPool(newTestServer(hub), hub, dialer{hub: "chat", serverID: "here"})
			l := newLink(p, "cid", serviceprotocol.KindDefault)
			p.open(l, &serviceprotocol.OpenConnection{ConnectionID: "other"})
			for i := range others {
				p.results.expect(l, &serviceprotocol.ClientInvocation{InvocationID: fmt.Sprint(i), ConnectionID: "other"})
			}
			s := newSession(p, l, &serviceprotocol.OpenConnection{ConnectionID: "C"})
			b.ReportAllocs()
			for b.Loop() {
				p.results.left(s, ErrNoClient)
			}
		})
	}
}
