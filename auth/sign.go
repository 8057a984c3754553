package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// DefaultTokenLifetime is how long signed tokens live unless told otherwise.
const DefaultTokenLifetime = time.Hour

// ErrTokenTooLong is the error for a token over DefaultMaxTokenBytes, which no
// gateway would accept: it has too many claims.
var ErrTokenTooLong = fmt.Errorf("token is longer than %d bytes: too many claims", DefaultMaxTokenBytes)

// ClientTokenSpec is what a client token may say beyond its hub. The zero value
// is an anonymous client with a token for DefaultTokenLifetime.
type ClientTokenSpec struct {
	// UserID is the user; "" makes the client anonymous.
	UserID string
	// Application is the application of a client of ASP.NET SignalR.
	Application string
	// Claims are the user's claims; equal types become one list. Types that
	// begin with "asrs.s." are an error.
	Claims []Claim
	// Lifetime is counted from now, in whole seconds; 0 means
	// DefaultTokenLifetime, less than 0 makes an expired token.
	Lifetime time.Duration
	// HandshakeTimeout, 1 s to 30 s, and LongPollInterval, 1 s to 300 s, are left
	// out if 0.
	HandshakeTimeout, LongPollInterval time.Duration
	// Transports limits the transports; 0 means all.
	Transports TransportMask
	// CloseOnExpiry asks the gateway to close the connection with the token's end.
	CloseOnExpiry bool
	// Diagnostic and DetailedErrors set the claims of these names.
	Diagnostic, DetailedErrors bool

	// key is the header kid, "" for none.
	key string
}

// SignClient returns a token (HS256) with which a client may connect to the hub
// at the endpoint, an absolute URL such as "http://localhost:8888".
func SignClient(key Secret, endpoint, hub string, spec ClientTokenSpec) (string, error) {
	if hub == "" {
		return "", errors.New("sign client token: no hub")
	}
	base, err := signableURL(endpoint)
	if err != nil {
		return "", fmt.Errorf("sign client token: %w", err)
	}
	return signClient(key, base+ClientPath+"/?hub="+url.QueryEscape(hub), spec)
}

// SignAspNetClient returns a token (HS256) with which a client of ASP.NET SignalR may connect to
// the hubs of spec.Application at the endpoint.
func SignAspNetClient(key Secret, endpoint string, spec ClientTokenSpec) (string, error) {
	if spec.Application == "" {
		return "", errors.New("sign client token: no application")
	}
	base, err := signableURL(endpoint)
	if err != nil {
		return "", fmt.Errorf("sign client token: %w", err)
	}
	return signClient(key, base+AspNetClientPath, spec)
}

// SignAspNetServer returns a token (HS256) with which a hub server of ASP.NET SignalR may connect to
// the hub at the endpoint. The hub is named as in the query of its requests. A lifetime of 0 means
// DefaultTokenLifetime.
func SignAspNetServer(key Secret, endpoint, hub, serverID string, lifetime time.Duration) (string, error) {
	base, err := signableURL(endpoint)
	if err != nil {
		return "", fmt.Errorf("sign server token: %w", err)
	}
	var m memberList
	m.addLifetime(base+AspNetServerPath+"/?hub="+url.QueryEscape(hub), lifetime)
	m.add("nameid", serverID)
	return m.sign(key)
}

func signClient(key Secret, audience string, spec ClientTokenSpec) (string, error) {
	var m memberList
	m.addSystem(spec, m.addLifetime(audience, spec.Lifetime))
	for _, claim := range spec.Claims {
		if err := m.addClaim(claim); err != nil {
			return "", fmt.Errorf("sign client token: %w", err)
		}
	}
	m.key = spec.key
	return m.sign(key)
}

// SignREST returns a token (HS256) for REST requests to the URL, whose query
// does not matter. A lifetime of 0 means DefaultTokenLifetime.
func SignREST(key Secret, rawURL string, lifetime time.Duration) (string, error) {
	base, err := signableURL(rawURL)
	if err != nil {
		return "", fmt.Errorf("sign REST token: %w", err)
	}
	var m memberList
	m.addLifetime(base, lifetime)
	return m.sign(key)
}

// signableURL returns an absolute URL without query and trailing slash.
func signableURL(raw string) (string, error) {
	base, _ := cutQuery(raw)
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("needs an absolute http or https URL")
	}
	return strings.TrimRight(base, "/"), nil
}

// memberList is a set of claims in the order in which they were added.
type memberList struct {
	jwt.RegisteredClaims // For the methods that signing never calls.

	members []member
	key     string // the header kid
}

type member struct {
	name   string
	values []any
}

// addLifetime adds the registered claims and returns exp.
func (m *memberList) addLifetime(audience string, lifetime time.Duration) time.Time {
	if lifetime == 0 {
		lifetime = DefaultTokenLifetime
	}
	now := time.Now()
	expires := now.Add(lifetime)
	m.add("aud", audience)
	m.add("iat", now.Unix())
	m.add("nbf", now.Unix())
	m.add("exp", expires.Unix())
	return expires
}

// addSystem adds the claims for the gateway itself. Their values are strings.
func (m *memberList) addSystem(spec ClientTokenSpec, expires time.Time) {
	set := func(name, value string, wanted bool) {
		if wanted {
			m.add(systemPrefix+name, value)
		}
	}
	set("apn", spec.Application, spec.Application != "")
	set("uid", spec.UserID, spec.UserID != "")
	set("cht", wholeSeconds(spec.HandshakeTimeout), spec.HandshakeTimeout != 0)
	set("ttl", wholeSeconds(spec.LongPollInterval), spec.LongPollInterval != 0)
	set("htt", strconv.Itoa(int(spec.Transports)), spec.Transports != 0)
	set("coae", "true", spec.CloseOnExpiry)
	set("aeo", strconv.FormatInt(expires.Unix(), 10), spec.CloseOnExpiry)
	set("dc", "true", spec.Diagnostic)
	set("derror", "True", spec.DetailedErrors)
}

func wholeSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// addClaim adds a user's claim, behind the prefix asrs.u. if its name means
// something else without.
func (m *memberList) addClaim(claim Claim) error {
	name := claim.Type
	switch {
	case name == "":
		return errors.New("a claim has no type")
	case isSystem(name):
		return fmt.Errorf("claim types must not begin with %q", systemPrefix)
	case reservedClaims[name] || strings.HasPrefix(name, userPrefix):
		name = userPrefix + name
	}
	m.add(name, claim.Value)
	return nil
}

func (m *memberList) add(name string, value any) {
	for i := range m.members {
		if m.members[i].name == name {
			m.members[i].values = append(m.members[i].values, value)
			return
		}
	}
	m.members = append(m.members, member{name: name, values: []any{value}})
}

// MarshalJSON writes the members in their order, several values as a list.
func (m *memberList) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, one := range m.members {
		if i > 0 {
			b.WriteByte(',')
		}
		var value any = one.values
		if len(one.values) == 1 {
			value = one.values[0]
		}
		for j, part := range []any{one.name, value} {
			if j > 0 {
				b.WriteByte(':')
			}
			encoded, err := json.Marshal(part)
			if err != nil {
				return nil, err
			}
			b.Write(encoded)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (m *memberList) sign(key Secret) (string, error) {
	if key == "" {
		return "", errors.New("sign token: no access key")
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, m)
	if m.key != "" {
		unsigned.Header["kid"] = m.key
	}
	token, err := unsigned.SignedString([]byte(key.Reveal()))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(token) > DefaultMaxTokenBytes {
		return "", ErrTokenTooLong
	}
	return token, nil
}
