package servermode

import (
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// Claims of a client's token that concern its hub server.
const (
	claimServer = "asrs.s.sn"
	claimSticky = "asrs.s.ssticky"
	claimUser   = "asrs.s.uid"
)

// wishOf reads what a client's token says about its hub server.
func wishOf(id *gateway.Identity, rules Rules) wish {
	w := wish{weak: rules.LastResort}
	sticky := claimValue(id, claimSticky)
	if strings.EqualFold(sticky, "Required") || strings.EqualFold(sticky, "Preferred") {
		w.server = claimValue(id, claimServer)
		w.required = strings.EqualFold(sticky, "Required") && w.server != ""
	}
	return w
}

// isRequired reports whether the client may be on no other hub server than its own.
func isRequired(id *gateway.Identity) bool { return wishOf(id, Rules{}).required }

func claimValue(id *gateway.Identity, name string) string {
	for _, c := range id.TokenClaims {
		if c.Type == name {
			return c.Value
		}
	}
	return ""
}

// openMessage returns the message that announces a client, but for its protocol. from is the server id
// of the hub server that the client had before, "" for a new client.
func openMessage(id *gateway.Identity, node, from string) *serviceprotocol.OpenConnection {
	m := &serviceprotocol.OpenConnection{ConnectionID: id.ID, Claims: claimsOf(id), Headers: headersOf(id, node, from)}
	if id.Query != "" {
		m.Query = "?" + id.Query
	}
	return m
}

// claimsOf returns the claims of the client's token, under both of their names (H38).
func claimsOf(id *gateway.Identity) []serviceprotocol.Claim {
	source := id.TokenClaims
	claims := make([]serviceprotocol.Claim, 0, 2*len(source)+1)
	if len(source) == 0 {
		if id.User != "" {
			claims = append(claims, serviceprotocol.Claim{Type: claimUser, Value: id.User})
		}
		source = id.Claims
	}
	for c := range auth.UnderBothNames(source) {
		claims = append(claims, serviceprotocol.Claim(c))
	}
	return claims
}

// headersOf returns the headers of the client's request and those that the gateway adds. There is
// always one.
func headersOf(id *gateway.Identity, node, from string) []serviceprotocol.Header {
	headers := make([]serviceprotocol.Header, 0, len(id.Headers)+4)
	add := func(name, value string) {
		headers = append(headers, serviceprotocol.Header{Name: name, Values: []string{value}})
	}
	add(serviceprotocol.HeaderInstanceID, node)
	if id.RemoteAddr != "" {
		add(serviceprotocol.HeaderForwardedFor, id.RemoteAddr)
	}
	if id.Diagnostic {
		add(serviceprotocol.HeaderDiagnosticClient, "true")
	}
	if from != "" {
		add(serviceprotocol.HeaderMigrateFrom, from)
	}
	for _, h := range id.Headers {
		add(h.Name, h.Value)
	}
	return headers
}
