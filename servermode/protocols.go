package servermode

import (
	"strings"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	// maxProtocols is how many hub protocols besides the known ones a hub may have.
	maxProtocols     = 64
	maxProtocolBytes = 64
	// protocolAge is how long one keeps its place after it was last used, if another needs it.
	protocolAge = time.Hour
)

// Supports says whether clients may speak the hub protocol. Which ones a hub speaks its hub servers
// decide, so any short name will do.
func (b *Backend) Supports(protocol string) bool {
	return protocol != "" && len(protocol) <= maxProtocolBytes &&
		!strings.ContainsFunc(protocol, func(r rune) bool { return r <= ' ' || r > '~' })
}

// admitsProtocol reports whether the hub has room for clients that speak the protocol. Only names
// that a hub server has accepted a client with take up room.
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

// useProtocol notes that a hub server has accepted a client with the protocol.
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

// oldestProtocol is the one that was used the longest ago.
func (h *hub) oldestProtocol() (oldest string) {
	first := true
	for name, used := range h.protocols {
		if first || used < h.protocols[oldest] {
			oldest, first = name, false
		}
	}
	return oldest
}

// errProtocol refuses a client whose protocol the hub has no room for, as one that is not supported.
func errProtocol(r hubprotocol.HandshakeRequest) error {
	return r.Check(func(string) bool { return false })
}
