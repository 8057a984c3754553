package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// defaultSettingsFile is read when it exists and nothing else is named.
const defaultSettingsFile = "settings.json"

// Settings returns what may change while the gateway runs, valid. It reads the
// emulator's settings.json each time it is called, unless the templates come
// from elsewhere. The well-known access key is an error when an address to
// listen on is not on loopback.
func (c *Config) Settings() (settings.Settings, error) {
	return c.SettingsWith(func(*settings.Settings) {})
}

// SettingsWith is Settings with what over changes of them before they are judged. It may not change what
// slices and maps hold.
func (c *Config) SettingsWith(over func(*settings.Settings)) (settings.Settings, error) {
	templates, source, err := c.templates()
	if err != nil {
		return settings.Settings{}, err
	}
	hubs, err := c.hubs()
	if err != nil {
		return settings.Settings{}, err
	}
	rules, err := c.Rules.settings()
	if err != nil {
		return settings.Settings{}, err
	}
	issuers, err := c.OIDC.settings(c.OIDCClients)
	if err != nil {
		return settings.Settings{}, err
	}
	s := settings.Settings{
		Mode:     c.Service.Mode,
		Hubs:     hubs,
		Keys:     settings.Keys{Primary: c.Service.AccessKey, Secondary: c.Service.SecondaryKey},
		Upstream: c.Upstream.settings(templates, source),
		CORS:     c.CORS.settings(),
		Limits:   settings.Limits{Capacity: c.Capacity.settings(), Sizes: c.Sizes.settings(), Rules: rules},
		Clients:  settings.Clients(c.Clients),
		AspNet:   settings.AspNet(c.AspNet),
		Servers:  c.Servers.settings(),
		Auth:     settings.Auth(c.Auth),
		Presence: settings.Presence(c.Presence),
		REST:     settings.REST(c.REST),
		OIDC:     issuers,
		Trace:    settings.Trace{Live: c.Recorder.Live},
	}
	over(&s)
	templates, source = s.Upstream.Templates, s.Upstream.Source
	if err := errors.Join(s.Validate(), c.checkWellKnownKey(s.Keys.HasEmulatorKey()), c.checkKeptMessages(&s.Limits.Sizes)); err != nil {
		return settings.Settings{}, nameTemplates(err, templates, source)
	}
	return s, nil
}

var templateField = regexp.MustCompile(`upstream\.templates\[(\d+)\]\.(\w+)`)

// nameTemplates has an error name templates as their source does.
func nameTemplates(err error, templates []settings.Template, source string) error {
	text := templateField.ReplaceAllStringFunc(err.Error(), func(name string) string {
		parts := templateField.FindStringSubmatch(name)
		i, field := parts[1], parts[2]
		switch n, err := strconv.Atoi(i); {
		case err != nil || n >= len(templates):
			return name
		case source == upstreamSource:
			return fmt.Sprintf("%s %q", source, webhook.RedactURL(templates[n].URLTemplate))
		case strings.HasSuffix(source, ".json"):
			return fmt.Sprintf("%s: UpstreamSettings:Templates:%s:%s", source, i, strings.ToUpper(field[:1])+field[1:])
		}
		return source + ": " + name
	})
	return errors.New(text)
}

func (u Upstream) settings(templates []settings.Template, source string) settings.Upstream {
	return settings.Upstream{
		Templates:               templates,
		Source:                  source,
		Timeout:                 u.Timeout,
		MaxResponseBytes:        int64(u.MaxResponseBytes),
		Unmatched:               u.Unmatched,
		Streams:                 u.Streams,
		Rejection:               u.Rejection,
		IgnoreEventCase:         u.IgnoreEventCase,
		MaxConcurrentPerOrigin:  u.MaxConcurrentPerOrigin,
		QueuePerConnection:      u.QueuePerConnection,
		QueueBytesPerConnection: int64(u.QueueBytesPerConnection),
		AllowLinkLocal:          u.AllowLinkLocal,
		AllowedEnv:              u.AllowedEnv,
		AllowedFiles:            u.AllowedFiles,
		TokenURL:                u.TokenURL,
		ClientID:                u.ClientID,
		ClientSecret:            u.ClientSecret,
	}
}

// settings has the origins as browsers send them. What is none stays for
// Validate to refuse.
func (c CORS) settings() settings.CORS {
	origins := slices.Clone(c.AllowedOrigins)
	for i, origin := range origins {
		if sent, err := settings.NormalOrigin(origin); err == nil {
			origins[i] = sent
		}
	}
	return settings.CORS{AllowedOrigins: origins}
}

func (l Capacity) settings() settings.Capacity {
	return settings.Capacity{
		MaxConnections:           l.MaxConnections,
		MaxDiagnosticConnections: l.MaxDiagnosticConnections,
		GroupsPerConnection:      l.GroupsPerConnection,
		GroupsPerUser:            l.GroupsPerUser,
		Hubs:                     l.Hubs,
		OutboxBytes:              int64(l.OutboxBytes),
		OutboxMaxBytes:           int64(l.OutboxMaxBytes),
		HubQueuedBytes:           int64(l.HubQueuedBytes),
		QueuedBytes:              int64(l.QueuedBytes),
		UnfinishedBytes:          int64(l.UnfinishedBytes),
	}
}

func (l Sizes) settings() settings.Sizes {
	return settings.Sizes{
		MessageBytes:   int64(l.MessageBytes),
		PostBytes:      int64(l.PostBytes),
		HandshakeBytes: int64(l.HandshakeBytes),
		RESTBodyBytes:  int64(l.RESTBodyBytes),
		TokenBytes:     int64(l.TokenBytes),
		URIBytes:       int64(l.URIBytes),
		HeaderBytes:    int64(l.HeaderBytes),
	}
}

func (v Rules) settings() (rules []settings.Rule, err error) {
	for _, text := range v.Rules {
		rule, bad := settings.ParseRule(text)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("limits.rules: %w", bad))
			continue
		}
		rules = append(rules, rule)
	}
	return rules, err
}

func (v Servers) settings() settings.Servers {
	return settings.Servers{
		GracePeriod:      v.GracePeriod,
		MigrationTimeout: v.MigrationTimeout,
		ResultTimeout:    v.ResultTimeout,
		MaxConnections:   v.MaxConnections,
		MessageBytes:     int64(v.MessageBytes),
		QueueBytes:       int64(v.QueueBytes),
		HeldBytes:        int64(v.HeldBytes),
	}
}

// upstreamSource is where templates come from that a flag or a variable names.
const upstreamSource = "--upstream"

// templates returns the upstream templates of the first source that has any
// say: what the nodes share, --upstream, upstream.templates in the file, settings.json.
func (c *Config) templates() (list []settings.Template, source string, err error) {
	if c.shared.has(templatesKey) {
		return c.shared.templates, c.shared.name, nil
	}
	if len(c.Service.Upstream) > 0 {
		for _, text := range c.Service.Upstream {
			list = append(list, shorthands(text)...)
		}
		return list, upstreamSource, nil
	}
	if c.file.has(templatesKey) {
		return c.file.templates, c.file.name, nil
	}
	source = c.SettingsFile()
	list, err = ReadSettingsFile(source)
	if c.Files.Settings == "" && errors.Is(err, os.ErrNotExist) {
		return nil, "", nil
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("settings: %w", err)
	}
	return list, source, err
}

// SettingsFile returns where the emulator's settings.json is or would be. A
// directory stands for the settings.json in it.
func (c *Config) SettingsFile() string {
	path := cmp.Or(c.Files.Settings, defaultSettingsFile)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, defaultSettingsFile)
	}
	return path
}

// Watched returns the files whose change calls for parsing again; they need
// not exist. TLS files are not among them.
func (c *Config) Watched() []string {
	paths := []string{c.SettingsFile()}
	if c.Files.Config != "" {
		paths = append(paths, c.Files.Config)
	}
	return paths
}
