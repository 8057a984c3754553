package settings

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Kinds of requests, as rules about them name them.
const (
	ClientConnections = "ClientConnection" // clients: negotiate and connect
	ServerConnections = "ServerConnection" // hub servers
	RESTRequests      = "RESTAPI"          // REST, and who is connected
	TraceConnections  = "Trace"            // live trace
)

// RequestKinds lists all kinds.
func RequestKinds() []string {
	return []string{ClientConnections, ServerConnections, RESTRequests, TraceConnections}
}

// Access says which requests are taken. None of it has an option: it is changed while the gateway runs. Health
// checks are always answered.
type Access struct {
	// Stopped refuses all requests and closes what is connected.
	Stopped bool
	// Closed refuses all requests. Connections stay.
	Closed bool
	// DenyByDefault refuses kinds of requests that are not in Allow. Without it those in Deny are refused.
	DenyByDefault bool
	Allow, Deny   []string
	// IPRules are tried in order, and the first that has the caller's address decides. If none has it the
	// request is taken, unless some rule allows: then others are refused.
	IPRules []IPRule
	// DisableIssuers refuses tokens of OpenID Connect.
	DisableIssuers bool
	// ClientCertificates asks clients for a certificate by TLS. Any is taken, and none too.
	ClientCertificates bool
}

// IPRule is about an address, or a network in CIDR notation.
type IPRule struct {
	Network string
	Allow   bool
}

const (
	// maxIPRules is Azure's bound.
	maxIPRules = 30
	// mappedBits are those before the address of IPv4 in one of IPv6.
	mappedBits = 96
)

// ParseNetwork reads a network, or an address, which stands for itself. What is mapped from IPv4 (::ffff:10.0.0.0/104)
// becomes the network of IPv4, since callers' addresses do so too. A network that is wider than what is mapped, and so
// has addresses of both kinds, is refused.
func ParseNetwork(text string) (netip.Prefix, error) {
	if at, err := netip.ParseAddr(text); err == nil {
		at = at.Unmap()
		return netip.PrefixFrom(at, at.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		if p.Bits() < mappedBits {
			return netip.Prefix{}, fmt.Errorf("%q is a network of IPv4 and of IPv6", text)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p.Masked(), err
}

func (p *problems) checkAccess(a *Access) {
	for name, kinds := range map[string][]string{"access.allow": a.Allow, "access.deny": a.Deny} {
		for _, kind := range kinds {
			p.wrap(name, checkWord(kind, RequestKinds()))
		}
	}
	if n := len(a.IPRules); n > maxIPRules {
		p.add("access.ipRules", "has %d entries, more than %d", n, maxIPRules)
	}
	for _, r := range a.IPRules {
		if _, err := ParseNetwork(r.Network); err != nil {
			p.add("access.ipRules", "%q is neither an address nor a network in CIDR notation", r.Network)
		}
	}
}

// Firewall bounds clients by what their tokens say. None of it has an option.
type Firewall struct {
	Counts  []CountRule
	Traffic []TrafficRule
	// MaxLifetime closes clients that have been connected for so long to their node; 0 never. It also holds for
	// clients that are connected when it changes.
	MaxLifetime time.Duration
}

// What clients have to have in common to be counted together.
const (
	ByUser  = "user"  // the user id; anonymous clients are not counted
	ByToken = "token" // the signature of the token
	ByClaim = "claim" // the value of a claim; clients without it are not counted
)

// CountRule bounds how many clients are connected at a time.
type CountRule struct {
	By, Claim string
	Max       int
}

// TrafficRule bounds the bytes that clients send within a window.
type TrafficRule struct {
	By, Claim string
	Bytes     int64
	Window    time.Duration
}

// Bounds of Azure.
const (
	maxFirewallRules = 10
	maxLifetime      = 7 * 24 * time.Hour
	minWindow        = 10 * time.Second
	maxWindow        = time.Hour
)

func (p *problems) checkFirewall(f *Firewall) {
	if len(f.Counts) > maxFirewallRules {
		p.add("firewall.counts", "has %d entries, more than %d", len(f.Counts), maxFirewallRules)
	}
	if len(f.Traffic) > maxFirewallRules {
		p.add("firewall.traffic", "has %d entries, more than %d", len(f.Traffic), maxFirewallRules)
	}
	for _, r := range f.Counts {
		p.checkBy("firewall.counts", r.By, r.Claim)
		p.count("firewall.counts", r.Max, 1)
	}
	for _, r := range f.Traffic {
		p.checkBy("firewall.traffic", r.By, r.Claim)
		p.size("firewall.traffic", r.Bytes, 1, maxByteBound)
		p.duration("firewall.traffic", r.Window, minWindow, maxWindow)
	}
	p.duration("firewall.maxLifetime", f.MaxLifetime, 0, maxLifetime)
}

func (p *problems) checkBy(name, by, claim string) {
	p.wrap(name, checkWord(by, []string{ByUser, ByToken, ByClaim}))
	if (by == ByClaim) != (claim != "") {
		p.add(name, "needs the name of a claim, if it counts by one")
	}
}

// Categories of what is traced and logged.
const (
	ConnectivityLogs = "ConnectivityLogs"
	MessagingLogs    = "MessagingLogs"
	HTTPRequestLogs  = "HttpRequestLogs"
)

// Trace says what live trace shows and what resource logs hold. None of it has an option.
type Trace struct {
	// Live lets callers follow live trace, which shows LiveCategories; without it there are none of these.
	Live           bool
	LiveCategories []string
	// LogCategories are those of resource logs.
	LogCategories []string
}

func (p *problems) checkTrace(t *Trace) {
	for name, all := range map[string][]string{"trace.liveCategories": t.LiveCategories, "trace.logCategories": t.LogCategories} {
		for _, category := range all {
			p.wrap(name, checkWord(category, []string{ConnectivityLogs, MessagingLogs, HTTPRequestLogs}))
		}
	}
}

// OIDCInForce is OIDC, without issuers if Access believes none.
func (s *Settings) OIDCInForce() *OIDC {
	if !s.Access.DisableIssuers {
		return &s.OIDC
	}
	none := s.OIDC
	none.Issuers = nil
	return &none
}

func (a Access) clone() Access {
	a.Allow, a.Deny, a.IPRules = slices.Clone(a.Allow), slices.Clone(a.Deny), slices.Clone(a.IPRules)
	return a
}
