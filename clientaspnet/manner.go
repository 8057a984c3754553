package clientaspnet

import (
	"time"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
)

// manner implements gateway.Manner.
type manner struct{ h *Handler }

// Ping implements gateway.Manner.
func (manner) Ping() []byte { return aspnetprotocol.KeepAlive }

// First implements gateway.Manner. npm signalr stops at an error that comes before the first frame, but its
// start() neither succeeds nor fails then.
func (manner) First() []byte { return aspnetprotocol.Init }

// Close implements gateway.Manner: an error, after which clients stop. One that the gateway's own end
// concerns may come back elsewhere; it does so by itself when its transport ends, and if it polls when
// it is asked to. Nothing is said to a client that has left.
func (manner) Close(cause gateway.Cause, polled bool) []byte {
	switch {
	case cause.Reason == gateway.CloseServiceReload && !polled:
		return nil
	case cause.Reason == gateway.CloseServiceReload:
		return aspnetprotocol.Reconnect
	case cause.Text != "":
		return aspnetprotocol.AppendError(nil, aspnetprotocol.NoCursor, cause.Text)
	case cause.Reason == gateway.CloseNormal:
		return nil
	}
	return aspnetprotocol.AppendError(nil, aspnetprotocol.NoCursor, "The connection was closed: "+string(cause.Reason)+".")
}

// HasCursor implements gateway.Manner.
func (manner) HasCursor(record []byte, cursor string) bool {
	return aspnetprotocol.HasCursor(record, cursor)
}

// Marked implements gateway.Manner.
func (manner) Marked(record []byte) bool { return !aspnetprotocol.IsResponse(record) }

// KeepAlive implements gateway.Manner.
func (m manner) KeepAlive() time.Duration { return m.h.options.Limits().KeepAlive }

// Away implements gateway.Manner.
func (m manner) Away() time.Duration { return m.h.options.Limits().DisconnectTimeout }
