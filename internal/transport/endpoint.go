package transport

import (
	"errors"
	"net/http"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// Metrics counts what happens on an endpoint of clients. Connections, closes and
// bytes are the core's to count, refusals a Refuser's. Calls are concurrent and must not block.
type Metrics interface {
	// Negotiated counts successful negotiate answers.
	Negotiated()
	// Opened counts connections by the name of their first transport: gateway.WebSockets,
	// gateway.ServerSentEvents or gateway.LongPolling.
	Opened(transport string)
	// Panicked counts panics, each of which ended one connection or request.
	Panicked()
}

// NoMetrics counts nothing.
type NoMetrics struct{}

// Negotiated implements Metrics.
func (NoMetrics) Negotiated() {}

// Opened implements Metrics.
func (NoMetrics) Opened(string) {}

// Panicked implements Metrics.
func (NoMetrics) Panicked() {}

// Forwarder carries requests to the node on which their connection lives. Its
// methods are called concurrently.
type Forwarder interface {
	// Forward has the request answered by the handler of the node with the tag,
	// body, headers and upgrade included. An error means that the node cannot be
	// reached and that nothing was written. It is gateway.ErrNoNode if there is no
	// such node, and its connections have ended with it.
	Forward(w http.ResponseWriter, r *http.Request, node string) error
}

// NotForwarded is the refusal of a request whose node could not be reached, as err says.
func NotForwarded(err error) error {
	if errors.Is(err, gateway.ErrNoNode) {
		return ErrUnknown
	}
	return ErrNode
}

// Claims returns claims of a token as the core has them, nil if there are none.
func Claims(of []auth.Claim) []gateway.Claim {
	if len(of) == 0 {
		return nil
	}
	claims := make([]gateway.Claim, len(of))
	for i, claim := range of {
		claims[i] = gateway.Claim(claim)
	}
	return claims
}
