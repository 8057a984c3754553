package upstream

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/webhook"
)

// LogValue shows the template that made the endpoint: unlike the URL itself it
// never holds the value of a reference.
func (t *template) LogValue() slog.Value {
	return slog.StringValue(webhook.RedactURL(t.source.URL))
}

// errorText says what went wrong with a call in words that may be logged and
// told to clients: without the URL, the host and the address, any of which may
// come from a reference.
func errorText(err error, e *endpoint) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "lookup: " + dns.Err
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not valid for the host name"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	text := err.Error()
	for _, one := range e.secrets {
		text = strings.ReplaceAll(text, one, secret.Redacted)
	}
	return text
}
