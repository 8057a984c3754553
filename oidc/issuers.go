package oidc

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubgate/hubgate/auth"
)

// Options are what Issuers are made of.
type Options struct {
	// Transport makes requests to issuers; nil means a copy of http.DefaultTransport.
	Transport http.RoundTripper
	// Logger gets a line when an issuer's keys cannot be read, and when they can again; nil discards.
	Logger *slog.Logger
}

// Issuers implements auth.Issuers. All methods may be called concurrently.
type Issuers struct {
	log        *slog.Logger
	client     *http.Client
	generation atomic.Uint64
	current    atomic.Pointer[inForce]
	mu         sync.Mutex // of Use and Close
	closed     bool
}

var _ auth.Issuers = (*Issuers)(nil)

// inForce is a configuration and the issuers that it names. It is immutable.
type inForce struct {
	config  *Config
	issuers map[string]*issuer
}

// New returns Issuers that know no issuer yet: see Use.
func New(options Options) *Issuers {
	s := &Issuers{log: options.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if options.Transport == nil {
		options.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	s.client = &http.Client{Transport: bounded{options.Transport}}
	s.current.Store(&inForce{config: new(Config)})
	return s
}

// Use puts a configuration in force. Issuers that stay keep their keys.
func (s *Issuers) Use(config *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	former := s.current.Load()
	next := &inForce{config: config, issuers: former.issuers}
	if !config.samePlaces(former.config) {
		next.issuers = make(map[string]*issuer, len(config.Issuers))
		for _, url := range config.Issuers {
			next.issuers[url] = s.newIssuer(url, config, former.issuers[url])
		}
	}
	s.current.Store(next)
	s.generation.Add(1)
	if !config.samePlaces(former.config) {
		endAll(former.issuers)
	}
}

// Close ends the reading of keys, and the requests for them that are under way.
func (s *Issuers) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	endAll(s.current.Load().issuers)
	s.client.CloseIdleConnections()
}

func endAll(issuers map[string]*issuer) {
	for _, i := range issuers {
		i.end()
	}
}

// Generation implements auth.Issuers.
func (s *Issuers) Generation() uint64 { return s.generation.Load() }

// Key implements auth.Issuers. It waits for the issuer, for Config.Timeout at most, if its keys have
// not been read yet or lack the one that the token names. A token names it, or every key is tried.
func (s *Issuers) Key(url string, token *jwt.Token) (any, error) {
	now := s.current.Load()
	i := now.issuers[url]
	switch {
	case len(now.issuers) == 0:
		return nil, &auth.TokenError{Failure: auth.TokenAlgorithm}
	case i == nil:
		return nil, &auth.TokenError{Failure: auth.TokenIssuer, Detail: "the token is of an issuer that is none of oidc.issuers"}
	case !slices.Contains(now.config.Algorithms, token.Method.Alg()):
		return nil, &auth.TokenError{Failure: auth.TokenAlgorithm, Detail: "the algorithm is none of oidc.algorithms"}
	}
	return i.key(token)
}

// Status is how it stands with one issuer.
type Status struct {
	Issuer string
	// Keys is how many keys are known.
	Keys int
	// Failing: its keys could not be read when this was last tried.
	Failing bool
}

// Status returns how it stands with each issuer, in the order of their names.
func (s *Issuers) Status() []Status {
	var all []Status
	for url, i := range s.current.Load().issuers {
		all = append(all, Status{Issuer: url, Keys: int(i.keys.size.Load()), Failing: i.failing.Load()})
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Issuer, b.Issuer) })
	return all
}

// maxAnswer bounds what is read of an issuer's answer, in bytes: a few keys and their certificates.
const maxAnswer = 1 << 20

// bounded bounds the bodies of answers. What is cut off is no JSON any more.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// CloseIdleConnections passes on what http.Client asks of its transport.
func (b bounded) CloseIdleConnections() {
	if t, ok := b.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// newIssuer starts the reading of an issuer's keys, with those that it had before.
func (s *Issuers) newIssuer(url string, config *Config, former *issuer) *issuer {
	ctx, cancel := context.WithCancel(context.Background())
	i := &issuer{
		url: url, timeout: config.Timeout, interval: config.RefreshInterval, client: s.client, log: s.log.With("issuer", url),
		tried: make(chan struct{}), refetches: newRefetches(), life: life{ctx: ctx, stop: cancel},
	}
	if former != nil {
		i.keys = former.keys
	} else {
		i.keys = newKeys(func() { s.generation.Add(1) })
	}
	i.life.running.Go(i.run)
	return i
}

// retryFirst and retryMost are how long an issuer that has failed is left alone.
const (
	retryFirst = time.Second
	retryMost  = 30 * time.Second
)
