package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracespb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	// maxRepeats bounds how often a request is repeated. The time for the whole, half a minute unless a variable
	// says otherwise, mostly ends it before.
	maxRepeats = 5
	leastWait  = 5 * time.Second
	mostWait   = 30 * time.Second
)

// collector is where the traces or the metrics go. Its methods may be called concurrently.
type collector struct {
	http    *http.Client
	address string
	header  http.Header
	packed  bool          // with gzip
	wait    time.Duration // before the first repetition
}

// newCollector says how a signal is sent. It connects to nobody yet.
func newCollector(s signal, o *Options) (*collector, error) {
	header, err := s.header(o)
	if err != nil {
		return nil, err
	}
	packed, err := s.packed()
	if err != nil {
		return nil, err
	}
	timeout, err := s.timeout()
	if err != nil {
		return nil, err
	}
	tls, err := s.tls()
	if err != nil {
		return nil, err
	}
	c := &collector{
		http: &http.Client{
			Timeout: timeout,
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
				TLSClientConfig:     tls,
				TLSHandshakeTimeout: 10 * time.Second,
				ForceAttemptHTTP2:   true,
				IdleConnTimeout:     90 * time.Second,
			},
			// Headers may be keys, which are for the configured host alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		address: s.address(o), header: header, packed: packed, wait: leastWait,
	}
	c.header.Set("Content-Type", protobuf)
	if packed {
		c.header.Set("Content-Encoding", "gzip")
	}
	return c, nil
}

// send sends one request, and repeats it as long as ctx goes on while the collector is busy or a connection ends
// before its answer. The error is a *rejection if the collector has taken the request, but not all of it.
func (c *collector) send(ctx context.Context, what proto.Message) error {
	body, err := c.encode(what)
	if err != nil {
		return err
	}
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, c.address, body)
	if err != nil {
		return fmt.Errorf("the collector's address: %w", err)
	}
	request.Header = c.header.Clone()
	var last error // of an attempt, for when the time is over
	client := &retryablehttp.Client{
		HTTPClient: c.http, RetryMax: maxRepeats, RetryWaitMin: c.wait, RetryWaitMax: mostWait,
		Backoff: patient, ErrorHandler: retryablehttp.PassthroughErrorHandler,
		CheckRetry: func(ctx context.Context, answer *http.Response, err error) (bool, error) {
			if ctx.Err() != nil {
				return false, nil
			}
			last = err
			if err == nil {
				last = fmt.Errorf("the collector answered %s", status(answer))
			}
			return repeatable(answer, err), nil
		},
	}
	answer, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil && last != nil {
			return last
		}
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return readAnswer(answer)
}

// packers are for encode: one takes most of a megabyte.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func (c *collector) encode(what proto.Message) ([]byte, error) {
	plain, err := proto.Marshal(what)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	if !c.packed {
		return plain, nil
	}
	var b bytes.Buffer
	packer := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	packer.Reset(&b)
	_, _ = packer.Write(plain) // a buffer takes all
	_ = packer.Close()
	packer.Reset(io.Discard)
	return b.Bytes(), nil
}

// repeatable says whether the same request may go better soon. A collector that is not there is not waited for:
// the next request finds out, and this one would keep others from the queue.
func repeatable(answer *http.Response, err error) bool {
	if err == nil {
		return slices.Contains([]int{
			http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, answer.StatusCode)
	}
	if of, ok := errors.AsType[*net.OpError](err); ok && of.Op == "dial" {
		return false
	}
	late, ok := errors.AsType[net.Error](err)
	return ok && late.Timeout() || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// patient waits at least as long as the collector's Retry-After says, and else twice as long each time. Gateways that
// were refused together do not come again together.
func patient(least, most time.Duration, attempt int, answer *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, answer)
	if wait < 0 || wait > time.Hour { // seconds that no Duration holds, or the caller's context does not last
		wait = time.Hour
	}
	return wait + rand.N(wait/2+1)
}

// close ends the connections that nobody uses.
func (c *collector) close() { c.http.CloseIdleConnections() }

// Start, Stop and UploadTraces implement otlptrace.Client.
var _ otlptrace.Client = (*collector)(nil)

// Start does nothing: the first request connects.
func (c *collector) Start(context.Context) error { return nil }

// Stop is called behind the last UploadTraces.
func (c *collector) Stop(context.Context) error {
	c.close()
	return nil
}

// UploadTraces sends spans.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracespb.ResourceSpans) error {
	return c.send(ctx, &tracespb.TracesData{ResourceSpans: spans}) // the same on the wire as the request
}
