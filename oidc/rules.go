package oidc

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/hubgate/hubgate/auth"
)

var (
	errAudience = &auth.TokenError{Failure: auth.TokenAudience, Detail: "no audience of the token is one of oidc.audiences"}
	errClient   = &auth.TokenError{Failure: auth.TokenAudience, Detail: "no audience of the token is one of oidc.clientAudiences"}
	errServer   = &auth.TokenError{Failure: auth.TokenRight, Detail: "no claim of the token is one of oidc.serverClaims"}
	errWriter   = &auth.TokenError{Failure: auth.TokenRight, Detail: "no claim of the token is one of oidc.restClaims"}
	errReader   = &auth.TokenError{Failure: auth.TokenRight, Detail: "no claim of the token is one of oidc.restClaims and oidc.readerClaims"}
	errUse      = &auth.TokenError{Failure: auth.TokenRight, Detail: "the rule of the token's issuer in oidc.issuerRules has no such use"}
	errNobody   = &auth.TokenError{Failure: auth.TokenRight, Detail: "the token lacks the claim of oidc.userClaim"}
)

// Grant implements auth.Issuers.
func (s *Issuers) Grant(claims map[string]any) auth.Grant {
	issuer, _ := claims["iss"].(string)
	return s.current.Load().config.of(issuer).grant(claims)
}

// grant says what a token with these claims may be used for.
func (r *Rules) grant(claims map[string]any) auth.Grant {
	grant := r.claimed(claims)
	if r.Not.REST {
		grant.Read, grant.Write = errUse, errUse
	}
	if r.Not.Servers {
		grant.Server = errUse
	}
	if r.Not.Admin {
		grant.Admin = errUse
	}
	if r.Not.Clients {
		grant.Client = errUse
	}
	return grant
}

// claimed says what the claims give a right to.
func (r *Rules) claimed(claims map[string]any) auth.Grant {
	audiences := texts(claims["aud"])
	grant := auth.Grant{Server: errAudience, Read: errAudience, Write: errAudience, Admin: errAudience, Client: errClient}
	if anyOf(audiences, r.Audiences) {
		grant.Server, grant.Write = needs(claims, r.Servers, errServer), needs(claims, r.Writers, errWriter)
		grant.Read, grant.Admin = grant.Write, grant.Write
		if grant.Write != nil {
			grant.Read = needs(claims, r.Readers, errReader)
		}
	}
	c := &r.Clients
	grant.Holder.User = first(values(claims, c.User))
	if !anyOf(audiences, c.Audiences) {
		return grant
	}
	if grant.Holder.User == "" {
		grant.Client = errNobody
		return grant
	}
	grant.Client = nil
	grant.Holder.Groups = values(claims, c.Groups)
	grant.Holder.Closes = !c.KeepExpired
	grant.Holder.Enters = c.enters(claims)
	return grant
}

// enters returns what says whether the holder of the claims may enter a hub.
func (c *Clients) enters(claims map[string]any) func(hub string) bool {
	named := values(claims, c.HubNames)
	return func(hub string) bool {
		is := func(name string) bool { return auth.EqualFoldASCII(name, hub) }
		if len(c.Hubs) > 0 && !slices.ContainsFunc(c.Hubs, is) {
			return false
		}
		return c.HubNames == "" || slices.Contains(named, "*") || slices.ContainsFunc(named, is)
	}
}

// needs returns nil if the claims have one of the list, each CLAIM=VALUE, else the error.
func needs(claims map[string]any, list []string, err *auth.TokenError) error {
	for _, one := range list {
		name, value, _ := strings.Cut(one, "=")
		if slices.Contains(values(claims, name), value) {
			return nil
		}
	}
	return err
}

// values returns the values of a claim: of a list each one, of scope and scp each word. A name with
// dots is that of the claim itself or, if there is none, leads into objects.
func values(claims map[string]any, name string) []string {
	if name == "" {
		return nil
	}
	value, ok := claims[name]
	for rest := name; !ok; {
		step, behind, more := strings.Cut(rest, ".")
		inner, isObject := claims[step].(map[string]any)
		if !more || !isObject {
			return nil
		}
		claims, rest = inner, behind
		value, ok = claims[rest]
	}
	if text, isText := value.(string); isText && (name == "scope" || name == "scp") {
		return strings.Fields(text)
	}
	return texts(value)
}

// texts returns a text, a number or a truth value as a text, and those of a list. Anything else is none.
func texts(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case json.Number:
		return []string{value.String()}
	case bool:
		return []string{strconv.FormatBool(value)}
	case []any:
		var all []string
		for _, one := range value {
			if _, nested := one.([]any); !nested {
				all = append(all, texts(one)...)
			}
		}
		return all
	}
	return nil
}

func anyOf(have, accepted []string) bool {
	return slices.ContainsFunc(have, func(one string) bool { return slices.Contains(accepted, one) })
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
