package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// maxRetries, and the waits before them, ride out the restart of a server,
	// and are over before many events of a busy client have queued up.
	maxRetries   = 2
	retryWaitMin = 100 * time.Millisecond
	retryWaitMax = 400 * time.Millisecond
)

// post sends a request and repeats it only when nothing of it can have been
// delivered (D8). The first attempt goes straight to the transport: http.Client
// copies the headers of each request for redirects, which are not followed
// here, and that and go-retryablehttp's bookkeeping took a tenth of the time of
// an event.
func (b *Backend) post(r *http.Request, body []byte) (*http.Response, error) {
	response, err := b.transport.RoundTrip(r)
	if again, _ := undelivered(r.Context(), nil, err); !again {
		return response, err
	}
	first := err
	r = r.WithContext(r.Context())
	r.Body, r.GetBody = nil, nil
	request, err := retryablehttp.FromRequest(r)
	if err == nil {
		err = request.SetBody(body)
	}
	if err != nil {
		return nil, err
	}
	client := retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport: &resumed{transport: b.transport, first: first},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
		RetryMax:     maxRetries,
		RetryWaitMin: retryWaitMin,
		RetryWaitMax: retryWaitMax,
		CheckRetry:   undelivered,
		Backoff:      jittered,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return client.Do(request)
}

// resumed is a transport whose first attempt was made already. It has no
// CloseIdleConnections: go-retryablehttp would call it after a failure and cost
// all other upstreams their connections.
type resumed struct {
	transport http.RoundTripper
	first     error
}

func (t *resumed) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.first; err != nil {
		t.first = nil
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return t.transport.RoundTrip(r)
}

// undelivered says whether a request may be repeated: it failed before
// anything was sent, and it can go better next time.
func undelivered(ctx context.Context, _ *http.Response, err error) (bool, error) {
	if err == nil || ctx.Err() != nil {
		return false, nil
	}
	if _, ok := errors.AsType[*connectError](err); !ok {
		return false, nil
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !untrusted && !errors.Is(err, errGuarded), nil
}

// jittered spreads what failed together over the second half of the wait.
func jittered(least, most time.Duration, attempt int, r *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, r)
	return wait/2 + rand.N(wait/2+1)
}
