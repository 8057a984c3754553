package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hubgate/hubgate/config"
)

const healthTimeout = 5 * time.Second

// healthCommand is for health checks in images that have nothing but hubgate.
type healthCommand struct {
	trust
	URL         string `arg:"" optional:"" help:"What to ask. Without it: readyz on --admin-listen or, if that is off, health on the gateway's first address." placeholder:"URL"`
	AdminListen string `help:"Admin address, as serve has it." default:"127.0.0.1:8889" placeholder:"HOST:PORT"`
}

func (c *healthCommand) Run(env *environment) error {
	u, err := c.url()
	if err != nil {
		return usage(err)
	}
	at, err := url.Parse(u)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return usage(fmt.Errorf("%q is no http:// or https:// URL", u))
	}
	client, err := c.http()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(env.ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(err, at)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", u, resp.Status)
	}
	_, err = fmt.Fprintln(env.stdout, "healthy")
	return err
}

func (c *healthCommand) url() (string, error) {
	if c.URL != "" {
		return c.URL, nil
	}
	addresses, err := (&config.Config{Network: config.Network{AdminListen: c.AdminListen}}).AdminAddresses()
	if err != nil {
		return "", fmt.Errorf("--admin-listen: %w", err)
	}
	if len(addresses) == 0 {
		own, err := serveConfig()
		if err != nil {
			return "", err
		}
		return ownURL(own) + "/api/health", nil
	}
	return "http://" + reachable(addresses[0].HostPort) + "/readyz", nil
}
