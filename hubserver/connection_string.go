package hubserver

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/hubgate/hubgate/auth"
)

// ConnectionString says where the gateway is and holds its access key. However it is printed,
// logged or marshalled, the key is not shown. Make it with ParseConnectionString.
type ConnectionString struct {
	// A function, for fmt calls no method of what is in an unexported field: printing a struct
	// that holds a ConnectionString would show the key.
	parsed func() auth.ConnectionString
}

// ParseConnectionString reads a connection string as Azure SignalR Service and hubgate print
// them: Endpoint=...;AccessKey=...;Version=1.0; with an optional Port, ClientEndpoint and
// ServerEndpoint. Its error does not repeat the text.
func ParseConnectionString(text string) (ConnectionString, error) {
	parsed, err := auth.ParseConnectionString(text)
	switch {
	case err != nil:
		// The parser's error already says that it is about a connection string.
		return ConnectionString{}, err
	case parsed.AccessKey == "":
		return ConnectionString{}, errors.New("connection string: only access keys are supported")
	}
	return ConnectionString{func() auth.ConnectionString { return parsed }}, nil
}

// MustParseConnectionString is ParseConnectionString for texts that are known to be right. It
// panics at any other.
func MustParseConnectionString(text string) ConnectionString {
	c, err := ParseConnectionString(text)
	if err != nil {
		panic("hubserver: " + err.Error())
	}
	return c
}

// String returns the endpoints. The access key is replaced by "[redacted]".
func (c ConnectionString) String() string {
	if c.parsed == nil {
		return ""
	}
	parsed := c.parsed()
	var b strings.Builder
	fmt.Fprintf(&b, "Endpoint=%s;AccessKey=%s;", parsed.Endpoint.Redacted(), parsed.AccessKey)
	if parsed.ClientEndpoint != nil {
		fmt.Fprintf(&b, "ClientEndpoint=%s;", parsed.ClientEndpoint.Redacted())
	}
	if parsed.ServerEndpoint != nil {
		fmt.Fprintf(&b, "ServerEndpoint=%s;", parsed.ServerEndpoint.Redacted())
	}
	return b.String()
}

// Format writes what String returns, whatever the verb is.
func (c ConnectionString) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue returns what String returns.
func (c ConnectionString) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns what String returns. The result cannot be parsed.
func (c ConnectionString) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
