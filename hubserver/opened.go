package hubserver

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// Claim is one claim of a client. Claims with several values are several of one type.
type Claim struct{ Type, Value string }

// Claims are the claims of a client in the order of its token.
type Claims []Claim

// Get returns the value of the first claim of the type, empty if there is none. Names of
// JSON web tokens (role, name, email, nameid …) also find the claims of the .NET names
// that gateways make of them.
func (c Claims) Get(claimType string) string {
	for _, claim := range c {
		if sameClaim(claim.Type, claimType) {
			return claim.Value
		}
	}
	return ""
}

// Values returns the values of all claims of the type, as Get finds them.
func (c Claims) Values(claimType string) []string {
	var values []string
	for _, claim := range c {
		if sameClaim(claim.Type, claimType) {
			values = append(values, claim.Value)
		}
	}
	return values
}

const (
	identityClaims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	nameIdentifier = identityClaims + "nameidentifier"
	systemClaims   = "asrs.s."
	userClaims     = "asrs.u."
)

// longClaims are the .NET names of the claims that tokens call by the short name.
var longClaims = map[string]string{
	"nameid":      nameIdentifier,
	"sub":         nameIdentifier,
	"unique_name": identityClaims + "name",
	"name":        identityClaims + "name",
	"email":       identityClaims + "emailaddress",
	"given_name":  identityClaims + "givenname",
	"family_name": identityClaims + "surname",
	"upn":         identityClaims + "upn",
	"website":     identityClaims + "webpage",
	"gender":      identityClaims + "gender",
	"birthdate":   identityClaims + "dateofbirth",
	"role":        "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
	"roles":       "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
}

func sameClaim(have, want string) bool { return have == want || have == longClaims[want] }

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
