package auth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// ClientKey is a key with which an application signs tokens of its clients, when it has no access key
// but a token of an issuer (section 1.5 of the hub server protocol). Nothing is kept of it: it follows
// from an access key of the gateway and its own id, so that all nodes know it, and each after a restart.
type ClientKey struct {
	// ID goes into the header kid of the tokens.
	ID string
	// Key signs, as its UTF-8 bytes.
	Key Secret
	// Expires is when tokens signed with it are not accepted any more.
	Expires time.Time
}

// A key is the same for all who ask within one clientKeyHour, and ends at least clientKeyLife later.
// SDKs sign with a key for 55 minutes as a rule and for two hours at most, tokens that live for an hour.
const (
	clientKeyHour   = time.Hour
	clientKeyLife   = 3 * time.Hour
	clientKeyPrefix = "hubgate-"
	clientKeyInfo   = "hubgate key for tokens of clients "
)

// NewClientKey returns the key that is given out at a time. It ends three to four hours later.
func NewClientKey(accessKey Secret, now time.Time) ClientKey {
	ends := now.Truncate(clientKeyHour).Add(clientKeyHour + clientKeyLife)
	moment := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	id := clientKeyPrefix + base64.RawURLEncoding.EncodeToString(moment)
	return ClientKey{ID: id, Key: deriveClientKey(accessKey, id), Expires: ends}
}

// newClientKeyFor returns the key for a token that ends at a time.
func newClientKeyFor(accessKey Secret, ends time.Time) ClientKey {
	return NewClientKey(accessKey, ends.Add(-clientKeyLife+DefaultLeeway))
}

// SignClientFor is SignClient with a ClientKey that lives as long as the token, so that the token is
// accepted where access keys are switched off.
func SignClientFor(accessKey Secret, endpoint, hub string, spec ClientTokenSpec) (string, error) {
	if accessKey == "" {
		return "", errors.New("sign client token: no access key")
	}
	lifetime := spec.Lifetime
	if lifetime == 0 {
		lifetime = DefaultTokenLifetime
	}
	spec.key = newClientKeyFor(accessKey, time.Now().Add(lifetime)).ID
	return SignClient(deriveClientKey(accessKey, spec.key), endpoint, hub, spec)
}

// deriveClientKey: whoever has one of these keys learns nothing of the access key or of the others, so
// that nobody can make an id with a later end and the key for it.
func deriveClientKey(accessKey Secret, id string) Secret {
	key, err := hkdf.Key(sha256.New, []byte(accessKey.Reveal()), nil, clientKeyInfo+id, sha256.Size)
	if err != nil {
		panic(err) // the length is one that always fits
	}
	return Secret(base64.RawURLEncoding.EncodeToString(key))
}

// clientKeyEnd returns when the key with the id ends, if it is one of these.
func clientKeyEnd(id string) (ends time.Time, ok bool) {
	encoded, ok := strings.CutPrefix(id, clientKeyPrefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(8) { // line ends in it would be skipped
		return time.Time{}, false
	}
	moment, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(moment) != 8 {
		return time.Time{}, false
	}
	return time.Unix(int64(min(binary.BigEndian.Uint64(moment), maxUnixSeconds)), 0), true
}
