package servermode

import (
	"strings"
	"sync"

	"github.com/hubgate/hubgate/hubprotocol"
)

// protocolNames are the hub protocols that clients have asked for besides the
// known ones. Each name is remembered for ever in several places, so there
// may only be so many.
type protocolNames struct {
	mu    sync.Mutex
	names map[string]struct{}
}

const (
	maxProtocols     = 64
	maxProtocolBytes = 64
)

// admit reports whether a client may speak the protocol.
func (p *protocolNames) admit(name string) bool {
	switch name {
	case hubprotocol.JSON, hubprotocol.MessagePack, hubprotocol.BlazorPack:
		return true
	}
	if name == "" || len(name) > maxProtocolBytes || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.names[name]; ok {
		return true
	}
	if len(p.names) >= maxProtocols {
		return false
	}
	if p.names == nil {
		p.names = make(map[string]struct{})
	}
	p.names[strings.Clone(name)] = struct{}{}
	return true
}
