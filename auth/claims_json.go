package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unique"

	"github.com/golang-jwt/jwt/v5"
)

const (
	systemPrefix = "asrs.s."
	userPrefix   = "asrs.u."

	longNameIdentifier = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
)

// userIDClaims is the precedence of the claims that name the user (R49).
var userIDClaims = [...]string{systemPrefix + "uid", "nameid", "sub", longNameIdentifier}

// reservedClaims belong to the token, not to the user, who may have claims of
// these names behind the prefix asrs.u.
var reservedClaims = map[string]bool{
	"aud": true, "exp": true, "iat": true, "nbf": true, "iss": true, "actort": true,
	"acr": true, "azp": true, "c_hash": true, "jti": true, "nonce": true,
}

// maxUnixSeconds is the last second of the year 9999: later times do not fit
// into the formats of times.
const maxUnixSeconds = 253402300799

// payload decodes a token's claims. RegisteredClaims stays empty: it lends the
// methods that the parser's type asks for and, told not to validate, never calls.
type payload struct {
	jwt.RegisteredClaims
	claims       Claims
	audiences    []audience
	hasExpiry    bool
	notBefore    time.Time
	userIDRank   int
	closeOnEnd   bool
	closeSeconds int64
	nameID       string
	issuer       string
	everything   []Claim
}

// UnmarshalJSON reads the members in their order. Its caller has bounded data and, as the
// interface has it, made sure that it is JSON.
func (p *payload) UnmarshalJSON(data []byte) error {
	p.userIDRank = len(userIDClaims)
	if data = bytes.TrimSpace(data); data[0] != '{' {
		return errors.New("claims are not an object")
	}
	for w := (walk{data[1:]}); w.more(); {
		name := scalar(w.value())
		w.more() // the colon
		if err := p.member(name, w.value()); err != nil {
			return err
		}
	}
	if p.closeOnEnd {
		// Whoever asks for a close gets one: without a usable time it is the token's own end.
		p.claims.CloseAt = p.claims.Expires
		if p.closeSeconds > 0 {
			p.claims.CloseAt = time.Unix(p.closeSeconds, 0)
		}
	}
	return nil
}

// member takes one claim. A claim that is null counts as absent.
func (p *payload) member(name string, value json.RawMessage) error {
	if string(value) == "null" {
		return nil
	}
	switch name {
	case "aud":
		return p.audience(value)
	case "exp":
		expires, err := numericDate(value)
		p.claims.Expires, p.hasExpiry = expires, true
		return err
	case "nbf":
		notBefore, err := numericDate(value)
		p.notBefore = notBefore
		return err
	case "iss":
		p.issuer = scalar(value)
	}
	p.userID(name, value)
	if !reservedClaims[name] {
		p.keep(name, value)
	}
	if name == "nameid" {
		p.nameID = scalar(value)
	}
	switch {
	case isSystem(name):
		p.system(strings.TrimPrefix(name, systemPrefix), scalar(value))
	case !reservedClaims[name]:
		p.user(strings.TrimPrefix(name, userPrefix), value)
	}
	return nil
}

// isSystem reports whether a claim is none of the user's. Any letter case
// counts: such a claim must never reach an application as one of the user's.
func isSystem(name string) bool {
	return len(name) >= len(systemPrefix) && EqualFoldASCII(name[:len(systemPrefix)], systemPrefix)
}

func (p *payload) audience(value json.RawMessage) error {
	var texts []string
	if value[0] == '[' {
		if err := json.Unmarshal(value, &texts); err != nil {
			return errors.New("aud is neither a string nor a list of strings")
		}
	} else {
		texts = make([]string, 1)
		if err := json.Unmarshal(value, &texts[0]); err != nil {
			return errors.New("aud is neither a string nor a list of strings")
		}
	}
	p.audiences = make([]audience, len(texts))
	for i, text := range texts {
		p.audiences[i] = parseAudience(text)
	}
	return nil
}

func (p *payload) userID(name string, value json.RawMessage) {
	for rank, candidate := range userIDClaims {
		if name != candidate || rank > p.userIDRank {
			continue
		}
		if values := elements(value); len(values) > 0 {
			p.claims.UserID, p.userIDRank = scalar(values[0]), rank
		}
	}
}

// system takes a claim for the gateway itself. Unknown ones and values out of
// range are passed over: they are hints of newer or other senders.
func (p *payload) system(name, value string) {
	switch name {
	case "cht":
		p.claims.HandshakeTimeout = secondsWithin(value, 30)
	case "ttl":
		p.claims.LongPollInterval = secondsWithin(value, 300)
	case "htt":
		if mask, err := strconv.ParseUint(value, 10, 32); err == nil {
			p.claims.Transports = TransportMask(mask) & allTransports
		}
	case "coae":
		p.closeOnEnd = strings.EqualFold(value, "true")
	case "aeo":
		if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
			p.closeSeconds = min(seconds, maxUnixSeconds)
		}
	case "apn":
		p.claims.Application = value
	case "dc":
		p.claims.Diagnostic = strings.EqualFold(value, "true")
	case "derror":
		p.claims.DetailedErrors = strings.EqualFold(value, "true")
	}
}

// keep keeps a claim as it is, for applications that read the token's claims themselves.
func (p *payload) keep(name string, value json.RawMessage) {
	name = unique.Make(name).Value()
	for _, one := range elements(value) {
		p.everything = append(p.everything, Claim{Type: name, Value: scalar(one)})
	}
}

func (p *payload) user(name string, value json.RawMessage) {
	if name == "" || isSystem(name) {
		return
	}
	// Types are often URIs of 60 bytes and the same for all users: sharing them
	// saves some 300 bytes for each idle client with five claims.
	name = unique.Make(name).Value()
	for _, one := range elements(value) {
		p.claims.User = append(p.claims.User, Claim{Type: name, Value: scalar(one)})
	}
}

// elements returns the values of an array without its nulls, or the value itself.
func elements(value json.RawMessage) []json.RawMessage {
	if value[0] != '[' {
		return []json.RawMessage{value}
	}
	var values []json.RawMessage
	for w := (walk{value[1:]}); w.more(); {
		if one := w.value(); string(one) != "null" {
			values = append(values, one)
		}
	}
	return values
}

// scalar returns a string's text, and any other value as compact JSON.
func scalar(value json.RawMessage) string {
	switch value[0] {
	case '"':
		inside := value[1 : len(value)-1]
		if bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
			return string(inside)
		}
		var text string
		if json.Unmarshal(value, &text) == nil {
			return text
		}
	case '{', '[':
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil {
			return compact.String()
		}
	}
	return string(value)
}

func numericDate(value json.RawMessage) (time.Time, error) {
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return time.Time{}, errors.New("a date is not a number")
	}
	// Beyond the range of times the exact second no longer matters.
	seconds = math.Max(-maxUnixSeconds, math.Min(seconds, maxUnixSeconds))
	return time.Unix(int64(seconds), 0), nil
}

func secondsWithin(value string, limit int64) time.Duration {
	seconds, err := strconv.ParseInt(value, 10, 32)
	if err != nil || seconds < 1 || seconds > limit {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
