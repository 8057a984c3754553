package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/presence"
)

// closer are the flags of commands that close connections.
type closer struct {
	destination
	Application string `help:"The application whose hub is meant." placeholder:"NAME"`
	Reason      string `help:"What the clients are told." placeholder:"TEXT"`
	Hub         string `arg:"" help:"The hub."`
}

// close makes the REST request that closes connections. What is not there is an error only for one connection.
func (c *closer) close(env *environment, method string, segments ...string) error {
	if err := checkHub(c.Hub); err != nil {
		return err
	}
	cs, err := c.parse()
	if err != nil {
		return err
	}
	client, err := c.http()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(env.ctx, requestTimeout)
	defer cancel()
	resource := base(cs.Server()) + restPath(append([]string{c.Hub}, segments...)...)
	query := filters("reason", c.Reason, "application", c.Application, "api-version", restVersion)
	token, err := auth.SignREST(cs.AccessKey, resource, time.Minute)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, resource+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(err, cs.Server())
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return err
	}
	return refusal(resp, text, cs.Server())
}

type connectionsCloseCommand struct {
	closer
	ID string `arg:"" help:"The connection's id."`
}

// Run closes a connection.
func (c *connectionsCloseCommand) Run(env *environment) error {
	return c.close(env, http.MethodDelete, "connections", c.ID)
}

type usersCloseCommand struct {
	closer
	User string `arg:"" help:"The user's id."`
}

// Run closes the connections of a user.
func (c *usersCloseCommand) Run(env *environment) error {
	return c.close(env, http.MethodPost, "users", c.User, ":closeConnections")
}

type groupsCloseCommand struct {
	closer
	Group string `arg:"" help:"The group's name."`
}

// Run closes the connections of a group's members.
func (c *groupsCloseCommand) Run(env *environment) error {
	return c.close(env, http.MethodPost, "groups", c.Group, ":closeConnections")
}

type connectionsShowCommand struct {
	destination
	Application string `help:"The application whose hub is meant." placeholder:"NAME"`
	Hub         string `arg:"" help:"The hub."`
	ID          string `arg:"" help:"The connection's id."`
}

// Run looks for the connection in the list of its hub.
func (c *connectionsShowCommand) Run(env *environment) error {
	if err := checkHub(c.Hub); err != nil {
		return err
	}
	l := lister{destination: c.destination, Hub: c.Hub, Application: c.Application}
	query := make(url.Values)
	if c.Application != "" {
		query.Set("application", c.Application)
	}
	query.Set("maxpagesize", "1000")
	for {
		var page presencePage[presence.Connection]
		if err := l.page(env.ctx, "connections", query, false, &page); err != nil {
			return err
		}
		for i := range page.Value {
			if page.Value[i].ConnectionId == c.ID {
				return printJSON(env.stdout, page.Value[i])
			}
		}
		if page.ContinuationToken == "" {
			return errors.New("there is no such connection")
		}
		query.Set("continuationToken", page.ContinuationToken)
	}
}
