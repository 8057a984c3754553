package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/settings"
)

const (
	bannerHub           = "chat"
	bannerTokenLifetime = 24 * time.Hour
)

// printBanner says how to reach the gateway and what to try first. It shows a
// key and a token only where the key is the emulator's, which is no secret.
func printBanner(w io.Writer, s *server) error {
	p := &bannerPrinter{w: w}
	current := s.live.load().source
	p.line("hubgate %s serves in %s mode on %s", version(), modeName(current.Mode), s.endpoints.URL)
	p.line("")
	key := s.live.load().keys[0]
	shown := key
	if key != auth.EmulatorKey {
		shown = auth.Secret("<your access key>")
	}
	text := connectionString(s.endpoints.URL, shown)
	p.line("  connection string  %s", text)
	p.line("  health             %s/api/health", s.endpoints.URL)
	if s.endpoints.Admin != "" {
		p.line("  metrics, readiness %s/metrics  %s/readyz", s.endpoints.Admin, s.endpoints.Admin)
	}
	for _, hub := range slices.Sorted(maps.Keys(current.Hubs)) {
		if mode := current.ModeOf(hub); mode != current.Mode {
			p.line("  %-18s hub %s", modeName(mode)+" mode", hub)
		}
	}
	p.line("  documentation      %s", documentation)
	p.line("")
	if current.HasMode(settings.DefaultMode) || current.HasMode(settings.Classic) {
		p.hubServers(text)
	}
	line, err := curlLine(s.endpoints.URL, key)
	if err != nil {
		return err
	}
	if key == auth.EmulatorKey {
		p.line("Send to all clients of the hub %s (the token is valid for %.0f hours; hubgate token rest signs others):", bannerHub, bannerTokenLifetime.Hours())
	} else {
		p.line("Send to all clients of the hub %s (with %s set):", bannerHub, connectionStringEnv)
	}
	p.line("")
	p.line("%s", line)
	p.line("")
	return p.err
}

// hubServers says how an ASP.NET Core application becomes a hub server.
func (p *bannerPrinter) hubServers(connectionString string) {
	p.line("An ASP.NET Core application with the package Microsoft.Azure.SignalR serves its hubs through hubgate with")
	p.line("")
	p.line("  builder.Services.AddSignalR().AddAzureSignalR();")
	p.line("  app.MapHub<Chat>(\"/%s\");", bannerHub)
	p.line("")
	p.line("and, in its environment,")
	p.line("")
	p.line("  Azure__SignalR__ConnectionString='%s'", connectionString)
	p.line("")
}

// modeName is how a mode is called in sentences.
func modeName(m settings.Mode) string {
	switch m {
	case settings.DefaultMode:
		return "Default"
	case settings.Classic:
		return "Classic"
	default:
		return "Serverless"
	}
}

type bannerPrinter struct {
	w   io.Writer
	err error
}

func (p *bannerPrinter) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// curlLine is a command that works as pasted into a shell.
func curlLine(endpoint string, key auth.Secret) (string, error) {
	resource := endpoint + restPath(bannerHub, ":send")
	bearer := fmt.Sprintf(`"Authorization: Bearer $(hubgate token rest '%s')"`, resource)
	if key == auth.EmulatorKey {
		token, err := auth.SignREST(key, resource, bannerTokenLifetime)
		if err != nil {
			return "", err
		}
		bearer = "'Authorization: Bearer " + token + "'"
	}
	return fmt.Sprintf(`curl -i '%s?api-version=%s' -H %s -H 'Content-Type: application/json' -d '{"target":"newMessage","arguments":["hello"]}'`,
		resource, restVersion, bearer), nil
}

// connectionString puts a URL with a port into the emulator's form, where the
// port stands apart.
func connectionString(endpoint string, key auth.Secret) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Port() == "" {
		return auth.FormatConnectionString(endpoint, 0, key)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return auth.FormatConnectionString(endpoint, 0, key)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = net.JoinHostPort(host, "")
		host = strings.TrimSuffix(host, ":")
	}
	u.Host = host
	return auth.FormatConnectionString(trimSlash(u.String()), port, key)
}
