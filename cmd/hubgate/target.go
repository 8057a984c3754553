package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
)

const (
	connectionStringEnv = "HUBGATE_CONNECTION_STRING"
	restVersion         = "2022-06-01"
	// defaultConnectionString is a gateway on this machine that nobody configured.
	defaultConnectionString = "Endpoint=http://localhost;Port=8888;AccessKey=" + string(auth.EmulatorKey) + ";Version=1.0;"
)

// target is the gateway that a command talks to, as an application is told.
type target struct {
	ConnectionString string `help:"The gateway: what an application would be given. Without it: localhost:8888 with the emulator's key." env:"${connection_string_env}" placeholder:"STRING"`
}

func (t *target) parse() (auth.ConnectionString, error) {
	text := t.ConnectionString
	if text == "" {
		text = defaultConnectionString
	}
	cs, err := auth.ParseConnectionString(text)
	if err != nil {
		return cs, fmt.Errorf("connection string: %w", err)
	}
	if cs.AccessKey == "" {
		return cs, fmt.Errorf("connection string: without AccessKey there is nothing to sign tokens with")
	}
	return cs, nil
}

// base returns a URL as text to append paths to.
func base(u *url.URL) string { return strings.TrimSuffix(u.String(), "/") }

// restPath returns the path of a REST resource, each segment escaped.
func restPath(segments ...string) string {
	var b strings.Builder
	b.WriteString("/api/hubs")
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(escapeSegment(s))
	}
	return b.String()
}

// escapeSegment leaves the colon of actions alone, as the documentation
// writes them.
func escapeSegment(s string) string {
	if action, ok := strings.CutPrefix(s, ":"); ok {
		return ":" + url.PathEscape(action)
	}
	return url.PathEscape(s)
}

// lifetime is the flag of commands that sign tokens.
type lifetime struct {
	Lifetime time.Duration `help:"How long the token is valid." default:"1h"`
}

func (l lifetime) check() error {
	if l.Lifetime < time.Second {
		return fmt.Errorf("--lifetime must be at least 1s")
	}
	return nil
}
