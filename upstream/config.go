package upstream

import (
	"log/slog"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/webhook"
)

// Config says which webhooks are called and within which bounds. A Config is
// never changed; new settings are a new one.
type Config struct {
	// Templates is searched in order: the first one that takes an event is
	// called, later ones are not (R63).
	Templates []Template
	// Credentials get the tokens that templates want.
	Credentials Credentials
	// Keys sign the events (R58); empty ones are left out.
	Keys []auth.Secret
	// Timeout bounds one event, from waiting for its turn at the origin to the
	// last byte of the answer. Zero means DefaultTimeout.
	Timeout time.Duration
	// MaxResponseBytes bounds the answer to an invocation (R72). Zero means
	// DefaultMaxResponseBytes.
	MaxResponseBytes int64
	// MaxPerOrigin bounds the calls under way to one scheme, host and port.
	// Zero means DefaultMaxPerOrigin.
	MaxPerOrigin int
	// Queue bounds what waits for one connection (D14).
	Queue Queue
	// SilentUnmatched leaves an invocation that no template takes without an
	// answer, as the emulator does; otherwise it gets an error (D3).
	SilentUnmatched bool
	// Streams lets webhooks have what clients ask for a stream. An answer without a body leaves the stream
	// open, for REST to send its items; otherwise such clients get an error (C88).
	Streams bool
	// KeepRejected keeps clients whose connected event was answered with 401 or
	// 403, as the emulator does; otherwise they are closed (D13).
	KeepRejected bool
	// IgnoreEventCase makes event patterns ignore letter case, as those of hub
	// and category always do.
	IgnoreEventCase bool
	// AllowLinkLocal permits calls to link-local and cloud metadata addresses.
	AllowLinkLocal bool
	// Secrets says what references in templates may read.
	Secrets AllowedSecrets
}

// CallTime is the longest that one event takes.
func (c *Config) CallTime() time.Duration { return orDefault(c.Timeout, DefaultTimeout) }

// Queue bounds the events of one connection that wait. An empty queue takes
// any one event, and disconnected is always taken.
type Queue struct {
	// Events is their number, zero means DefaultQueueEvents; Bytes the sum of
	// their bodies and targets, zero means DefaultQueueBytes.
	Events, Bytes int
}

// AllowedSecrets lists what {@env:NAME} and {@file:PATH} may read.
type AllowedSecrets struct {
	// Env are names of environment variables.
	Env []string
	// Files are absolute paths; one that ends in a separator stands for
	// everything below it.
	Files []string
}

// What the zero values of a Config stand for.
const (
	DefaultTimeout          = 100 * time.Second // .NET's HttpClient, which the emulator uses
	DefaultMaxResponseBytes = 16 << 20          // R72
	DefaultMaxPerOrigin     = 256
	DefaultQueueEvents      = 256
	DefaultQueueBytes       = 1 << 20
)

// Template is one webhook and the events that it takes.
type Template struct {
	// URL is an absolute http or https URL that may hold {hub}, {category} and
	// {event}, percent-encoded when replaced (R62), and the references
	// {@env:NAME} and {@file:PATH}, inserted as they are when it is called.
	URL string
	// Hub and Category ignore letter case, Event does not.
	Hub, Category, Event webhook.Pattern
	// Bearer is the token that the webhook wants of the gateway.
	Bearer Bearer
}

// LogValue shows the URL with everything masked that may be secret.
func (t Template) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("url", webhook.RedactURL(t.URL)),
		slog.String("hub", t.Hub.String()),
		slog.String("category", t.Category.String()),
		slog.String("event", t.Event.String()),
	)
}

// orDefault returns value, or fallback when it is not positive.
func orDefault[T int | int64 | time.Duration](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}
