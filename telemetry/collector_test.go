package telemetry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	tracespb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/hubgate/hubgate/telemetry/telemetrytest"
)

// A collector that is busy gets the same request again, as soon as it says.
func TestARequestIsRepeatedWhileTheCollectorIsBusy(t *testing.T) {
	to := telemetrytest.New(t)
	var asked atomic.Int32
	to.AnswerWith(func(w http.ResponseWriter) bool {
		switch asked.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			return false
		}
		return true
	})
	sent, log := begin(t, func(o *Options) { o.Endpoint, o.Metrics = to.URL, false })
	_, span := sent.Tracer().Start(t.Context(), "one")
	span.End()
	require.NoError(t, sent.Close(context.Background()))
	require.Equal(t, "one", to.AwaitSpan("one").Name)
	require.EqualValues(t, 3, asked.Load())
	require.EqualValues(t, 1, sent.Stats().Spans)
	require.Empty(t, log.String())
}

// aCollector is one for traces that waits for nothing between two attempts.
func aCollector(t *testing.T, url string) *collector {
	t.Helper()
	c, err := newCollector(tracesSignal, &Options{Endpoint: url})
	require.NoError(t, err)
	t.Cleanup(c.close)
	c.wait = 0
	return c
}

// A connection may end just when a request comes.
func TestARequestIsRepeatedWhenItsConnectionEnds(t *testing.T) {
	var asked atomic.Int32
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer to.Close()
	require.NoError(t, aCollector(t, to.URL).send(t.Context(), new(tracespb.TracesData)))
	require.EqualValues(t, 3, asked.Load())
}

func TestWhatIsRepeated(t *testing.T) {
	for status, want := range map[int]bool{200: false, 307: false, 400: false, 401: false, 404: false, 413: false, 429: true, 500: false, 502: true, 503: true, 504: true} {
		require.Equal(t, want, repeatable(&http.Response{StatusCode: status}, nil), status)
	}
	require.True(t, repeatable(nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}))
	require.True(t, repeatable(nil, os.ErrDeadlineExceeded))
	require.False(t, repeatable(nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), "it is not there")
	require.False(t, repeatable(nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}))
}

func TestHowLongIsWaited(t *testing.T) {
	asks := func(after string) *http.Response {
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {after}}}
	}
	for name, c := range map[string]struct {
		attempt int
		answer  *http.Response
		want    time.Duration
	}{
		"first":         {0, nil, 5 * time.Second},
		"second":        {1, nil, 10 * time.Second},
		"later":         {9, nil, 30 * time.Second},
		"as it says":    {0, asks("7"), 7 * time.Second},
		"for ever":      {0, asks("9223372036"), time.Hour},
		"and longer":    {0, asks("9223372036854775807"), time.Hour},
		"says nonsense": {0, asks("soon"), 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			got := patient(leastWait, mostWait, c.attempt, c.answer)
			require.GreaterOrEqual(t, got, c.want)
			require.LessOrEqual(t, got, c.want*3/2)
		})
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// When the time is over the error is that of the last attempt, and not that the time was over.
func TestTheErrorOfABusyCollectorIsItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := aCollector(t, "http://collector")
		asked := 0
		c.wait, c.http.Transport = leastWait, transport(func(*http.Request) (*http.Response, error) {
			asked++
			return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		require.EqualError(t, c.send(ctx, new(tracespb.TracesData)), "the collector answered 502 Bad Gateway")
		require.Contains(t, []int{2, 3}, asked) // at 0, 5 to 7.5 and 15 to 22.5 seconds
		require.EqualError(t, c.send(t.Context(), new(tracespb.TracesData)), "the collector answered 502 Bad Gateway", "it ends by itself too")
	})
}

func TestRequestsArePackedIfAVariableSaysSo(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	to := telemetrytest.New(t)
	sent, _ := begin(t, func(o *Options) { o.Endpoint = to.URL })
	for _, name := range []string{"one", "two"} {
		_, span := sent.Tracer().Start(t.Context(), name)
		span.End()
		require.NoError(t, sent.provider.ForceFlush(t.Context()))
		require.Equal(t, name, to.AwaitSpan(name).Name)
	}
	require.Equal(t, "gzip", to.AwaitRequests(1).Get("Content-Encoding"))
}

// keyPair writes a certificate that signs itself, and returns its files.
func keyPair(t *testing.T) (chain, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return file(t, "CERTIFICATE", der), file(t, "PRIVATE KEY", secret)
}

func file(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pem")
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return name
}

func TestVariablesSayWhomToTrustAndWhoTheGatewayIs(t *testing.T) {
	to := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	to.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	to.Config.ErrorLog = log.New(io.Discard, "", 0)
	to.StartTLS()
	defer to.Close()
	send := func() error { return aCollector(t, to.URL).send(t.Context(), new(tracespb.TracesData)) }

	require.ErrorContains(t, send(), "certificate")
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", file(t, "CERTIFICATE", to.Certificate().Raw))
	require.ErrorContains(t, send(), "403")
	chain, key := keyPair(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", chain)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", key)
	require.NoError(t, send())
}

func TestTheVariableOfASignalGoesBeforeThatOfAll(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all/base/")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://metrics/whole")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", " 2500 ")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=1, B = 3 ")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "c=4")
	none := Options{ReadHeaders: readHeaders}
	traces, err := newCollector(tracesSignal, &none)
	require.NoError(t, err)
	metrics, err := newCollector(metricsSignal, &none)
	require.NoError(t, err)
	require.Equal(t, "http://all/base/v1/traces", traces.address)
	require.Equal(t, "https://metrics/whole", metrics.address)
	require.Equal(t, 1500*time.Millisecond, traces.http.Timeout)
	require.Equal(t, 2500*time.Millisecond, metrics.http.Timeout)
	require.True(t, traces.packed)
	require.False(t, metrics.packed)
	require.Equal(t, "1", traces.header.Get("A"))
	require.Equal(t, "3", traces.header.Get("B"))
	require.Empty(t, metrics.header.Get("A"))
	require.Equal(t, "4", metrics.header.Get("C"))

	option := Options{Endpoint: "http://option/", Headers: map[string]string{"d": "5"}}
	metrics, err = newCollector(metricsSignal, &option)
	require.NoError(t, err)
	require.Equal(t, "http://option/v1/metrics", metrics.address)
	require.Empty(t, metrics.header.Get("C"))
	require.Equal(t, "5", metrics.header.Get("D"))
}

func TestVariablesThatAreWrong(t *testing.T) {
	chain, key := keyPair(t)
	for name, text := range map[string]string{
		"OTEL_EXPORTER_OTLP_COMPRESSION":                "zstd",
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT":             "10s",
		"OTEL_EXPORTER_OTLP_TIMEOUT":                    "86400001",
		"OTEL_METRIC_EXPORT_INTERVAL":                   "-1",
		"OTEL_METRIC_EXPORT_TIMEOUT":                    "x",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":                "/nowhere/ca.pem",
		"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE":        key,
		"OTEL_EXPORTER_OTLP_CLIENT_KEY":                 key,
		"OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE": chain,
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS":            "a=1,b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, text)
			_, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1", Traces: true, Metrics: true, ReadHeaders: readHeaders})
			require.Error(t, err)
			if !strings.Contains(name, "CLIENT") {
				require.ErrorContains(t, err, name)
			}
		})
	}
}
