package servermode

import (
	"strings"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	// maxProtocols is how many hub protocols a hub may have besides the known ones.
	maxProtocols     = 64
	maxProtocolBytes = 64
	// protocolAge is how long a protocol that is not used keeps its place when a new one needs it.
	protocolAge = time.Hour
)

// Supports implements gateway.Backend. Hub servers decide which protocols a hub speaks, so every
// name of at most 64 printable ASCII characters without spaces is supported.
func (b *Backend) Supports(protocol string) bool {
	return protocol != "" && len(protocol) <= maxProtocolBytes &&
		!strings.ContainsFunc(protocol, func(r rune) bool { return r <= ' ' || r > '~' })
}

// admitsProtocol reports whether clients of the hub may speak the protocol. A protocol counts towards
// maxProtocols only when a hub server has accepted a client with it.
func (t *hubTable) admitsProtocol(key, name string, now time.Duration) bool {
	h := t.get(key)
	if h == nil || !isOpaque(name) {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, used := h.protocols[name]; used || len(h.protocols) < maxProtocols {
		return true
	}
	oldest := h.oldestProtocol()
	return now-h.protocols[oldest] > protocolAge
}

// useProtocol counts a protocol: a hub server has accepted a client with it.
func (t *hubTable) useProtocol(key, name string, now time.Duration) {
	h := t.get(key)
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.protocols == nil {
		h.protocols = make(map[string]time.Duration)
	}
	if _, used := h.protocols[name]; !used && len(h.protocols) >= maxProtocols {
		delete(h.protocols, h.oldestProtocol())
	}
	h.protocols[name] = now
}

// oldestProtocol returns the protocol whose last use is the longest ago.
func (h *hub) oldestProtocol() (oldest string) {
	first := true
	for name, used := range h.protocols {
		if first || used < h.protocols[oldest] {
			oldest, first = name, false
		}
	}
	return oldest
}

// errProtocol is the error for a protocol that the hub has no room for: that it is not supported.
func errProtocol(r hubprotocol.HandshakeRequest) error {
	return r.Check(func(string) bool { return false })
}
