package hubserver

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// Claim is one claim of a client. A claim with several values appears once for each value.
type Claim struct{ Type, Value string }

// Claims are the claims of a client, in the order of its token. For claims that .NET knows by a
// long name, the gateway adds a copy under that name at the end.
type Claims []Claim

// Get returns the value of the first claim of a type, or "" if there is none. If no claim has
// exactly this type, Get looks for the long name that .NET has for it (role, name, email …).
func (c Claims) Get(claimType string) string {
	if values := c.Values(claimType); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Values returns the values of all claims of a type, found as Get finds them.
func (c Claims) Values(claimType string) []string {
	if values := c.exactly(claimType); len(values) > 0 {
		return values
	}
	if claimType == "name" {
		return c.exactly(auth.LongClaimType("unique_name"))
	}
	return c.exactly(auth.LongClaimType(claimType))
}

func (c Claims) exactly(claimType string) (values []string) {
	for _, claim := range c {
		if claim.Type == claimType {
			values = append(values, claim.Value)
		}
	}
	return values
}

const (
	systemClaims = "asrs.s."
	userClaims   = "asrs.u."
)

// tokenClaims are about the token, not about the user.
var tokenClaims = map[string]bool{
	"aud": true, "exp": true, "iat": true, "nbf": true, "iss": true, "actort": true,
	"acr": true, "azp": true, "c_hash": true, "jti": true, "nonce": true,
}

// opened is what the gateway has told of a client. It does not change.
type opened struct {
	user         string
	claims       Claims
	query        url.Values
	header       http.Header
	instance     string // the gateway node that has the client
	migratedFrom string
}

func readOpened(m *serviceprotocol.OpenConnection) opened {
	o := opened{header: make(http.Header, len(m.Headers))}
	o.readClaims(m.Claims)
	// What cannot be read of a query is left out, as net/http does.
	o.query, _ = url.ParseQuery(strings.TrimPrefix(m.Query, "?"))
	for _, header := range m.Headers {
		for _, value := range header.Values {
			o.header.Add(header.Name, value)
		}
	}
	o.instance, _ = serviceprotocol.HeaderValue(m.Headers, serviceprotocol.HeaderInstanceID)
	o.migratedFrom, _ = serviceprotocol.HeaderValue(m.Headers, serviceprotocol.HeaderMigrateFrom)
	return o
}

func (o *opened) readClaims(claims []serviceprotocol.Claim) {
	systemUser, hasSystemUser := "", false
	for _, claim := range claims {
		switch {
		case claim.Type == systemClaims+"uid":
			systemUser, hasSystemUser = claim.Value, true
		case strings.HasPrefix(claim.Type, systemClaims), tokenClaims[claim.Type]:
		default:
			o.claims = append(o.claims, Claim{strings.TrimPrefix(claim.Type, userClaims), claim.Value})
		}
	}
	o.user = o.claims.Get("nameid")
	if o.user == "" {
		o.user = o.claims.Get("sub")
	}
	if hasSystemUser {
		o.user = systemUser
	}
}
