// Package signature makes and checks the signature of a webhook that covers the request: its method,
// path and query, time, body and event. Applications in Go import it to know that a request comes from
// their gateway, and is not an old one sent again.
//
// The header is
//
//	X-Hubgate-Signature: t=1764420000,id=EVENT,v1=HEX,v1=HEX
//
// t is when the request was sent, in seconds since 1970, and id is the event: it is the same in each attempt
// to deliver it. Each v1 is the HMAC-SHA256 under one of the gateway's keys, in hexadecimal digits. While a
// key is replaced by another there are two. What is signed are these lines, with a line feed after each, and
// then the body:
//
//	v1
//	the value of t
//	the value of id
//	the method, POST
//	path and query, as they are in the first line of the request
//
// A key is used as text: it is not decoded.
//
// No other header is signed: not the user, his claims, the hub, the category, nor the name of the event. The
// connection is, since the id begins with it and a dot: who reads X-ASRS-Connection-Id compares the two.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Header is the name of the header.
const Header = "X-Hubgate-Signature"

// DefaultTolerance is how far the clock of the gateway and one's own may be apart.
const DefaultTolerance = 5 * time.Minute

const (
	version = "v1"
	// maxHeader bounds a header that is looked at, in bytes, maxSignatures its signatures: a gateway has
	// at most two keys.
	maxHeader     = 2 << 10
	maxSignatures = 8
)

// Errors of Verify.
var (
	// ErrMissing is the error of a request without a signature: it does not come from a gateway that has
	// a key, or from an older one.
	ErrMissing = errors.New("the request has no signature")
	// ErrMalformed is the error of a header that cannot be read.
	ErrMalformed = errors.New("the signature cannot be read")
	// ErrTime is the error of a request that was sent too long ago, or in the future: it was recorded and
	// sent again, or a clock is wrong.
	ErrTime = errors.New("the signature is too old, or from the future")
	// ErrMismatch is the error of a request that was signed with another key, or changed.
	ErrMismatch = errors.New("the signature does not fit the request")
)

// Event is what a good signature says.
type Event struct {
	// ID names the event. It begins with the id of the connection and a dot. A request with an ID that was seen
	// before is a repeat: of the gateway, which says so in other headers, or of somebody who recorded the first one.
	ID string
	// Sent is when the request was sent, on the gateway's clock.
	Sent time.Time
}

// Append appends the value of the header for one request. Empty keys are left out. The target is path and
// query as they are sent. The id must not contain commas or line feeds.
func Append(dst []byte, keys []string, sent time.Time, id, method, target string, body []byte) []byte {
	stamp := strconv.FormatInt(sent.Unix(), 10)
	dst = append(dst, "t="...)
	dst = append(dst, stamp...)
	dst = append(dst, ",id="...)
	dst = append(dst, id...)
	for _, key := range keys {
		if key == "" {
			continue
		}
		dst = append(dst, ","+version+"="...)
		var sum [sha256.Size]byte
		dst = hex.AppendEncode(dst, sign(sum[:0], key, stamp, id, method, target, body))
	}
	return dst
}

func sign(dst []byte, key, stamp, id, method, target string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	head := make([]byte, 0, 256)
	for _, line := range [...]string{version, stamp, id, method, target} {
		head = append(head, line...)
		head = append(head, '\n')
	}
	mac.Write(head)
	mac.Write(body)
	return mac.Sum(dst)
}

// Verifier checks signatures. It is not changed after its first use, and may be used concurrently.
type Verifier struct {
	// Keys are the access keys of the gateway: one of them has to have signed. Empty ones are left out.
	Keys []string
	// Tolerance is how long ago a request may have been sent, and how far in the future; 0 means
	// DefaultTolerance.
	Tolerance time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Request checks the request whose body was read.
func (v *Verifier) Request(r *http.Request, body []byte) (Event, error) {
	values := r.Header.Values(Header)
	switch len(values) {
	case 0:
		return Event{}, ErrMissing
	case 1:
	default:
		return Event{}, fmt.Errorf("%w: there are %d headers", ErrMalformed, len(values))
	}
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	return v.Verify(values[0], r.Method, target, body)
}

// Verify checks the value of the header. The target is path and query as the gateway has sent them: if a
// proxy between the two changes them, give those of the URL that the gateway has. The error is one of the
// Err variables.
func (v *Verifier) Verify(header, method, target string, body []byte) (Event, error) {
	if header == "" {
		return Event{}, ErrMissing
	}
	p, err := parse(header)
	if err != nil {
		return Event{}, err
	}
	if !v.signed(p, method, target, body) {
		return Event{}, ErrMismatch
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	tolerance := v.Tolerance
	if tolerance <= 0 {
		tolerance = DefaultTolerance
	}
	if apart := now().Sub(p.sent); apart > tolerance || apart < -tolerance {
		return Event{}, ErrTime
	}
	return Event{ID: p.id, Sent: p.sent}, nil
}

// signed compares every signature with every key: how long it takes says nothing of them.
func (v *Verifier) signed(p *parts, method, target string, body []byte) (good bool) {
	for _, key := range v.Keys {
		if key == "" {
			continue
		}
		var sum [sha256.Size]byte
		want := sign(sum[:0], key, p.stamp, p.id, method, target, body)
		for _, have := range p.signatures {
			if hmac.Equal(want, have) {
				good = true
			}
		}
	}
	return good
}

// parts are what a header consists of.
type parts struct {
	stamp, id  string
	sent       time.Time
	signatures [][]byte
}

// parse takes a header apart. What it does not know is left out: a later version may say more.
func parse(header string) (*parts, error) {
	if len(header) > maxHeader {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrMalformed, len(header))
	}
	var p parts
	for field := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "t":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil || p.stamp != "" {
				return nil, fmt.Errorf("%w: its time is not one number", ErrMalformed)
			}
			p.stamp, p.sent = value, time.Unix(seconds, 0)
		case "id":
			if p.id != "" {
				return nil, fmt.Errorf("%w: it has two ids", ErrMalformed)
			}
			p.id = value
		case version:
			sum, err := hex.DecodeString(value)
			if err != nil || len(sum) != sha256.Size || len(p.signatures) == maxSignatures {
				return nil, fmt.Errorf("%w: a signature is not one", ErrMalformed)
			}
			p.signatures = append(p.signatures, sum)
		}
	}
	if p.stamp == "" || p.id == "" || len(p.signatures) == 0 {
		return nil, fmt.Errorf("%w: it has no time, no id or no signature", ErrMalformed)
	}
	return &p, nil
}
