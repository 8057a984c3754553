package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/hubname"
)

const (
	connectionStringEnv = "HUBGATE_CONNECTION_STRING"
	restVersion         = "2022-06-01"
)

// target is the gateway that a command talks to, as an application is told.
type target struct {
	ConnectionString string `help:"The gateway: what an application would be given. Without it: the gateway that the HUBGATE_* variables describe, localhost:8888 with the emulator's key if there are none." env:"${connection_string_env}" placeholder:"STRING"`
}

func (t *target) parse() (cs auth.ConnectionString, err error) {
	defer func() { err = usage(err) }()
	if t.ConnectionString == "" {
		return ownGateway()
	}
	cs, err = auth.ParseConnectionString(t.ConnectionString)
	switch {
	case err != nil:
		return cs, err
	case cs.AccessKey == "":
		return cs, fmt.Errorf("connection string: without AccessKey there is nothing to sign tokens with; Microsoft Entra (AuthType) is not supported")
	}
	return cs, nil
}

// ownGateway is the gateway that serve would run, with the same variables and
// file, on this machine.
func ownGateway() (cs auth.ConnectionString, err error) {
	c, err := serveConfig()
	if err != nil {
		return cs, err
	}
	cs.AccessKey = auth.Secret(c.Service.AccessKey)
	if cs.Endpoint, err = url.Parse(ownURL(c)); err != nil {
		return cs, fmt.Errorf("the gateway's own address: %w", err)
	}
	return cs, nil
}

// serveConfig is the configuration that serve has without flags.
func serveConfig() (*config.Config, error) {
	var own commands
	if _, err := parseInto(&own, []string{"serve"}, terminal{io.Discard, io.Discard}); err != nil {
		return nil, usage(fmt.Errorf("the gateway's configuration: %w", err))
	}
	return &own.Serve.Config, nil
}

// ownURL is how to reach the gateway of this configuration.
func ownURL(c *config.Config) string {
	if c.Network.PublicURL != "" {
		return trimSlash(c.Network.PublicURL)
	}
	scheme := "http://"
	if c.TLS.Cert != "" {
		scheme = "https://"
	}
	return scheme + reachable(c.Network.Listen[0])
}

// base returns a URL as text to append paths to.
func base(u *url.URL) string { return strings.TrimSuffix(u.String(), "/") }

// checkHub refuses a name that no gateway would take.
func checkHub(name string) error {
	if isApplication(name) {
		return usage(fmt.Errorf("hub %q is %s", name, reachedByItsOwn))
	}
	if err := hubname.Check(name); err != nil {
		return usage(fmt.Errorf("hub %q is %w", name, err))
	}
	return nil
}

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
		return usage(errors.New("--lifetime must be at least 1s"))
	}
	return nil
}
