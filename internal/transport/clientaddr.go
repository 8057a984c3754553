package transport

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddr returns the client's address without a port: the peer's, or behind
// trusted proxies the first untrusted hop of X-Forwarded-For, read from the
// right. What an untrusted peer claims is never looked at, and reading stops at
// a hop that is no address. Empty if the peer has no IP address.
func ClientAddr(r *http.Request, trusted []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr := plainAddr(peer.Addr())
	if len(trusted) == 0 {
		return addr.String()
	}
	lines := r.Header.Values("X-Forwarded-For")
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			if !trusts(trusted, addr) {
				return addr.String()
			}
			var hop string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, hop = rest[:comma], rest[comma+1:]
			} else {
				hop, more = rest, false
			}
			next, ok := parseHop(hop)
			if !ok {
				return addr.String()
			}
			addr = next
		}
	}
	return addr.String()
}

// parseHop reads an address with or without a port, IPv6 with or without brackets.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return plainAddr(withPort.Addr()), true
	}
	hop = strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]")
	addr, err := netip.ParseAddr(hop)
	return plainAddr(addr), err == nil
}

// plainAddr makes equal addresses equal text.
func plainAddr(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func trusts(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
