package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/config"
)

const settingsPath = "cluster/settings"

type settingsShowCommand struct{ adminAccess }

// Run prints the text. Its version goes to standard error, so that the output is the text alone.
func (c *settingsShowCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
	defer cancel()
	return c.send(ctx, http.MethodGet, settingsPath, nil, nil, func(r *http.Response) error {
		fmt.Fprintf(env.stderr, "version %s\n", versionOf(r))
		_, err := io.Copy(env.stdout, r.Body)
		return err
	})
}

type settingsSetCommand struct {
	adminAccess
	File      string `arg:"" help:"File with options, written as a configuration file. An empty one shares nothing any more."`
	IfVersion string `help:"Version that is changed, as show prints it. If it is not the one in force any more nothing is changed. Without it: whatever is in force now." placeholder:"NUMBER"`
}

// Run changes what is in force when it starts, unless a version is named.
func (c *settingsSetCommand) Run(env *environment) error {
	text, err := config.ReadShared(c.File)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
	defer cancel()
	after := c.IfVersion
	if after == "" {
		err := c.send(ctx, http.MethodGet, settingsPath, nil, nil, func(r *http.Response) error {
			after = versionOf(r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	header := http.Header{"If-Match": {`"` + after + `"`}}
	return c.send(ctx, http.MethodPut, settingsPath, bytes.NewReader(text), header, func(r *http.Response) error {
		_, err := fmt.Fprintf(env.stdout, "version %s is in force on all nodes that reach the store\n", versionOf(r))
		return err
	})
}

func versionOf(r *http.Response) string { return strings.Trim(r.Header.Get("ETag"), `"`) }
