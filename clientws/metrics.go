package clientws

import "github.com/hubgate/hubgate/internal/transport"

// Metrics counts what happens on the client endpoint.
type Metrics = transport.Metrics

// Forwarder carries requests to the node on which their connection lives.
type Forwarder = transport.Forwarder
