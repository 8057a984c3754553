package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"

	"github.com/hubgate/hubgate/secret"
)

// Credentials are those with which the gateway gets tokens for its webhooks, by the client credentials
// grant of OAuth 2 (R66).
type Credentials struct {
	TokenURL, ClientID string
	ClientSecret       secret.Text
}

// Bearer says what token a webhook wants. The zero value wants none.
type Bearer struct {
	Wanted bool
	// Scope, Audience and Resource are the parameters of that name of the request for the token. Without
	// any, the resource is the scheme and the host of the webhook's URL.
	Scope, Audience, Resource string
}

const (
	// tokenTime bounds one request for a token.
	tokenTime = 15 * time.Second
	// renewBefore is how long before its end a token is replaced in the background, or a fifth of its life
	// if that is less.
	renewBefore = 5 * time.Minute
	// lastUse is how long before its end a token is not sent any more: it has to live until it is read.
	lastUse = 10 * time.Second
	// tokenRetry is how long after a failure no other request is made.
	tokenRetry = time.Second
	// maxBearers bounds the tokens that are kept.
	maxBearers = 256
)

// bearers are the tokens of webhooks, by what they were got with and for. Make them with newBearers.
type bearers struct {
	ctx    context.Context // ends with the Backend
	client *http.Client
	mu     sync.Mutex
	byKey  map[bearerKey]*bearer
}

type bearerKey struct {
	Credentials
	Bearer
}

// newBearers gets tokens by way of a dialer, which guards addresses. Redirects are not followed: the secret is
// for the server that is named.
func newBearers(ctx context.Context, d *dialer) *bearers {
	return &bearers{
		ctx: ctx, byKey: make(map[bearerKey]*bearer),
		client: &http.Client{
			Transport:     newTransport(d),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (s *bearers) close() { s.client.CloseIdleConnections() }

// authorize puts the token that the webhook wants into the header. The error holds no secret.
func (s *bearers) authorize(ctx context.Context, header http.Header, c *Credentials, b Bearer, at *url.URL) error {
	if !b.Wanted {
		return nil
	}
	if b.Scope == "" && b.Audience == "" && b.Resource == "" {
		b.Resource = at.Scheme + "://" + at.Host
	}
	token, err := s.get(bearerKey{*c, b}).token(ctx)
	if err != nil {
		return fmt.Errorf("no token for the webhook: %w", err)
	}
	header["Authorization"] = []string{"Bearer " + token}
	return nil
}

func (s *bearers) get(key bearerKey) *bearer {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.byKey[key]
	if b == nil {
		if len(s.byKey) >= maxBearers {
			clear(s.byKey)
		}
		b = &bearer{key: key, of: s}
		s.byKey[key] = b
	}
	return b
}

// bearer is one token and its renewal.
type bearer struct {
	key    bearerKey
	of     *bearers
	flight singleflight.Group

	mu      sync.Mutex
	current *oauth2.Token
	renewAt time.Time
	err     error // of the last request
	failed  time.Time
}

// token returns a token that is still good. It waits for one only if there is none.
func (b *bearer) token(ctx context.Context) (string, error) {
	b.mu.Lock()
	now, t, err := time.Now(), b.current, b.err
	recent := err != nil && now.Sub(b.failed) < tokenRetry
	due := t != nil && !b.renewAt.IsZero() && !now.Before(b.renewAt)
	good := t != nil && (t.Expiry.IsZero() || now.Before(t.Expiry.Add(-lastUse)))
	b.mu.Unlock()
	switch {
	case good && due && !recent:
		b.flight.DoChan("", b.renew)
		return t.AccessToken, nil
	case good:
		return t.AccessToken, nil
	case recent:
		return "", err
	}
	select {
	case got := <-b.flight.DoChan("", b.renew):
		if got.Err != nil {
			return "", got.Err
		}
		return got.Val.(string), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// renew gets another token.
func (b *bearer) renew() (any, error) {
	ctx, cancel := context.WithTimeout(b.of.ctx, tokenTime)
	defer cancel()
	config := clientcredentials.Config{
		ClientID: b.key.ClientID, ClientSecret: b.key.ClientSecret.Reveal(), TokenURL: b.key.TokenURL,
		EndpointParams: url.Values{},
	}
	for name, value := range map[string]string{"scope": b.key.Scope, "audience": b.key.Audience, "resource": b.key.Resource} {
		if value != "" {
			config.EndpointParams.Set(name, value)
		}
	}
	t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, b.of.client))
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = tokenFailure(err); b.err != nil {
		b.failed = now
		return "", b.err
	}
	b.current, b.renewAt = t, time.Time{}
	if !t.Expiry.IsZero() {
		b.renewAt = t.Expiry.Add(-min(renewBefore, t.Expiry.Sub(now)/5))
	}
	return t.AccessToken, nil
}

// tokenFailure says why there is no token, without what the server wrote beside its code.
func tokenFailure(err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refused.Response == nil {
		return err
	}
	return fmt.Errorf("the token server answered %d %s", refused.Response.StatusCode, clip(refused.ErrorCode))
}
