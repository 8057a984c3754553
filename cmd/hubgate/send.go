package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/restapi"
)

const (
	requestTimeout = 30 * time.Second
	maxErrorBody   = 4 << 10
)

// destination are the flags of commands that connect to a gateway.
type destination struct {
	target
	trust
}

// sendCommand posts a message to some of a hub's clients.
type sendCommand struct {
	All        sendAllCommand        `cmd:"" help:"To every client of the hub."`
	Group      sendGroupCommand      `cmd:"" help:"To the members of a group."`
	User       sendUserCommand       `cmd:"" help:"To all connections of a user."`
	Connection sendConnectionCommand `cmd:"" help:"To one connection."`
}

// message is what is sent: the method that clients listen for and its arguments.
type message struct {
	Method    string   `arg:"" help:"The method that clients listen for."`
	Arguments []string `arg:"" optional:"" help:"Arguments: JSON, or text if it is none."`
}

type sendAllCommand struct {
	destination
	Except []string `help:"Connection ids to leave out." placeholder:"ID" sep:"none"`
	Hub    string   `arg:"" help:"The hub."`
	message
}

type sendGroupCommand struct {
	destination
	Except []string `help:"Connection ids to leave out." placeholder:"ID" sep:"none"`
	Hub    string   `arg:"" help:"The hub."`
	Group  string   `arg:"" help:"The group."`
	message
}

type sendUserCommand struct {
	destination
	Hub  string `arg:"" help:"The hub."`
	User string `arg:"" help:"The user id."`
	message
}

type sendConnectionCommand struct {
	destination
	Hub        string `arg:"" help:"The hub."`
	Connection string `arg:"" help:"The connection id."`
	message
}

func (c *sendAllCommand) Run(env *environment) error {
	return c.message.send(env, &c.destination, c.Except, "", c.Hub, ":send")
}

func (c *sendGroupCommand) Run(env *environment) error {
	return c.message.send(env, &c.destination, c.Except, "in group "+c.Group, c.Hub, "groups", c.Group, ":send")
}

func (c *sendUserCommand) Run(env *environment) error {
	return c.message.send(env, &c.destination, nil, "as user "+c.User, c.Hub, "users", c.User, ":send")
}

func (c *sendConnectionCommand) Run(env *environment) error {
	return c.message.send(env, &c.destination, nil, "as connection "+c.Connection, c.Hub, "connections", c.Connection, ":send")
}

// send posts the message to the resource that the path segments name, the hub
// first. Whom is how receivers are connected, "" for everybody.
func (m *message) send(env *environment, d *destination, except []string, whom string, segments ...string) error {
	if err := checkHub(segments[0]); err != nil {
		return err
	}
	cs, err := d.parse()
	if err != nil {
		return err
	}
	client, err := d.http()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(env.ctx, requestTimeout)
	defer cancel()
	req, err := m.request(ctx, cs, except, segments)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(err, cs.Server())
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return refusal(resp, text, cs.Server())
	}
	return reportMatched(env.stdout, resp.Header.Get(restapi.MatchedHeader), segments[0], whom)
}

func (m *message) request(ctx context.Context, cs auth.ConnectionString, except, segments []string) (*http.Request, error) {
	body, err := m.body()
	if err != nil {
		return nil, err
	}
	resource := base(cs.Server()) + restPath(segments...)
	token, err := auth.SignREST(cs.AccessKey, resource, time.Minute)
	if err != nil {
		return nil, err
	}
	query := url.Values{"api-version": {restVersion}, "excluded": except}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, resource+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(restapi.CountHeader, "true")
	return req, nil
}

// reportMatched says whom an accepted message was for. A gateway that does not
// count, Azure for one, answers without a number.
func reportMatched(w io.Writer, matched, hub, whom string) error {
	n, err := strconv.Atoi(matched)
	line := fmt.Sprintf("accepted for %d connections", n)
	switch {
	case err != nil:
		line = "accepted"
	case n == 0:
		line = strings.TrimRight("accepted, but nobody is connected to hub "+hub+" "+whom, " ")
	case n == 1:
		line = "accepted for 1 connection"
	}
	_, err = fmt.Fprintln(w, line)
	return err
}

func (m *message) body() ([]byte, error) {
	arguments, err := m.arguments()
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Target    string            `json:"target"`
		Arguments []json.RawMessage `json:"arguments"`
	}{m.Method, arguments})
}

// arguments are those that are JSON as they are, and any other as text.
func (m *message) arguments() ([]json.RawMessage, error) {
	arguments := make([]json.RawMessage, 0, len(m.Arguments))
	for _, text := range m.Arguments {
		raw := json.RawMessage(text)
		if !json.Valid(raw) {
			quoted, err := json.Marshal(text)
			if err != nil {
				return nil, err
			}
			raw = quoted
		}
		arguments = append(arguments, raw)
	}
	return arguments, nil
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
