package clientws

// Metrics counts what happens on the client endpoint. Connections, closes and
// bytes are the core's to count, refusals Handler.Refused. Calls are concurrent and must not block.
type Metrics interface {
	// Negotiated counts successful negotiate answers.
	Negotiated()
	// Opened counts connections by transport: WebSockets, ServerSentEvents or LongPolling.
	Opened(transport string)
	// Panicked counts panics, each of which ended one connection or request.
	Panicked()
}

// noMetrics counts nothing.
type noMetrics struct{}

func (noMetrics) Negotiated()   {}
func (noMetrics) Opened(string) {}
func (noMetrics) Panicked()     {}
