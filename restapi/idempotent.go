package restapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// KeyHeader of a send is a name for the request: a repeat with it is not carried out again.
	KeyHeader = "Idempotency-Key"
	// ReplayedHeader of an answer, "true", says that it is the first one, given again.
	ReplayedHeader = "Idempotency-Replayed"
)

// Claims remembers keys for a while. *store.Claims implements it for one node, *claims.Bucket for all of a cluster.
// Errors have a method Full or Unavailable that returns true, as those of stores.
type Claims interface {
	// Claim stores the value under the key, unless something is held there.
	Claim(ctx context.Context, key string, value []byte, lasts time.Duration) (number uint64, held []byte, err error)
	// Keep stores another value in the place of the one with the number.
	Keep(ctx context.Context, key string, number uint64, value []byte, lasts time.Duration) error
	// Free forgets the key, if what is stored there has the number.
	Free(ctx context.Context, key string, number uint64) error
}

const (
	// maxKey is the longest key, in bytes.
	maxKey = 255
	// claimAge is how long a key is held for a request that is carried out. After it the node has died, or the
	// request has become stuck.
	claimAge = 30 * time.Second
	// claimTime bounds how long the store is asked for a key.
	claimTime = 5 * time.Second
)

// keyed says how operations take the header. Of those that are not here a repeat changes nothing: they ignore it.
var keyed = map[string]bool{
	"Broadcast": true, "SendToConnection": true, "SendToGroup": true, "SendToUser": true,
	"V1Broadcast": true, "V1SendToConnection": true, "V1SendToGroup": true, "V1SendToUser": true,
	"Execute": true, "SendStreamItem": true,
	"InvokeConnection": false, // what a client answers is too large to be remembered
}

// once is a request that is carried out once.
type once struct {
	endpoint *Endpoint
	// key is what the key is stored as, number that of its claim.
	key     string
	number  uint64
	request fingerprint
}

// serveOnce serves a request that has the header.
func (h *Endpoint) serveOnce(c *call, r *http.Request, next http.Handler) {
	takes, is := keyed[c.operation]
	if !is {
		next.ServeHTTP(c, r)
		return
	}
	age := h.options.Limits().orDefaults().IdempotencyAge
	key, err := readKey(r.Header[KeyHeader])
	switch {
	case !takes || age < 0 || h.options.Claims == nil:
		// Without a word it would be carried out twice.
		c.fail(refused(http.StatusBadRequest, ReasonParameter, "This operation takes no "+KeyHeader+", or the gateway has them switched off (rest.idempotencyAge)."))
		return
	case err != nil:
		c.fail(err)
		return
	}
	content, err := readAll(nil, r.Body)
	if err != nil {
		c.fail(bodyFailure(err))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	o := &once{endpoint: h, key: storedKey(key), request: fingerprintOf(c, r.Header.Get("Content-Type"), content)}
	before, err := o.claim()
	switch {
	case err != nil:
		c.fail(err)
	case before != nil:
		before.write(c)
	default:
		// It goes on without its caller: who gives up asks again with the key.
		c.ctx.Context = context.WithoutCancel(c.ctx.Context)
		c.wants.once = o
		next.ServeHTTP(c, r)
	}
}

// readKey takes 1 to 255 visible characters of ASCII.
func readKey(values []string) (string, error) {
	if len(values) != 1 || values[0] == "" || len(values[0]) > maxKey {
		return "", errKey
	}
	for i := range len(values[0]) {
		if b := values[0][i]; b < '!' || b > '~' {
			return "", errKey
		}
	}
	return values[0], nil
}

var errKey = invalid(ErrorDetailTargetRequest, "The "+KeyHeader+" must be one value of 1 to 255 visible ASCII characters.")

// storedKey is a token of 43 letters, digits, hyphens and underscores: stores need not keep what a caller writes.
func storedKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// fingerprint tells requests apart.
type fingerprint [sha256.Size]byte

// fingerprintOf is of what a repeat must have in common with the first request.
func fingerprintOf(c *call, contentType string, content []byte) (f fingerprint) {
	hash := sha256.New()
	for _, part := range [...]string{c.operation, c.route.RoutePath, c.query.raw, contentType} {
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // a hash takes everything
		_, _ = hash.Write([]byte(part))
	}
	_, _ = hash.Write(content)
	hash.Sum(f[:0])
	return f
}

// claim claims the key. If the request was answered before, that answer is returned. The error is a *failure.
func (o *once) claim() (*remembered, error) {
	// Also for a caller who leaves now: what is unknown then holds the key for claimAge.
	ctx, cancel := context.WithTimeout(context.Background(), claimTime)
	defer cancel()
	claimed := remembered{request: o.request}
	_, _ = rand.Read(claimed.nonce[:]) // never fails
	number, held, err := o.endpoint.options.Claims.Claim(ctx, o.key, claimed.append(nil), claimAge)
	if err != nil {
		return nil, claimFailure(err)
	}
	if held == nil {
		o.number = number
		return nil, nil
	}
	before, err := parseRemembered(held)
	switch {
	case err != nil:
		return nil, err
	case before.request != o.request:
		return nil, refused(http.StatusUnprocessableEntity, ReasonKeyReused, "The "+KeyHeader+" belongs to another request: another path, query, content type or body. The message was not sent.")
	case before.status == 0:
		f := refused(http.StatusConflict, ReasonKeyInUse, "The first request with this "+KeyHeader+" has not been answered yet.")
		f.retryAfter = 1
		return nil, f
	}
	return before, nil
}

func claimFailure(err error) error {
	var full interface{ Full() bool }
	var down interface{ Unavailable() bool }
	switch {
	case errors.As(err, &full) && full.Full():
		return &failure{
			status: http.StatusTooManyRequests, reason: ReasonTooManyKeys, code: codeThrottled, target: ErrorDetailTargetRequest, retryAfter: 10,
			message: "There are as many of " + KeyHeader + " as can be remembered. The message was not sent.", cause: err,
		}
	case errors.As(err, &down) && down.Unavailable():
		return &failure{
			status: http.StatusServiceUnavailable, reason: ReasonStoreDown, code: codeRequestUnknown, target: ErrorDetailTargetRequest, retryAfter: 5,
			message: "Whether the " + KeyHeader + " was used before cannot be asked now. The message was not sent.", cause: err,
		}
	}
	return err
}

// LogForgotten is the text of the line about an answer that could not be remembered.
const LogForgotten = "the answer to a request with an Idempotency-Key could not be remembered"

// settle remembers the answer that is about to be given, or frees the key if it is none of success.
func (o *once) settle(c *call, status int) {
	ctx, cancel := context.WithTimeout(context.Background(), claimTime)
	defer cancel()
	claims := o.endpoint.options.Claims
	if status < 200 || status > 299 {
		if err := claims.Free(ctx, o.key, o.number); err != nil {
			o.endpoint.options.Logger.Debug("the Idempotency-Key of a request that failed is held until its time is over", "error", err)
		}
		return
	}
	answer := remembered{request: o.request, status: status, matched: c.Header().Get(MatchedHeader)}
	_, _ = rand.Read(answer.nonce[:]) // never fails
	if status == http.StatusAccepted && c.receipt != nil {
		answer.status, answer.applied, answer.body = http.StatusOK, c.wants.prefer.applied(), c.receipt
	}
	// The message was sent: whatever happens here the caller is told so.
	if err := claims.Keep(ctx, o.key, o.number, answer.append(nil), max(o.endpoint.options.Limits().orDefaults().IdempotencyAge, time.Second)); err != nil {
		o.endpoint.options.Logger.Warn(LogForgotten, "operation", c.operation, "error", err, "trace", c.wants.traced.ID)
	}
}

// remembered is what is stored under a key: the request, and its answer when there is one.
type remembered struct {
	request fingerprint
	// nonce tells what one node stored from what another one did.
	nonce [8]byte
	// status is 0 while there is no answer.
	status int
	// matched and applied are headers, "" for none; body is a receipt, nil for none.
	matched, applied string
	body             []byte
}

const (
	// rememberedFormat is the first byte of what is stored.
	rememberedFormat = 1
	// maxRemembered bounds what is stored under a key, in bytes.
	maxRemembered = 2 << 10
)

var errRemembered = errors.New("what is remembered of an Idempotency-Key cannot be read")

// append writes the format, the fingerprint, the nonce and the status, then the texts, each behind its length.
func (a *remembered) append(dst []byte) []byte {
	dst = append(dst, rememberedFormat)
	dst = append(append(dst, a.request[:]...), a.nonce[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(a.status))
	for _, text := range [...]string{a.matched, a.applied, string(a.body)} {
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(text))), text...)
	}
	return dst
}

func parseRemembered(text []byte) (*remembered, error) {
	var a remembered
	fixed := 1 + len(a.request) + len(a.nonce) + 2
	if len(text) > maxRemembered || len(text) < fixed || text[0] != rememberedFormat {
		return nil, fmt.Errorf("%w: %d bytes", errRemembered, len(text))
	}
	rest := text[1:]
	rest = rest[copy(a.request[:], rest):]
	rest = rest[copy(a.nonce[:], rest):]
	a.status = int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	var texts [3][]byte
	for i := range texts {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return nil, fmt.Errorf("%w: it is cut off", errRemembered)
		}
		n := int(binary.BigEndian.Uint16(rest))
		texts[i], rest = rest[2:2+n], rest[2+n:]
	}
	if len(rest) > 0 || a.status != 0 && (a.status < 200 || a.status > 299) {
		return nil, fmt.Errorf("%w: status %d and %d bytes too many", errRemembered, a.status, len(rest))
	}
	a.matched, a.applied = string(texts[0]), string(texts[1])
	if len(texts[2]) > 0 {
		a.body = bytes.Clone(texts[2])
	}
	return &a, nil
}

// write gives the answer again.
func (a *remembered) write(c *call) {
	h := c.Header()
	h.Set(ReplayedHeader, "true")
	if a.matched != "" {
		h.Set(MatchedHeader, a.matched)
	}
	if a.applied != "" {
		h.Set(AppliedHeader, a.applied)
	}
	if a.body != nil {
		h.Set("Content-Type", jsonType)
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	c.WriteHeader(a.status)
	if a.body != nil {
		_, _ = c.Write(a.body) // a caller that left needs no answer
	}
}
