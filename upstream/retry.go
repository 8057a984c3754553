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

// newClient returns a client that repeats a request only when nothing of it can
// have been delivered (D8), and that follows no redirects. It says nothing of
// what it does: its texts would have the URL in them.
func newClient(transport http.RoundTripper) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     lasting{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     maxRetries,
		RetryWaitMin: retryWaitMin,
		RetryWaitMax: retryWaitMax,
		CheckRetry:   undelivered,
		Backoff:      jittered,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// lasting is a transport without CloseIdleConnections: go-retryablehttp calls it
// after each failure, which would cost all other upstreams their connections.
type lasting struct{ http.RoundTripper }

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
