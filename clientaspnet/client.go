package clientaspnet

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/transport"
)

// client is what the transports of one connection share.
type client struct {
	h *Handler
	// conn is set as soon as the core knows the connection.
	conn atomic.Pointer[gateway.Conn]
	// tokens stay good for the connection (see vouch), and transports are those that its first one allows.
	tokens     transport.Tokens
	transports auth.TransportMask
	// connecting is held by the request that makes the connection or replaces its transport: they
	// come one at a time.
	connecting sync.Mutex
	// sending exists since the first call by POST, and holds a token while one is read and handed
	// over: they come one at a time. Guarded by connecting.
	sending chan struct{}
}

// carrier is a transport of a client, the present one or a former one.
type carrier interface {
	gateway.Transport
	owner() *client
}

// find returns a connection that has not ended, and its client, which may still be connecting; nil if
// there is none.
func (h *Handler) find(id string) (*client, *gateway.Conn) {
	conn, _ := h.options.Gateway.Lookup(id)
	if conn == nil {
		return nil, nil
	}
	carrier, ok := conn.Transport().(carrier)
	if !ok {
		return nil, nil
	}
	return carrier.owner(), conn
}

// start asks the application for the client. A refusal is on its way to the client.
func (cl *client) start(conn *gateway.Conn) error {
	return conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: aspnetprotocol.Name, Version: 1}})
}

// lost ends a transport.
func (cl *client) lost(t gateway.Transport, cause gateway.Cause) {
	if conn := cl.conn.Load(); conn != nil {
		conn.Lost(t, cause)
	}
}

// say hands over what the client says: one call. Errors: errCall if it is none, which closes the
// connection; the cause if that is ending anyway.
func say(conn *gateway.Conn, text []byte) error {
	if _, err := aspnetprotocol.ParseCall(text); err != nil {
		_ = reject(conn, notACall)
		return errCall
	}
	return conn.Record(text)
}

// reject closes a connection because of what the client said.
func reject(conn *gateway.Conn, text string) error {
	cause := gateway.Cause{Reason: gateway.CloseBadRequest, Text: text}
	conn.Close(cause)
	return cause
}

// turns returns what orders the calls by POST.
func (cl *client) turns() chan struct{} {
	cl.connecting.Lock()
	defer cl.connecting.Unlock()
	if cl.sending == nil {
		cl.sending = make(chan struct{}, 1)
	}
	return cl.sending
}

// replace puts a transport in the place of the present one, for a client that comes back from the
// cursor on (first nil), or that has not heard yet that it is connected. refusal is the frame for a client
// whose connection has ended, nil after success.
func (cl *client) replace(t gateway.Transport, cursor string, first []byte) (refusal []byte) {
	if cursor == "" {
		cursor = aspnetprotocol.NoCursor
	}
	cl.connecting.Lock()
	defer cl.connecting.Unlock()
	conn := cl.conn.Load()
	if conn == nil {
		return lastFrame(goneText) // it has ended while it was made
	}
	return refusalOf(conn.Replace(t, cursor, first))
}

// refusalOf is what a client is told whose transport could not take the place of another.
func refusalOf(err error) []byte {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gateway.ErrMissed):
		return lastFrame(missedText)
	}
	return lastFrame(goneText)
}

// lastFrame tells a client why it ends.
func lastFrame(text string) []byte {
	return aspnetprotocol.AppendError(nil, aspnetprotocol.NoCursor, text)
}

// way is a transport as clients name it.
type way uint8

const (
	webSockets way = iota
	serverSentEvents
	longPolling
)

// wayOf reads the name of a transport. foreverFrame is not among them.
func wayOf(name string) (way, error) {
	for w, known := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		if strings.EqualFold(name, known) {
			return way(w), nil
		}
	}
	return 0, errTransport
}

// offered checks whether the token allows the transport.
func (w way) offered(claims *auth.Claims) error {
	of := [...]struct {
		mask auth.TransportMask
		name string
	}{
		webSockets:       {auth.TransportWebSockets, gateway.WebSockets},
		serverSentEvents: {auth.TransportServerSentEvents, gateway.ServerSentEvents},
		longPolling:      {auth.TransportLongPolling, gateway.LongPolling},
	}[w]
	if !claims.Transports.Allows(of.mask) {
		return transport.ErrNotOffered(of.name)
	}
	return nil
}
