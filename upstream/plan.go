package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/hubgate/hubgate/webhook"
)

// plan is a Config made ready for use.
type plan struct {
	cfg       *Config
	templates []*template
}

// template is a Template made ready for use.
type template struct {
	index   int
	source  *Template
	allowed *AllowedSecrets
	parts   []webhook.Part
	err     error // why parts is empty
	echo    bool  // it is the webhook that the gateway has itself

	mu        sync.Mutex
	values    []string // of the secrets that endpoints was made with
	endpoints map[names]*endpoint
}

// names are what placeholders stand for; those that a template does not use
// are empty in its cache.
type names struct{ hub, category, event string }

// endpoint is where an event goes.
type endpoint struct {
	url           *url.URL // shared by all requests, never changed
	origin        string
	authorization string   // from the URL's user info
	secrets       []string // what must be masked in errors about it
}

func newPlan(cfg *Config) *plan {
	p := &plan{cfg: cfg}
	for i := range cfg.Templates {
		t := &template{index: i, source: &cfg.Templates[i], allowed: &cfg.Secrets}
		if t.echo = webhook.IsEcho(t.source.URL); !t.echo {
			t.parts, t.err = webhook.ParseURL(t.source.URL)
		}
		p.templates = append(p.templates, t)
	}
	return p
}

// match returns the first template whose three patterns take the names, or nil (R63).
func (p *plan) match(n names) *template {
	for _, t := range p.templates {
		s := t.source
		if s.Hub.Matches(n.hub, true) && s.Category.Matches(n.category, true) &&
			s.Event.Matches(n.event, p.cfg.IgnoreEventCase) {
			return t
		}
	}
	return nil
}

const (
	// maxEndpoints bounds the cache of a template: event names are chosen by clients.
	maxEndpoints = 512
	// maxCachedName bounds the names that are worth caching, in bytes.
	maxCachedName = 128
)

// errDots refuses names that would change the meaning of the path around them
// although every character in them is unreserved.
var errDots = errors.New(`"." and ".." cannot stand in a URL`)

// endpoint returns the URL for an event. The error holds no secret.
func (t *template) endpoint(n names, store *secretStore) (*endpoint, error) {
	switch {
	case t.err != nil:
		return nil, t.err
	case t.echo:
		return noEndpoint, nil
	}
	values, err := t.resolve(store)
	if err != nil {
		return nil, err
	}
	key := t.used(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(values, t.values) || len(t.endpoints) >= maxEndpoints {
		t.endpoints, t.values = nil, values
	}
	if e := t.endpoints[key]; e != nil {
		return e, nil
	}
	e, err := t.expand(key, values)
	if err != nil {
		return nil, err
	}
	if len(key.hub)+len(key.event) <= maxCachedName {
		if t.endpoints == nil {
			t.endpoints = make(map[names]*endpoint)
		}
		t.endpoints[key] = e
	}
	return e, nil
}

// noEndpoint is the endpoint of what goes nowhere.
var noEndpoint = new(endpoint)

// resolve returns the values of the template's references, in their order.
func (t *template) resolve(store *secretStore) ([]string, error) {
	var values []string
	for _, p := range t.parts {
		if !p.Secret() {
			continue
		}
		value, err := store.resolve(p, t.allowed)
		if err != nil {
			return nil, fmt.Errorf("%s %w", p.String(), err)
		}
		values = append(values, value)
	}
	return values, nil
}

// used returns n without the names that the template does not mention.
func (t *template) used(n names) names {
	var used names
	for _, p := range t.parts {
		switch p.Kind {
		case webhook.Hub:
			used.hub = n.hub
		case webhook.Category:
			used.category = n.category
		case webhook.Event:
			used.event = n.event
		}
	}
	return used
}

// expand replaces everything in the template and checks the outcome.
func (t *template) expand(n names, values []string) (*endpoint, error) {
	for _, name := range []string{n.hub, n.event} {
		if name == "." || name == ".." {
			return nil, errDots
		}
	}
	var text []byte
	next := 0
	for _, p := range t.parts {
		switch p.Kind {
		case webhook.Literal:
			text = append(text, p.Text...)
		case webhook.Hub:
			text = appendEscaped(text, n.hub)
		case webhook.Category:
			text = appendEscaped(text, n.category)
		case webhook.Event:
			text = appendEscaped(text, n.event)
		case webhook.Env, webhook.File:
			text = append(text, values[next]...)
			next++
		}
	}
	return newEndpoint(string(text), values)
}

// newEndpoint parses a URL; its errors do not repeat what may be a secret.
func newEndpoint(text string, secrets []string) (*endpoint, error) {
	u, err := url.Parse(escapeUnsafe(text))
	if err != nil {
		if len(secrets) > 0 {
			return nil, errors.New("the URL is not valid once the references in it are replaced")
		}
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("the URL is not valid: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("the URL is not an absolute http:// or https:// one")
	}
	u.Fragment, u.RawFragment = "", ""
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	e := &endpoint{url: u, origin: u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port, secrets: secrets}
	if u.User != nil {
		password, _ := u.User.Password()
		e.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
		u.User = nil
	}
	return e, nil
}

// escapeUnsafe percent-encodes what may not stand in a path or a query. Were it
// left to net/url, that would re-encode the whole path, and a slash that came
// escaped from a name would become a separator.
func escapeUnsafe(text string) string {
	start := strings.Index(text, "://")
	if start < 0 {
		return text
	}
	start += len("://")
	if end := strings.IndexAny(text[start:], "/?#"); end >= 0 {
		start += end
	} else {
		return text
	}
	escaped := append(make([]byte, 0, len(text)+16), text[:start]...)
	for i := start; i < len(text); i++ {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			escaped = appendPercent(escaped, c)
		} else {
			escaped = append(escaped, c)
		}
	}
	return string(escaped)
}
