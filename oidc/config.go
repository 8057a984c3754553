package oidc

import (
	"slices"
	"time"
)

// Config is what may change while the gateway runs. Whoever has handed one over must not change it.
type Config struct {
	// Issuers are URLs, each as its tokens have it in iss.
	Issuers []string
	// Algorithms are the signatures that are accepted, by their names in RFC 7518.
	Algorithms []string
	// RefreshInterval is how often keys are read again.
	RefreshInterval time.Duration
	// Timeout bounds the reading of an issuer's keys, and how long a token waits for them.
	Timeout time.Duration
	Rules   Rules
	// Own are the rules of issuers that have rules of their own.
	Own map[string]*Rules
}

// of returns the rules for the tokens of an issuer.
func (c *Config) of(issuer string) *Rules {
	if own := c.Own[issuer]; own != nil {
		return own
	}
	return &c.Rules
}

// Rules say what the claims of a token allow.
type Rules struct {
	// Audiences are those of REST callers and hub servers.
	Audiences []string
	// Servers, Writers and Readers are claims, each CLAIM=VALUE, one of which a hub server has to have, a
	// caller of all of REST, and one of REST with GET and HEAD.
	Servers, Writers, Readers []string
	Clients                   Clients
	// Not is what no token may be used for, whatever its claims are.
	Not Uses
}

// Uses are what tokens may be used for.
type Uses struct{ REST, Servers, Clients, Admin bool }

// Clients says how clients connect with tokens of an issuer.
type Clients struct {
	// Audiences are those of clients; none means that no client connects so.
	Audiences []string
	// User, Groups and HubNames name the claims with the user id, with the groups that the client starts
	// in, and with the hubs that it may enter. The latter two may be "".
	User, Groups, HubNames string
	// Hubs are the hubs that clients may enter; none means all.
	Hubs []string
	// KeepExpired leaves a client connected when its token has expired.
	KeepExpired bool
}

// samePlaces reports whether two configurations read the keys of the same issuers in the same way.
func (c *Config) samePlaces(other *Config) bool {
	return slices.Equal(c.Issuers, other.Issuers) && c.RefreshInterval == other.RefreshInterval && c.Timeout == other.Timeout
}
