package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/hubgate/hubgate/settings"
)

// OIDC says which issuers of OpenID Connect are believed, see [settings.OIDC].
type OIDC struct {
	Issuers         []string      `help:"Issuer of OpenID Connect whose tokens are accepted, Microsoft Entra for example: the URL as its tokens have it in iss; repeatable. Its keys are found through /.well-known/openid-configuration below it." placeholder:"URL"`
	IssuerRules     []string      `help:"What the tokens of one issuer allow, where that differs from the other options of this section: 'ISSUER; use=rest,servers; audiences=api://chat; restClaims=roles=sender'; repeatable. Keys: use (rest, servers, clients, admin), audiences, serverClaims, restClaims, readerClaims, clientAudiences, userClaim, groupsClaim, hubs, hubsClaim. See identity.md." placeholder:"RULE" sep:"none"`
	Audiences       []string      `help:"Audiences of REST callers and hub servers: the claim aud of their tokens has to name one." default:"https://signalr.azure.com" placeholder:"AUDIENCE"`
	Algorithms      []string      `help:"Signatures that are accepted of issuers." default:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" placeholder:"ALGORITHM"`
	RefreshInterval time.Duration `help:"How often the keys of an issuer are read again, 1s to 24h. A token with a key that is not known has them read at once, at most once in ten seconds." default:"15m"`
	RequestTimeout  time.Duration `help:"Longest time for one request to an issuer, 100ms to 30s. No token waits longer for an issuer." default:"5s"`
	ServerClaims    []string      `help:"Claims with which a token opens server connections and gets access keys for clients, CLAIM=VALUE. One of them is enough. A dot leads into an object: realm_access.roles=hub-server." default:"roles=SignalR App Server,roles=SignalR Service Owner" placeholder:"CLAIM=VALUE"`
	RESTClaims      []string      `name:"rest-claims" help:"Claims with which a token opens all of REST." default:"roles=SignalR REST API Owner,roles=SignalR Service Owner" placeholder:"CLAIM=VALUE"`
	ReaderClaims    []string      `help:"Claims with which a token opens REST for GET and HEAD." default:"roles=SignalR REST API Reader" placeholder:"CLAIM=VALUE"`
}

// OIDCClients says how clients connect with tokens of an issuer, see [settings.OIDCClients].
type OIDCClients struct {
	ClientAudiences []string `help:"Audiences of clients: a token of an issuer that names one of them in aud opens connections of clients, without a negotiate endpoint of an application. Without any, no client connects with such a token." placeholder:"AUDIENCE"`
	UserClaim       string   `help:"Claim with the user id of a client." default:"sub" placeholder:"CLAIM"`
	GroupsClaim     string   `help:"Claim with the groups that a client is in from the start." placeholder:"CLAIM"`
	Hubs            []string `help:"Hubs that such clients may enter. Without any, all." placeholder:"HUB"`
	HubsClaim       string   `help:"Claim with the hubs that the client may enter; * is any." placeholder:"CLAIM"`
	KeepExpired     bool     `help:"Clients stay connected when their token has expired. Without it they are closed then, unless they bring a new one to /client/refresh."`
}

func (o OIDC) settings(c OIDCClients) (settings.OIDC, error) {
	rules, err := o.issuerRules()
	return settings.OIDC{
		Issuers: o.Issuers, IssuerRules: rules, Audiences: o.Audiences, Algorithms: o.Algorithms,
		RefreshInterval: o.RefreshInterval, Timeout: o.RequestTimeout,
		Rights:  settings.OIDCRights{ServerClaims: o.ServerClaims, RESTClaims: o.RESTClaims, ReaderClaims: o.ReaderClaims},
		Clients: settings.OIDCClients(c),
	}, err
}

func (o OIDC) issuerRules() (rules []settings.IssuerRule, err error) {
	for _, text := range o.IssuerRules {
		rule, bad := settings.ParseIssuerRule(text)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("oidc.issuerRules: %w", bad))
			continue
		}
		rules = append(rules, rule)
	}
	return rules, err
}
