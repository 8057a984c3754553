package auth

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// DefaultLeeway is the tolerance for clocks of exp and nbf (D2).
	DefaultLeeway = 5 * time.Minute
	// DefaultMaxTokenBytes is the longest token accepted by default.
	DefaultMaxTokenBytes = 4096
)

// VerifierOptions is what a Verifier works by. The functions are called for
// every token, concurrently, and must be cheap.
type VerifierOptions struct {
	// Keys returns the access keys in force. Required. Empty keys are ignored.
	Keys func() []Secret
	// LocalKeys says whether tokens that are signed with an access key are accepted (R12); nil means that
	// they are. Tokens of clients that are signed with a ClientKey are in any case.
	LocalKeys func() bool
	// Own is a key that nobody but this process has. Tokens that are signed with it are accepted whatever
	// LocalKeys says. "" is none.
	Own Secret
	// Issuers are those whose tokens are accepted too; nil means none.
	Issuers Issuers
	// Leeway returns the tolerance for clocks; nil means DefaultLeeway, 0 none.
	Leeway func() time.Duration
	// StrictAudience returns the hosts ("gw.example", port and scheme ignored)
	// that audiences may name; nil or an empty list means any host.
	StrictAudience func() []string
	// BasePath is a path, without a slash at the end, that audiences may have in
	// front: that of the URL by which senders know the gateway, when a proxy takes
	// it off the requests. "" is none.
	BasePath string
	// MaxTokenBytes returns the length of the longest accepted token; nil, 0 and
	// below mean DefaultMaxTokenBytes.
	MaxTokenBytes func() int
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Verifier checks the tokens of clients, of hub servers and of REST callers. All methods may be
// called concurrently; their errors are of type *TokenError.
//
// Parsed tokens are remembered (at most 4096, by hash) while the keys stay the
// same, so that a token presented again costs a hash. Lifetime and audience are
// compared on every call.
type Verifier struct {
	options VerifierOptions
	parser  *jwt.Parser
	current atomic.Pointer[keyring]
}

// keyring is a list of keys and what was verified with it.
type keyring struct {
	keys []Secret
	// local: the keys themselves sign tokens, not only the keys for clients that are made of them.
	local bool
	// issuers is the generation of the issuers.
	issuers uint64
	set     jwt.VerificationKeySet
	own     jwt.VerificationKeySet
	tokens  tokenCache
}

// verified is a token with a good signature. It is immutable.
type verified struct {
	claims    Claims
	audiences []audience
	notBefore time.Time
	hasExpiry bool
	nameID    string
	all       []Claim
	// grant is nil for tokens that no issuer has signed.
	grant *Grant
	// keyEnds is when the ClientKey ends that has signed it; the zero time if none has.
	keyEnds time.Time
	// caller is who has signed it, for limits.
	caller string
}

// NewVerifier returns a Verifier. It panics without Keys.
func NewVerifier(options VerifierOptions) *Verifier {
	if options.Keys == nil {
		panic("auth: VerifierOptions.Keys is nil")
	}
	if options.LocalKeys == nil {
		options.LocalKeys = func() bool { return true }
	}
	if options.Issuers == nil {
		options.Issuers = noIssuers{}
	}
	if options.Leeway == nil {
		options.Leeway = func() time.Duration { return DefaultLeeway }
	}
	if options.StrictAudience == nil {
		options.StrictAudience = func() []string { return nil }
	}
	if options.MaxTokenBytes == nil {
		options.MaxTokenBytes = func() int { return DefaultMaxTokenBytes }
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Verifier{options: options, parser: jwt.NewParser(jwt.WithoutClaimsValidation())}
}

// Client verifies a client's token for the hub and the application of its
// request ("" if it names none), as the query has them, decoded. The result is
// shared and must not be changed.
func (v *Verifier) Client(token, hub, application string) (*Claims, error) {
	t, err := v.verify(token)
	if err != nil {
		return nil, err
	}
	if t.grant != nil {
		if err := t.grant.client(hub); err != nil {
			return nil, err
		}
		return &t.claims, nil
	}
	accept := func(a audience) bool { return a.forEndpoint(ClientPath, hub) && a.forApplication(application) }
	if err := v.checkAudience(t, accept, ClientPath+"/?hub="+hub, application); err != nil {
		return nil, err
	}
	return &t.claims, nil
}

// AspNetClient verifies the token of a client of ASP.NET SignalR. Its audience names no hub: the
// caller has to check Claims.Application, which may be empty. The result is shared and must not be
// changed.
func (v *Verifier) AspNetClient(token string) (*Claims, error) {
	t, err := v.verify(token)
	if err != nil {
		return nil, err
	}
	if t.grant != nil {
		return nil, &TokenError{Failure: TokenRight, Detail: "a token of an issuer names no application, as clients of ASP.NET SignalR have to"}
	}
	accept := func(a audience) bool { return EqualFoldASCII(a.path, AspNetClientPath) }
	if err := v.checkAudience(t, accept, AspNetClientPath, ""); err != nil {
		return nil, err
	}
	return &t.claims, nil
}

// UnverifiedUser returns the user that a client's token names, without checking
// anything but its length. It serves to find out where a request belongs, never
// to let it in.
func (v *Verifier) UnverifiedUser(token string) (user string, ok bool) {
	var p payload
	if token == "" || len(token) > v.maxTokenBytes() {
		return "", false
	}
	t, _, err := v.parser.ParseUnverified(token, &p)
	if err != nil {
		return "", false
	}
	if !isSymmetric(t) {
		return v.options.Issuers.Grant(decodedClaims(token)).Holder.User, true
	}
	return p.claims.UserID, true
}

// TokenClaims returns every claim of a token that Client or AspNetClient has just accepted, in
// its order and under its own name, system claims (asrs.s.*) included, but for
// the reserved names of JSON web tokens; an array is one Claim for each value.
// The result is shared and must not be changed. A token that is no longer
// accepted has none.
func (v *Verifier) TokenClaims(token string) []Claim {
	t, err := v.verify(token)
	if err != nil {
		return nil
	}
	return t.all
}

// Server verifies a hub server's token for the hub of its request, as the
// query has it, decoded.
func (v *Verifier) Server(token, hub string) (*ServerClaims, error) {
	return v.server(token, ServerPath, hub)
}

// AspNetServer is Server for the hub servers of ASP.NET SignalR.
func (v *Verifier) AspNetServer(token, hub string) (*ServerClaims, error) {
	return v.server(token, AspNetServerPath, hub)
}

func (v *Verifier) server(token, path, hub string) (*ServerClaims, error) {
	t, err := v.verify(token)
	if err != nil {
		return nil, err
	}
	switch {
	case t.grant != nil && t.grant.Server != nil:
		return nil, t.grant.Server
	case t.grant != nil:
		return &ServerClaims{Expires: t.claims.Expires}, nil
	case t.local() != nil:
		return nil, t.local()
	}
	accept := func(a audience) bool { return a.forEndpoint(path, hub) }
	if err := v.checkAudience(t, accept, path+"/?hub="+hub, ""); err != nil {
		return nil, err
	}
	return &ServerClaims{ServerID: t.nameID, Expires: t.claims.Expires}, nil
}

// REST verifies a REST caller's token for a request with the method. The path is as
// url.URL.EscapedPath returns it; application is the decoded query value, "" if
// there is none. Tokens of clients are refused by their audience (R7).
func (v *Verifier) REST(token, method, escapedPath, application string) error {
	t, err := v.verify(token)
	if err != nil {
		return err
	}
	return v.mayCall(t, method, escapedPath, application)
}

// Admin verifies a token for the admin address, where it needs what REST needs for POST, and an issuer whose
// tokens may be used there. The path is the one that tokens of access keys name.
func (v *Verifier) Admin(token, escapedPath string) error {
	t, err := v.verify(token)
	if err != nil {
		return err
	}
	if t.grant != nil {
		return t.grant.Admin
	}
	return v.mayCall(t, "POST", escapedPath, "")
}

// mayCall is REST for a token that is verified.
func (v *Verifier) mayCall(t *verified, method, escapedPath, application string) error {
	switch {
	case t.grant != nil:
		return t.grant.rest(method, escapedPath)
	case t.local() != nil:
		return t.local()
	}
	accept := func(a audience) bool { return a.forPath(escapedPath) && a.forApplication(application) }
	return v.checkAudience(t, accept, escapedPath, application)
}

// verify checks everything but the audience.
func (v *Verifier) verify(token string) (*verified, error) {
	switch {
	case token == "":
		return nil, &TokenError{Failure: TokenMissing}
	case len(token) > v.maxTokenBytes():
		return nil, &TokenError{Failure: TokenTooLarge}
	}
	ring := v.keyring()
	key := HashToken(token)
	t, known := ring.tokens.get(key)
	if !known {
		var err error
		if t, err = v.parse(token, ring); err != nil {
			return nil, err
		}
		ring.tokens.put(key, t)
	}
	if err := t.checkKey(v.options.Now()); err != nil {
		return nil, err
	}
	return t, v.checkLifetime(t)
}

func (v *Verifier) maxTokenBytes() int {
	if n := v.options.MaxTokenBytes(); n > 0 {
		return n
	}
	return DefaultMaxTokenBytes
}

// keyring returns the ring for the keys in force; after a change of keys that
// is a new one, without the tokens verified by the old keys.
func (v *Verifier) keyring() *keyring {
	keys, local, issuers := v.options.Keys(), v.options.LocalKeys(), v.options.Issuers.Generation()
	if ring := v.current.Load(); ring != nil && ring.local == local && ring.issuers == issuers && slices.Equal(ring.keys, keys) {
		return ring
	}
	ring := &keyring{keys: slices.Clone(keys), local: local, issuers: issuers}
	for _, key := range keys {
		// An empty key would accept whatever anybody signs with nothing.
		if key != "" {
			ring.set.Keys = append(ring.set.Keys, []byte(key.Reveal()))
		}
	}
	if own := v.options.Own; own != "" {
		ring.own.Keys = []jwt.VerificationKey{[]byte(own.Reveal())}
		ring.set.Keys = append(ring.set.Keys, ring.own.Keys[0])
	}
	v.current.Store(ring)
	return ring
}

var (
	errAlgorithm = &TokenError{Failure: TokenAlgorithm}
	errCritical  = errors.New("critical header extensions are not supported")
	errNoKeys    = errors.New("no access key is configured")
	errLocalKeys = &TokenError{Failure: TokenLocalKey}
)

func (v *Verifier) parse(token string, ring *keyring) (*verified, error) {
	var p payload
	var keyEnds time.Time
	var own bool
	parsed, err := v.parser.ParseWithClaims(token, &p, func(t *jwt.Token) (key any, err error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, errCritical
		}
		if !isSymmetric(t) && t.Method.Alg() != "none" {
			return v.options.Issuers.Key(p.issuer, t)
		}
		key, keyEnds, err = ring.key(t)
		if own = errors.Is(err, errLocalKeys); own && len(ring.own.Keys) > 0 {
			return ring.own, nil
		}
		return key, err
	})
	if own && errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		return nil, errLocalKeys
	}
	if err != nil {
		return nil, parseFailure(err)
	}
	t := &verified{claims: p.claims, audiences: p.audiences, notBefore: p.notBefore, hasExpiry: p.hasExpiry, nameID: p.nameID, all: p.everything, keyEnds: keyEnds}
	t.caller = ring.caller(parsed, token, &p)
	if !isSymmetric(parsed) {
		v.issued(t, token)
	}
	return t, nil
}

// key returns what a token may be signed with that says it is signed with a secret: the access keys,
// or what is made of them if it names such a key.
func (ring *keyring) key(t *jwt.Token) (key any, ends time.Time, err error) {
	if alg := t.Method.Alg(); alg != "HS256" && alg != "HS512" {
		return nil, ends, errAlgorithm
	}
	if len(ring.set.Keys) == 0 {
		return nil, ends, errNoKeys
	}
	id, _ := t.Header["kid"].(string)
	if ends, ok := clientKeyEnd(id); ok {
		var set jwt.VerificationKeySet
		for _, own := range ring.keys {
			if own != "" {
				set.Keys = append(set.Keys, []byte(deriveClientKey(own, id).Reveal()))
			}
		}
		return set, ends, nil
	}
	if !ring.local {
		return nil, ends, errLocalKeys
	}
	return ring.set, ends, nil
}

// parseFailure turns an error of the parser, or of the functions that it has called, into a *TokenError.
func parseFailure(err error) error {
	var refused *TokenError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return &TokenError{Failure: TokenSignature}
	case errors.Is(err, errCritical):
		return &TokenError{Failure: TokenMalformed, Detail: errCritical.Error()}
	case errors.Is(err, errNoKeys):
		return &TokenError{Failure: TokenSignature, Detail: errNoKeys.Error()}
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		// An algorithm that the library does not even know.
		return errAlgorithm
	}
	return &TokenError{Failure: TokenMalformed}
}

func (v *Verifier) checkLifetime(t *verified) error {
	now, leeway := v.options.Now(), max(0, v.options.Leeway())
	switch {
	case !t.hasExpiry:
		return &TokenError{Failure: TokenNoExpiry}
	case !now.Before(t.claims.Expires.Add(leeway)):
		return &TokenError{Failure: TokenExpired, Detail: "expired at " + t.claims.Expires.UTC().Format(time.RFC3339)}
	case !t.notBefore.IsZero() && now.Before(t.notBefore.Add(-leeway)):
		return &TokenError{Failure: TokenNotYetValid, Detail: "valid from " + t.notBefore.UTC().Format(time.RFC3339)}
	}
	return nil
}

// checkAudience accepts the token if any of its audiences is accepted.
func (v *Verifier) checkAudience(t *verified, accept func(audience) bool, want, application string) error {
	allowed := v.options.StrictAudience()
	if slices.ContainsFunc(t.audiences, func(a audience) bool { return accept(a.below(v.options.BasePath)) && a.forHost(allowed) }) {
		return nil
	}
	actual := make([]string, len(t.audiences))
	for i, a := range t.audiences {
		actual[i] = a.String()
	}
	detail := fmt.Sprintf("failed to validate audience: expected path %q, application %q", want, application)
	if len(allowed) > 0 {
		detail += fmt.Sprintf(", hosts %q", allowed)
	}
	return &TokenError{Failure: TokenAudience, Detail: detail + fmt.Sprintf("; token has %q", actual)}
}
