package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
)

const (
	requestTimeout = 30 * time.Second
	maxErrorBody   = 4 << 10
)

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
	target
	Except []string `help:"Connection ids to leave out." placeholder:"ID" sep:"none"`
	Hub    string   `arg:"" help:"The hub."`
	message
}

type sendGroupCommand struct {
	target
	Except []string `help:"Connection ids to leave out." placeholder:"ID" sep:"none"`
	Hub    string   `arg:"" help:"The hub."`
	Group  string   `arg:"" help:"The group."`
	message
}

type sendUserCommand struct {
	target
	Hub  string `arg:"" help:"The hub."`
	User string `arg:"" help:"The user id."`
	message
}

type sendConnectionCommand struct {
	target
	Hub        string `arg:"" help:"The hub."`
	Connection string `arg:"" help:"The connection id."`
	message
}

func (c *sendAllCommand) Run(env *environment) error {
	return c.message.send(env.ctx, c.target, c.Except, c.Hub, ":send")
}

func (c *sendGroupCommand) Run(env *environment) error {
	return c.message.send(env.ctx, c.target, c.Except, c.Hub, "groups", c.Group, ":send")
}

func (c *sendUserCommand) Run(env *environment) error {
	return c.message.send(env.ctx, c.target, nil, c.Hub, "users", c.User, ":send")
}

func (c *sendConnectionCommand) Run(env *environment) error {
	return c.message.send(env.ctx, c.target, nil, c.Hub, "connections", c.Connection, ":send")
}

// send posts the message to the resource that the path segments name.
func (m *message) send(ctx context.Context, t target, except []string, segments ...string) error {
	cs, err := t.parse()
	if err != nil {
		return err
	}
	body, err := m.body()
	if err != nil {
		return err
	}
	resource := base(cs.Server()) + restPath(segments...)
	token, err := auth.SignREST(cs.AccessKey, resource, time.Minute)
	if err != nil {
		return err
	}
	query := url.Values{"api-version": {restVersion}, "excluded": except}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, resource+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return refusal(resp, text)
	}
	return nil
}

// refusal is the error of an answer that is no success: its status and why, as
// the body says or, for a token that REST refuses without one, the challenge.
func refusal(resp *http.Response, body []byte) error {
	reason := string(bytes.TrimSpace(body))
	if reason == "" {
		reason = challengeReason(resp.Header.Get("WWW-Authenticate"))
	}
	if reason == "" {
		return errors.New(resp.Status)
	}
	return errors.New(resp.Status + ": " + reason)
}

// challengeReason returns the error_description of a bearer challenge, which
// the gateway writes without escapes, or "".
func challengeReason(challenge string) string {
	_, quoted, _ := strings.Cut(challenge, `error_description="`)
	reason, _, _ := strings.Cut(quoted, `"`)
	return reason
}

func (m *message) body() ([]byte, error) {
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
	return json.Marshal(struct {
		Target    string            `json:"target"`
		Arguments []json.RawMessage `json:"arguments"`
	}{m.Method, arguments})
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(v)
}
