package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/secret"
)

// printing is the flag of commands that print a list for people or for programs.
type printing struct {
	Output string `short:"o" help:"How to print: table or json." enum:"table,json" default:"table"`
}

func (p printing) json() bool { return p.Output == "json" }

// managing are the flags of commands that read and change the settings of a running gateway.
type managing struct {
	adminAccess
	printing
}

// changing are those of commands that change them.
type changing struct {
	managing
	Note string `help:"What the history says of the change." placeholder:"TEXT"`
}

const (
	adminTokenEnv  = "HUBGATE_ADMIN_TOKEN"
	settingsAPI    = "api/settings"
	maxChangeTries = 5
)

// adminToken is the token of whoever runs the command, "" if it has none but the access key.
func (c *adminAccess) adminToken() (secret.Text, error) {
	if c.AdminTokenFile != "" {
		text, err := os.ReadFile(c.AdminTokenFile)
		return secret.Text(strings.TrimRight(string(text), "\r\n")), err
	}
	return secret.Text(os.Getenv(adminTokenEnv)), nil
}

// editorName says who runs the command.
func editorName() string {
	name := "hubgate"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// call makes a request to the API and decodes the answer into v, which may be nil. It returns the ETag.
func (c *adminAccess) call(ctx context.Context, method, path string, body any, after string, v any) (etag string, err error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTime)
	defer cancel()
	header := http.Header{"Content-Type": {"application/json"}, admin.EditorHeader: {editorName()}}
	if after != "" {
		header.Set("If-Match", after)
	}
	var sent io.Reader
	switch body := body.(type) {
	case nil:
	case []byte:
		sent = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		sent = bytes.NewReader(text)
	}
	err = c.send(ctx, method, path, sent, header, func(r *http.Response) error {
		etag = r.Header.Get("ETag")
		if v == nil {
			return nil
		}
		return json.NewDecoder(r.Body).Decode(v)
	})
	return etag, err
}

// current is the version in force, and its ETag.
func (c *adminAccess) current(ctx context.Context) (v management.Version, etag string, err error) {
	etag, err = c.call(ctx, http.MethodGet, settingsAPI, nil, "", &v)
	return v, etag, err
}

// change makes a patch of the properties from what is in force, and begins again if somebody else is faster.
func (c *changing) change(env *environment, patch func(p *management.Properties) (map[string]any, error)) (v management.Version, err error) {
	for range maxChangeTries {
		now, etag, err := c.current(env.ctx)
		if err != nil {
			return v, err
		}
		properties, err := patch(&now.Document.Properties)
		if err != nil {
			return v, err
		}
		_, err = c.call(env.ctx, http.MethodPatch, withNote(settingsAPI, c.Note), map[string]any{"properties": properties}, etag, &v)
		if _, conflict := errors.AsType[conflictError](err); !conflict {
			return v, err
		}
	}
	return v, errors.New("others change the settings all the time: try again")
}

// conflictError is the error of a change that came too late.
type conflictError struct{ error }

func withNote(path, note string) string {
	if note == "" {
		return path
	}
	return path + "?note=" + url.QueryEscape(note)
}

// print prints a value as JSON, or lines as a table.
func (c *managing) print(env *environment, v any, head []string, rows [][]string) error {
	if c.json() {
		return printJSON(env.stdout, v)
	}
	table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	if head != nil {
		fmt.Fprintln(table, strings.Join(head, "\t"))
	}
	for _, row := range rows {
		cells := slices.Clone(row)
		for i, cell := range cells {
			if cell != "" {
				cells[i] = printable(cell)
			}
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// apiRefusal makes an error of what the API answered.
func apiRefusal(status int, text []byte) error {
	var answer struct {
		Code  string // of the REST API
		Error struct {
			Message string
			Details []management.Field
		}
	}
	switch err := json.Unmarshal(text, &answer); {
	case err == nil && answer.Code != "":
		return fmt.Errorf("%s\n  %s", plainReason(text), needsAdmin)
	case err != nil || answer.Error.Message == "":
		return errors.New(strings.TrimSpace(string(text)))
	}
	lines := []string{answer.Error.Message}
	for _, f := range answer.Error.Details {
		lines = append(lines, "  "+strings.TrimSpace(cmp.Or(f.Path, "")+" "+f.Reason))
	}
	err := errors.New(strings.Join(lines, "\n"))
	if status == http.StatusPreconditionFailed {
		return conflictError{err}
	}
	return err
}

// modeCommand shows and changes the service mode.
type modeCommand struct {
	Get modeGetCommand `cmd:"" help:"Print the service mode of the running gateway."`
	Set modeSetCommand `cmd:"" help:"Change the service mode of the running gateway. Clients and hub servers of the wrong kind are closed."`
}

type modeGetCommand struct{ managing }

// Run prints the mode.
func (c *modeGetCommand) Run(env *environment) error {
	v, _, err := c.current(env.ctx)
	if err != nil {
		return err
	}
	mode, _ := v.Document.Properties.Feature(management.FlagServiceMode)
	return c.print(env, map[string]string{"mode": mode}, nil, [][]string{{mode}})
}

type modeSetCommand struct {
	changing
	Mode string `arg:"" help:"Default, Serverless or Classic."`
}

// Run changes the mode.
func (c *modeSetCommand) Run(env *environment) error {
	v, err := c.change(env, func(*management.Properties) (map[string]any, error) {
		return map[string]any{"features": []management.Feature{{Flag: management.FlagServiceMode, Value: c.Mode}}}, nil
	})
	if err != nil {
		return err
	}
	mode, _ := v.Document.Properties.Feature(management.FlagServiceMode)
	return c.print(env, v, nil, [][]string{{mode, fmt.Sprintf("revision %d", v.Revision)}})
}

// corsCommand shows and changes which web pages may use the gateway.
type corsCommand struct {
	List   corsListCommand   `cmd:"" help:"List the origins that may use the running gateway."`
	Add    corsAddCommand    `cmd:"" help:"Allow origins. They take the place of *."`
	Remove corsRemoveCommand `cmd:"" help:"Allow origins no more. When none is left all are allowed (*), as with az."`
}

type corsListCommand struct{ managing }

// Run lists origins.
func (c *corsListCommand) Run(env *environment) error {
	v, _, err := c.current(env.ctx)
	if err != nil {
		return err
	}
	return c.printOrigins(env, &v)
}

func (c *managing) printOrigins(env *environment, v *management.Version) error {
	var rows [][]string
	for _, origin := range v.Document.Properties.CORS.AllowedOrigins {
		rows = append(rows, []string{origin})
	}
	return c.print(env, v.Document.Properties.CORS, nil, rows)
}

type corsAddCommand struct {
	changing
	Origins []string `arg:"" help:"Origins such as https://app.example."`
}

// Run adds origins.
func (c *corsAddCommand) Run(env *environment) error {
	v, err := c.change(env, func(p *management.Properties) (map[string]any, error) {
		return originsPatch(append(without(p.CORS.AllowedOrigins, append([]string{"*"}, c.Origins...)), c.Origins...)), nil
	})
	if err != nil {
		return err
	}
	return c.printOrigins(env, &v)
}

type corsRemoveCommand struct {
	changing
	Origins []string `arg:"" help:"Origins as list shows them."`
}

// Run removes origins.
func (c *corsRemoveCommand) Run(env *environment) error {
	v, err := c.change(env, func(p *management.Properties) (map[string]any, error) {
		left := without(p.CORS.AllowedOrigins, c.Origins)
		if len(left) == 0 {
			left = []string{"*"}
		}
		return originsPatch(left), nil
	})
	if err != nil {
		return err
	}
	return c.printOrigins(env, &v)
}

func originsPatch(origins []string) map[string]any {
	return map[string]any{"cors": management.CORS{AllowedOrigins: origins}}
}

// without is a list without some texts, in any letter case.
func without(list, some []string) (left []string) {
	for _, text := range list {
		found := false
		for _, other := range some {
			found = found || strings.EqualFold(text, other)
		}
		if !found {
			left = append(left, text)
		}
	}
	return left
}

// keyCommand shows and replaces access keys.
type keyCommand struct {
	List  keyListCommand  `cmd:"" help:"Print the access keys and connection strings of the running gateway. They are secret."`
	Renew keyRenewCommand `cmd:"" help:"Replace an access key, on all nodes at once. Requests with the former one are refused; connections stay."`
}

type keyListCommand struct{ managing }

// Run prints keys.
func (c *keyListCommand) Run(env *environment) error {
	var keys map[string]string
	if _, err := c.call(env.ctx, http.MethodPost, "api/keys/show", nil, "", &keys); err != nil {
		return err
	}
	return c.printKeys(env, keys)
}

func (c *managing) printKeys(env *environment, keys map[string]string) error {
	var rows [][]string
	for _, name := range []string{"primaryKey", "primaryConnectionString", "secondaryKey", "secondaryConnectionString"} {
		rows = append(rows, []string{name, cmp.Or(keys[name], "(none)")})
	}
	return c.print(env, keys, nil, rows)
}

type keyRenewCommand struct {
	changing
	KeyType string `help:"primary or secondary." required:"" enum:"primary,secondary,Primary,Secondary"`
}

// Run replaces a key.
func (c *keyRenewCommand) Run(env *environment) error {
	var keys map[string]string
	body := map[string]string{"keyType": c.KeyType, "note": c.Note}
	if _, err := c.call(env.ctx, http.MethodPost, "api/keys/regenerate", body, "", &keys); err != nil {
		return err
	}
	return c.printKeys(env, keys)
}

type restartCommand struct{ changing }

// Run has all clients and hub servers come again.
func (c *restartCommand) Run(env *environment) error {
	_, err := c.call(env.ctx, http.MethodPost, withNote("api/restart", c.Note), nil, "", nil)
	return err
}
