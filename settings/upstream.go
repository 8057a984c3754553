package settings

import (
	"log/slog"
	"time"

	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/webhook"
)

// Upstream says which webhooks are called and within which bounds.
type Upstream struct {
	// Templates is searched in order: the first one that takes an event is
	// called, later ones are not (R63).
	Templates []Template
	// Source says where the templates come from, for people: a flag or a file, or
	// "" if there are none because nobody named any.
	Source string `digest:"-"`
	// Timeout bounds one webhook, from connecting to the last byte of its answer.
	Timeout time.Duration
	// MaxResponseBytes bounds the answer to an invocation (R72).
	MaxResponseBytes int64
	// Unmatched says what an invocation gets that no template takes (D3).
	Unmatched Unmatched
	// Streams lets webhooks have what clients ask for a stream, which REST sends (R43).
	Streams bool
	// Rejection says what an answer 401 or 403 to connected does (D13).
	Rejection Rejection
	// IgnoreEventCase makes event patterns ignore letter case, as those of hub
	// and category always do.
	IgnoreEventCase bool
	// MaxConcurrentPerOrigin bounds the webhooks under way to one scheme, host and port.
	MaxConcurrentPerOrigin int
	// QueuePerConnection bounds the events of one client that wait (D14).
	QueuePerConnection int
	// QueueBytesPerConnection bounds their bytes; an empty queue takes any one event.
	QueueBytesPerConnection int64
	// AllowLinkLocal permits calls to link-local and cloud metadata addresses.
	AllowLinkLocal bool
	// AllowedEnv lists the variables that {@env:NAME} may read.
	AllowedEnv []string
	// AllowedFiles lists what {@file:PATH} may read: absolute paths; one that
	// ends in a separator stands for everything below it.
	AllowedFiles []string
	// TokenURL, ClientID and ClientSecret get the tokens that templates want, by the client credentials
	// grant of OAuth 2. TokenURL may be empty if none does.
	TokenURL, ClientID string
	ClientSecret       secret.Text
}

// Unmatched says what an invocation gets that no upstream template takes (D3).
type Unmatched string

const (
	UnmatchedError  Unmatched = "error"  // a Completion with an error
	UnmatchedSilent Unmatched = "silent" // nothing, as from the emulator
)

// Rejection says what an upstream's 401 or 403 to connected does (D13).
type Rejection string

const (
	RejectionClose  Rejection = "close"  // the client is closed
	RejectionIgnore Rejection = "ignore" // the client stays, as with the emulator
)

func defaultUpstream() Upstream {
	return Upstream{
		Timeout:                 100 * time.Second,
		MaxResponseBytes:        16 * mib,
		Unmatched:               UnmatchedError,
		Rejection:               RejectionClose,
		MaxConcurrentPerOrigin:  256,
		QueuePerConnection:      256,
		QueueBytesPerConnection: 1 * mib,
	}
}

// Template is one webhook and the events that it takes.
type Template struct {
	URLTemplate     string // see [webhook.ParseURL], or [webhook.Echo]
	HubPattern      webhook.Pattern
	CategoryPattern webhook.Pattern
	EventPattern    webhook.Pattern
	Auth            TemplateAuth
}

// TemplateAuth says what token a webhook wants of the gateway. The zero value wants none.
type TemplateAuth struct {
	Wanted bool
	// Scope, Audience and Resource are what the token is asked for. Without any, the resource is the scheme
	// and the host of the URL.
	Scope, Audience, Resource string
}

// LogValue implements [slog.LogValuer]; what may be secret in the URL is masked.
func (t Template) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("url", webhook.RedactURL(t.URLTemplate)),
		slog.String("hub", t.HubPattern.String()),
		slog.String("category", t.CategoryPattern.String()),
		slog.String("event", t.EventPattern.String()),
	)
}
