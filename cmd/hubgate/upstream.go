package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

const (
	settingsFileName = "settings.json"
	// functionsURL is where Azure Functions' local tools listen for events.
	functionsURL = "http://localhost:7071/runtime/webhooks/signalr"
)

// upstreamCommand makes and shows templates.
type upstreamCommand struct {
	Init upstreamInitCommand `cmd:"" help:"Write a settings.json with one template, in the emulator's format."`
	List upstreamListCommand `cmd:"" help:"Show the templates of the configuration, or with --admin those of a running gateway, in the order in which they are searched."`

	Update upstreamUpdateCommand `cmd:"" help:"Replace the templates of a running gateway."`
	Clear  upstreamClearCommand  `cmd:"" help:"Leave a running gateway without templates."`

	Deliveries deliveriesCommand `cmd:"" help:"Show events that could not be delivered, and deliver them again."`
}

type upstreamInitCommand struct {
	Output string `help:"Directory to write settings.json to; made if it does not exist." short:"o" default:"." placeholder:"DIR"`
	URL    string `help:"Where events go: {hub}, {category} and {event} are replaced." default:"${functions_url}"`
	Force  bool   `help:"Replace an existing file."`
}

// settingsTemplate is a template as the emulator's file has it.
type settingsTemplate struct {
	URLTemplate     string `json:"UrlTemplate"`
	HubPattern      string
	CategoryPattern string
	EventPattern    string
}

func (c *upstreamInitCommand) Run(env *environment) error {
	check := settings.Default()
	check.Upstream.Templates = []settings.Template{{URLTemplate: c.URL}}
	if err := check.Validate(); err != nil {
		return usage(fmt.Errorf("--url: %w", err))
	}
	var file struct {
		UpstreamSettings struct{ Templates []settingsTemplate }
	}
	file.UpstreamSettings.Templates = []settingsTemplate{{URLTemplate: c.URL, HubPattern: "*", CategoryPattern: "*", EventPattern: "*"}}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Output, 0o755); err != nil {
		return err
	}
	path := filepath.Join(c.Output, settingsFileName)
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o600) // URLs may hold a function's key
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; --force replaces it", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, path)
	return err
}

type upstreamListCommand struct {
	config.Config
	target
	trust
	Running string `name:"admin" help:"Admin address of a running gateway, as a URL or HOST:PORT." placeholder:"URL"`
	printing
}

func (c *upstreamListCommand) Run(env *environment) error {
	if c.Running != "" {
		running := managing{adminAccess: adminAccess{target: c.target, trust: c.trust, Admin: c.Running, AdminTokenFile: c.Admin.TokenFile}, printing: c.printing}
		return running.printTemplates(env)
	}
	current, err := c.Settings()
	if err != nil {
		return usage(err)
	}
	if len(current.Upstream.Templates) == 0 {
		_, err := fmt.Fprintln(env.stdout, "no upstream templates: what clients send has no webhook to go to")
		return err
	}
	table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tHUB\tCATEGORY\tEVENT\tURL")
	for i, t := range current.Upstream.Templates {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", i, t.HubPattern, t.CategoryPattern, t.EventPattern, webhook.RedactURL(t.URLTemplate))
	}
	return table.Flush()
}

// configCommand prints what serve would run with.
type configCommand struct{ config.Config }

func (c *configCommand) Run(env *environment) error {
	if _, err := c.Settings(); err != nil {
		return usage(err)
	}
	text, err := c.Redacted()
	if err != nil {
		return err
	}
	_, err = env.stdout.Write(text)
	return err
}
