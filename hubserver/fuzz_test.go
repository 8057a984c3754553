package hubserver

import (
	"bytes"
	"context"
	"testing"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// FuzzGateway reads what a gateway may send, behind its answer to the handshake. Whatever
// that is, what the hub server writes are messages, and nothing is left when it ends.
func FuzzGateway(f *testing.F) {
	handshake := []byte("{\"protocol\":\"json\",\"version\":1}\x1e")
	open := (&serviceprotocol.OpenConnection{ConnectionID: "C", Protocol: "json", Query: "?a=b", Claims: []serviceprotocol.Claim{{Type: "sub", Value: "u"}},
		Headers: []serviceprotocol.Header{{Name: "Asrs-Instance-Id", Values: []string{"i"}}}}).Append(nil)
	said := func(text string) []byte {
		return (&serviceprotocol.ConnectionData{ConnectionID: "C", Payload: []byte(text)}).Append(nil)
	}
	seed := func(parts ...[]byte) {
		f.Add(bytes.Join(append([][]byte{open, said(string(handshake))}, parts...), nil))
	}
	seed(said("{\"type\":1,\"invocationId\":\"1\",\"target\":\"add\",\"arguments\":[1,2]}\x1e"))
	seed(said("{\"type\":4,\"invocationId\":\"1\",\"target\":\"count\",\"arguments\":[3]}\x1e{\"type\":5,\"invocationId\":\"1\"}\x1e"))
	seed(said("{\"type\":1,\"target\":\"sum\",\"streamIds\":[\"a\",\"b\"],\"arguments\":[3]}\x1e{\"type\":2,\"invocationId\":\"a\",\"item\":1}\x1e{\"type\":3,\"invocationId\":\"a\"}\x1e{\"ty"))
	seed(serviceprotocol.EchoPing("x").Append(nil), serviceprotocol.OfflinePing("i").Append(nil), serviceprotocol.TargetPing("n").Append(nil))
	seed((&serviceprotocol.ClientInvocation{InvocationID: "i", ConnectionID: "C"}).Append(nil), said("{\"type\":3,\"invocationId\":\"i\"}\x1e"))
	seed((&serviceprotocol.CloseConnection{ConnectionID: "C"}).Append(nil), open, open)
	seed((&serviceprotocol.Ack{AckID: 1, Status: 1}).Append(nil), (&serviceprotocol.ServiceError{Message: "x"}).Append(nil))
	seed((&serviceprotocol.ClientCompletion{InvocationID: "i", ConnectionID: "D", Protocol: "messagepack", Payload: []byte{1, 0xc0}}).Append(nil))
	hub := methods()
	f.Fuzz(func(t *testing.T, data []byte) {
		server := newTestServer(hub)
		p := newPool(server, hub, dialer{hub: "chat", serverID: "here"})
		p.books.joined = func() {}
		l := newLink(p, "cid", serviceprotocol.KindDefault)
		p.join(l)
		reader := serviceprotocol.NewReader(bytes.NewReader(data), 1<<20)
		decoder := serviceprotocol.NewDecoder()
		for {
			body, err := reader.Next()
			if err != nil {
				break
			}
			l.received(decoder, body)
		}
		p.part(l)
		if err := p.wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		p.handlers.Wait()
		if n := p.clientCount(); n != 0 || l.clients.Load() != 0 {
			t.Fatalf("%d clients are left", n)
		}
		written, _ := l.out.take(nil)
		for len(written) > 0 {
			body, rest, err := serviceprotocol.Cut(written, len(written))
			if err != nil || body == nil {
				t.Fatalf("no frame was written: %v", err)
			}
			if _, err := serviceprotocol.Parse(body); err != nil {
				t.Fatal(err)
			}
			written = rest
		}
	})
}
