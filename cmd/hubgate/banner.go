package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
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
	p.entry("connection string", text)
	if s.config.Files.Config != "" {
		p.entry("configuration", s.config.Files.Config)
	}
	for _, hub := range slices.Sorted(maps.Keys(current.Hubs)) {
		if mode := current.ModeOf(hub); mode != current.Mode {
			p.entry(modeName(mode)+" mode", "hub "+hub)
		}
	}
	p.webhooks(current)
	p.entry("health", s.endpoints.URL+"/api/health")
	if s.endpoints.Admin != "" {
		p.entry("what happens", s.endpoints.Admin+"/inspector")
		p.entry("portal", s.endpoints.Admin+"/portal/")
		if s.managed.tokenMade {
			p.entry("admin token", s.managed.guard.Token.Reveal()+"  (of this run; HUBGATE_ADMIN_TOKEN sets one)")
		}
		p.entry("metrics, readiness", s.endpoints.Admin+"/metrics  "+s.endpoints.Admin+"/readyz")
	}
	p.cluster(s)
	for _, open := range s.unsafe() {
		p.entry("UNSAFE", open)
	}
	if s.endpoints.Admin != "" {
		p.entry("documentation", s.endpoints.Admin+helpPath)
	} else {
		p.entry("documentation", documentation)
	}
	p.line("")
	if current.HasMode(settings.DefaultMode) || current.HasMode(settings.Classic) {
		p.hubServers(text)
	}
	p.firstMessage(s.endpoints.URL, text, key)
	return p.err
}

// entry is a line of the list at the top.
func (p *bannerPrinter) entry(name, value string) { p.line("  %-18s %s", name, value) }

// cluster says which node this is, where others find it, and what it keeps.
func (p *bannerPrinter) cluster(s *server) {
	c := s.config
	if c.Clustered() {
		where := "joined to others by " + strings.Join(c.NATS.URL, ", ")
		if at := s.nodes.engine.Address(); at != nil {
			where = "other nodes reach it at " + at.String()
		}
		p.entry("node", c.Network.Node+": "+where)
		if len(c.Cluster.Peer) > 0 {
			p.entry("looks for others at", strings.Join(c.Cluster.Peer, ", "))
		}
		if s.endpoints.Admin != "" {
			p.entry("nodes", programName()+" cluster status --admin "+strings.TrimPrefix(s.endpoints.Admin, "http://"))
		}
	}
	if c.Data.Dir != "" {
		p.entry("data", c.Data.Dir)
	}
}

// maxBannerWebhooks bounds the templates that are shown.
const maxBannerWebhooks = 8

// webhooks says what is called for what clients send, and who says so.
func (p *bannerPrinter) webhooks(current *settings.Settings) {
	templates, source := current.Upstream.Templates, current.Upstream.Source
	switch {
	case !current.HasMode(settings.Serverless):
		return
	case len(templates) == 0 && source == "":
		p.entry("webhooks", "none: a client that calls a method gets an error (--upstream URL)")
		return
	case len(templates) == 0:
		p.entry("webhooks", "none, says "+source)
		return
	}
	p.entry("webhooks", fmt.Sprintf("from %s, the first that matches:", source))
	for i, t := range templates {
		if i == maxBannerWebhooks {
			p.line("    and %d more: hubgate upstream list", len(templates)-i)
			return
		}
		only := ""
		for _, pattern := range []struct {
			what string
			webhook.Pattern
		}{{"hub", t.HubPattern}, {"category", t.CategoryPattern}, {"event", t.EventPattern}} {
			if pattern.Pattern != (webhook.Pattern{}) {
				only += "  " + pattern.what + " " + pattern.String()
			}
		}
		what := webhook.RedactURL(t.URLTemplate)
		if webhook.IsEcho(t.URLTemplate) {
			what = "echo, built in: calls get their own arguments back"
		}
		p.line("    %s%s", what, only)
	}
}

// firstMessage shows how to hear and how to send, which work as pasted.
func (p *bannerPrinter) firstMessage(url, connectionString string, key auth.Secret) {
	self := programName()
	if !isOwnGateway(url, key) {
		p.line("Tell the commands below, and applications, where the gateway is:")
		p.line("")
		p.line("export %s='%s'", connectionStringEnv, connectionString)
		p.line("")
	}
	p.line("Listen:  %s listen %s", self, bannerHub)
	p.line("Send:    %s send all %s newMessage hello", self, bannerHub)
	p.line("")
	line, err := curlLine(self, url, key)
	if err != nil {
		p.err = errors.Join(p.err, err)
		return
	}
	if key == auth.EmulatorKey {
		p.line("Send with curl (the token is valid for %.0f hours; %s token rest signs others):", bannerTokenLifetime.Hours(), self)
	} else {
		p.line("Send with curl:")
	}
	p.line("")
	p.line("%s", line)
	p.line("")
}

// isOwnGateway says whether the other verbs find the gateway at this URL without
// being told, from the variables that they share with it.
func isOwnGateway(url string, key auth.Secret) bool {
	if os.Getenv(connectionStringEnv) != "" {
		return false
	}
	own, err := ownGateway()
	return err == nil && base(own.Endpoint) == url && own.AccessKey == key
}

// programName is how the user runs this program.
func programName() string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "go-build") && !strings.HasSuffix(path, ".test") {
		return "go run ./cmd/hubgate"
	}
	return "hubgate"
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

// curlLine is a command that works as pasted into a shell. Self is this program there.
func curlLine(self, endpoint string, key auth.Secret) (string, error) {
	resource := endpoint + restPath(bannerHub, ":send")
	bearer := fmt.Sprintf(`"Authorization: Bearer $(%s token rest '%s')"`, self, resource)
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
// port stands apart. Official SDKs put their paths directly behind an endpoint, whose
// last slash they take away unless it is that of clients or of servers: behind a path those
// two stand there, with a slash.
func connectionString(endpoint string, key auth.Secret) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return auth.FormatConnectionString(endpoint, 0, key)
	}
	below := ""
	if u.Path != "" && u.Path != "/" {
		base := trimSlash(endpoint) + "/"
		below = "ClientEndpoint=" + base + ";ServerEndpoint=" + base + ";"
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return auth.FormatConnectionString(endpoint, 0, key) + below
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = net.JoinHostPort(host, "")
		host = strings.TrimSuffix(host, ":")
	}
	u.Host = host
	return auth.FormatConnectionString(trimSlash(u.String()), port, key) + below
}
