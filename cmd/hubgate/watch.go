package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/internal/watch"
)

// watchCommand prints what happens at a gateway.
type watchCommand struct {
	target
	trust
	Admin      string       `help:"Admin address of the gateway, as a URL or HOST:PORT. Without it: that of HUBGATE_ADMIN_LISTEN." placeholder:"URL"`
	Hub        string       `help:"Only this hub."`
	User       string       `help:"Only this user: their connections and webhooks, and sends to them by name." short:"u"`
	Connection string       `help:"Only this connection." placeholder:"ID"`
	Trace      string       `help:"Only what has this id, such as an X-Request-Id." placeholder:"ID"`
	Kind       []watch.Kind `help:"Only these kinds: connection, send, webhook, server." placeholder:"KIND"`
	JSON       bool         `name:"json" help:"Print each event as one line of JSON, with the bodies of webhooks."`
}

const (
	// watchSilence is after how long a stream without any sign of life is given up.
	watchSilence = 45 * time.Second
	// The pause before connecting again grows between these.
	watchPause    = 500 * time.Millisecond
	maxWatchPause = 15 * time.Second
	// maxWatchLine bounds one event.
	maxWatchLine = 1 << 20
)

// Run prints events until the environment's context ends. When the gateway goes away it tries again;
// that it was never there is an error.
func (c *watchCommand) Run(env *environment) error {
	at, err := c.url()
	if err != nil {
		return err
	}
	pause, connected := watchPause, false
	for {
		err := c.follow(env, at, func() {
			fmt.Fprintf(env.stderr, "watching %s, to be stopped with Ctrl-C\n", at.Host)
			pause, connected = watchPause, true
		})
		var final finalError
		switch {
		case env.ctx.Err() != nil:
			return nil
		case errors.As(err, &final) || !connected:
			return err
		}
		fmt.Fprintf(env.stderr, "%v; connecting again\n", err)
		select {
		case <-env.ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, maxWatchPause)
	}
}

// finalError is one that another try would not mend.
type finalError struct{ error }

// url is what to ask.
func (c *watchCommand) url() (*url.URL, error) {
	filter := watch.Filter{
		Subject: watch.Subject{Hub: c.Hub, User: c.User, ConnectionID: c.Connection, Trace: c.Trace}, Kinds: c.Kind,
	}
	if _, err := watch.ParseFilter(filter.Query()); err != nil {
		return nil, usage(err)
	}
	base, err := adminURL(c.Admin)
	if err != nil {
		return nil, err
	}
	base.Path, base.RawQuery = strings.TrimSuffix(base.Path, "/")+"/watch", filter.Query().Encode()
	return base, nil
}

// errAdminOff is the error of a gateway without an admin address.
var errAdminOff = errors.New("the admin address is off, and this needs it: start the gateway with --admin-listen HOST:PORT, or name another gateway's with --admin")

// adminURL is the admin address that was given, or that of the gateway which the HUBGATE_*
// variables describe.
func adminURL(given string) (*url.URL, error) {
	if given == "" {
		own, err := serveConfig()
		if err != nil {
			return nil, err
		}
		given = own.Network.AdminListen
	}
	if strings.Contains(given, "://") {
		u, err := url.Parse(given)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usage(fmt.Errorf("--admin %q is no http:// or https:// URL", given))
		}
		return u, nil
	}
	addresses, err := (&config.Config{Network: config.Network{AdminListen: given}}).AdminAddresses()
	if err != nil {
		return nil, usage(fmt.Errorf("--admin: %w", err))
	}
	if len(addresses) == 0 {
		return nil, errAdminOff
	}
	return &url.URL{Scheme: "http", Host: reachable(addresses[0].HostPort)}, nil
}

// follow prints the events of one stream until it ends. Connected is called when it begins.
func (c *watchCommand) follow(env *environment, at *url.URL, connected func()) error {
	client, err := c.http()
	if err != nil {
		return finalError{err}
	}
	ctx, cancel := context.WithCancelCause(env.ctx)
	defer cancel(nil)
	silent := errors.New("the gateway is silent")
	timer := time.AfterFunc(watchSilence, func() { cancel(silent) })
	defer timer.Stop()
	resp, err := c.ask(ctx, client, at)
	if err != nil {
		if context.Cause(ctx) == silent {
			return silent
		}
		return unwatched(err, at)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return watchRefusal(resp, at)
	}
	connected()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxWatchLine)
	for lines.Scan() {
		timer.Reset(watchSilence)
		switch line := lines.Bytes(); {
		case bytes.HasPrefix(line, []byte("data: ")):
			if err := c.print(env.stdout, line[len("data: "):]); err != nil {
				return finalError{err}
			}
		case bytes.Equal(line, []byte("event: end")):
			return errors.New("the gateway shuts down")
		}
	}
	if context.Cause(ctx) == silent {
		return silent
	}
	return errors.New("the connection to the gateway is lost")
}

// ask sends the request, with a token: the gateway needs one if others reach its admin address.
func (c *watchCommand) ask(ctx context.Context, client *http.Client, at *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	cs, err := c.parse()
	if err != nil {
		return nil, err
	}
	token, err := auth.SignREST(cs.AccessKey, at.Scheme+"://"+at.Host+admin.LiveResource, pageTokenLifetime)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return client.Do(req)
}

// unwatched is the error of a request that got no answer.
func unwatched(err error, at *url.URL) error {
	if _, ok := errors.AsType[usageError](err); ok {
		return finalError{err}
	}
	return fmt.Errorf("%w\n  watching needs the gateway's admin address (--admin-listen, 127.0.0.1:8889 by default), not the one for clients", unreachable(err, at))
}

// watchRefusal is the error of an answer that is no stream.
func watchRefusal(resp *http.Response, at *url.URL) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	switch resp.StatusCode {
	case http.StatusServiceUnavailable:
		return refusal(resp, body, at)
	case http.StatusNotFound, http.StatusOK:
		return finalError{fmt.Errorf("%s has no live view: is it the admin address of a gateway of this version?", at.Host)}
	}
	return finalError{refusal(resp, body, at)}
}

// print prints one event.
func (c *watchCommand) print(w io.Writer, data []byte) error {
	e, err := watch.Parse(data)
	if err != nil {
		return fmt.Errorf("not an event: %w", err)
	}
	if !c.JSON {
		_, err = io.WriteString(w, eventLine(e)+"\n")
		return err
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(e)
}
