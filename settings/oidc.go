package settings

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// OIDC says which issuers of OpenID Connect are believed, and what the holders of
// their tokens may do. Without an issuer none of it has an effect.
type OIDC struct {
	// Issuers are URLs, each as its tokens have it in iss.
	Issuers []string
	// IssuerRules say what holds for one issuer alone, one rule for each at most.
	IssuerRules []IssuerRule
	// Audiences are those of REST callers and hub servers: a token has to name one.
	Audiences []string
	// Algorithms are the signatures that are accepted, by their names in RFC 7518.
	Algorithms []string
	// RefreshInterval is how often the keys of an issuer are read again, 1 s to 24 h.
	RefreshInterval time.Duration
	// Timeout bounds one request to an issuer, and how long a token waits for it, 100 ms to 30 s.
	Timeout time.Duration
	// Rights says what the claims of a token allow.
	Rights OIDCRights
	// Clients says whether the tokens of issuers open connections of clients.
	Clients OIDCClients
}

// OIDCRights are lists of claims that give a right, each CLAIM=VALUE. A dot in CLAIM leads into an
// object; a claim that is a list has each of its values, and scope and scp each of their words.
type OIDCRights struct {
	ServerClaims []string // may connect as hub servers and get access keys for clients
	RESTClaims   []string // may call all of REST
	ReaderClaims []string // may call REST with GET and HEAD
}

// OIDCClients says how clients connect with tokens of an issuer.
type OIDCClients struct {
	// ClientAudiences are those of clients. None: no client connects with such a token.
	ClientAudiences []string
	// UserClaim names the claim with the user id.
	UserClaim string
	// GroupsClaim names the claim with the groups that a client is in from the start; "" is none.
	GroupsClaim string
	// Hubs are the hubs that such clients may enter; none is all.
	Hubs []string
	// HubsClaim names the claim with the hubs that the client may enter; "" asks for none.
	HubsClaim string
	// KeepExpired leaves a client connected when its token has expired.
	KeepExpired bool
}

// signatureAlgorithms are those whose keys an issuer can publish: none that is symmetric, and not "none".
var signatureAlgorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// Roles that Microsoft Entra gives for Azure SignalR Service.
const (
	roleAppServer = "roles=SignalR App Server"
	roleOwner     = "roles=SignalR Service Owner"
	roleREST      = "roles=SignalR REST API Owner"
	roleReader    = "roles=SignalR REST API Reader"
)

func defaultOIDC() OIDC {
	return OIDC{
		Audiences:       []string{"https://signalr.azure.com"},
		Algorithms:      slices.Clone(signatureAlgorithms),
		RefreshInterval: 15 * time.Minute,
		Timeout:         5 * time.Second,
		Rights: OIDCRights{
			ServerClaims: []string{roleAppServer, roleOwner},
			RESTClaims:   []string{roleREST, roleOwner},
			ReaderClaims: []string{roleReader},
		},
		Clients: OIDCClients{UserClaim: "sub"},
	}
}

func (o OIDC) clone() OIDC {
	for _, list := range []*[]string{
		&o.Issuers, &o.Audiences, &o.Algorithms, &o.Rights.ServerClaims, &o.Rights.RESTClaims, &o.Rights.ReaderClaims,
		&o.Clients.ClientAudiences, &o.Clients.Hubs,
	} {
		*list = slices.Clone(*list)
	}
	o.IssuerRules = slices.Clone(o.IssuerRules)
	for i, rule := range o.IssuerRules {
		o.IssuerRules[i] = rule.clone()
	}
	return o
}

func (p *problems) checkOIDC(o *OIDC) {
	p.entries("oidc.issuers", len(o.Issuers))
	for i, issuer := range o.Issuers {
		if err := checkIssuer(issuer); err != "" {
			p.add("oidc.issuers", "%q %s", issuer, err)
		}
		if slices.Contains(o.Issuers[:i], issuer) {
			p.add("oidc.issuers", "%q is there twice", issuer)
		}
	}
	if len(o.Issuers) > 0 && len(o.Audiences) == 0 && len(o.Clients.ClientAudiences) == 0 {
		p.add("oidc.audiences", "is not set: a token for anybody would be one for this gateway")
	}
	p.filled("oidc.audiences", o.Audiences)
	if len(o.Algorithms) == 0 {
		p.add("oidc.algorithms", "is not set")
	}
	for _, algorithm := range o.Algorithms {
		if !slices.Contains(signatureAlgorithms, algorithm) {
			p.add("oidc.algorithms", "%q is none of %s", algorithm, strings.Join(signatureAlgorithms, ", "))
		}
	}
	p.duration("oidc.refreshInterval", o.RefreshInterval, time.Second, maxTimer)
	p.duration("oidc.requestTimeout", o.Timeout, 100*time.Millisecond, 30*time.Second)
	for _, list := range []struct {
		name    string
		entries []string
	}{
		{"oidc.serverClaims", o.Rights.ServerClaims}, {"oidc.restClaims", o.Rights.RESTClaims}, {"oidc.readerClaims", o.Rights.ReaderClaims},
	} {
		p.entries(list.name, len(list.entries))
		for _, entry := range list.entries {
			if !isClaim(entry) {
				p.add(list.name, "%q is not CLAIM=VALUE", entry)
			}
		}
	}
	p.checkOIDCClients(&o.Clients)
	p.checkIssuerRules(o)
}

func (p *problems) checkOIDCClients(c *OIDCClients) {
	p.filled("oidc.clientAudiences", c.ClientAudiences)
	p.filled("oidc.hubs", c.Hubs)
	if c.UserClaim == "" {
		p.add("oidc.userClaim", "is not set")
	}
}

// filled checks a list whose entries are not empty.
func (p *problems) filled(name string, list []string) {
	p.entries(name, len(list))
	if slices.Contains(list, "") {
		p.add(name, "has an empty entry")
	}
}

// checkIssuer returns what is wrong with the URL of an issuer, "" for nothing.
func checkIssuer(issuer string) string {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "is not an http:// or https:// URL"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "has a user, a query or a fragment"
	}
	return ""
}
