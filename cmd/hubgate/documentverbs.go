package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/secret"
)

// settingsCommand is the settings document of a running gateway as a whole.
type settingsCommand struct {
	Show     documentShowCommand     `cmd:"" help:"Print the settings in force and where each comes from."`
	Set      documentSetCommand      `cmd:"" help:"Change settings: properties.serverless.keepAliveIntervalInSeconds=10; null unsets one."`
	History  documentHistoryCommand  `cmd:"" help:"List the changes that are kept: when, who, what."`
	Rollback documentRollbackCommand `cmd:"" help:"Put an earlier version in force again. Keys stay as they are."`
	Import   documentImportCommand   `cmd:"" help:"Take over an exported template of Azure's resource (ARM JSON, or compiled from Bicep), or the emulator's settings.json."`
	Export   documentExportCommand   `cmd:"" help:"Print the settings in force as a template of Azure Resource Manager. Secrets of webhooks are masked."`
}

type documentShowCommand struct {
	managing
	Revision uint64 `help:"An earlier version." placeholder:"NUMBER"`
}

// Run prints the values, each with its path and where it comes from.
func (c *documentShowCommand) Run(env *environment) error {
	v, _, err := c.current(env.ctx)
	if err != nil {
		return err
	}
	if c.Revision != 0 && c.Revision != v.Revision {
		if v, err = c.version(env, c.Revision); err != nil {
			return err
		}
	}
	if c.json() {
		return printJSON(env.stdout, v)
	}
	fmt.Fprintf(env.stderr, "revision %d\n", v.Revision)
	return c.print(env, v, []string{"SETTING", "VALUE", "FROM"}, v.Rows())
}

// version is one of the history.
func (c *managing) version(env *environment, revision uint64) (v management.Version, err error) {
	var all struct{ Versions []management.Version }
	if _, err := c.call(env.ctx, http.MethodGet, settingsAPI+"/history", nil, "", &all); err != nil {
		return v, err
	}
	for _, v := range all.Versions {
		if v.Revision == revision {
			return v, nil
		}
	}
	return v, management.ErrNotFound
}

type documentSetCommand struct {
	changing
	Values []string `arg:"" help:"PATH=VALUE, the value as JSON or as text; repeatable."`
}

// Run makes one change of all values.
func (c *documentSetCommand) Run(env *environment) error {
	patch := map[string]any{}
	for _, text := range c.Values {
		path, value, ok := strings.Cut(text, "=")
		if !ok || path == "" {
			return usage(fmt.Errorf("%q is not PATH=VALUE", text))
		}
		if err := putAt(patch, strings.Split(path, "."), valueOf(value)); err != nil {
			return usage(fmt.Errorf("%q: %w", text, err))
		}
	}
	var v management.Version
	if _, err := c.call(env.ctx, http.MethodPatch, withNote(settingsAPI, c.Note), patch, "", &v); err != nil {
		return err
	}
	return c.printChanges(env, &v)
}

// valueOf is a value as JSON, or as it is. Texts that only look like JSON may be quoted.
func valueOf(text string) any {
	if !json.Valid([]byte(text)) {
		return text
	}
	var v any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	_ = decoder.Decode(&v) // it is valid
	return v
}

// stringFields are texts that look like something else in JSON.
var stringFields = []string{"properties.resourceStopped", "properties.liveTraceConfiguration.enabled"}

func putAt(patch map[string]any, path []string, value any) error {
	for _, field := range stringFields {
		if b, ok := value.(bool); ok && strings.EqualFold(field, strings.Join(path, ".")) {
			value = fmt.Sprint(b)
		}
	}
	for _, name := range path[:len(path)-1] {
		if patch[name] == nil {
			patch[name] = map[string]any{}
		}
		next, ok := patch[name].(map[string]any)
		if !ok {
			return errors.New("another value has been given for a part of this path")
		}
		patch = next
	}
	patch[path[len(path)-1]] = value
	return nil
}

// printChanges prints what a change has changed.
func (c *managing) printChanges(env *environment, v *management.Version) error {
	if len(v.Changes) == 0 && !c.json() {
		_, err := fmt.Fprintln(env.stdout, "nothing has changed")
		return err
	}
	return c.print(env, v, []string{"CHANGED", "BEFORE", "AFTER"}, changeRows(v.Changes))
}

func changeRows(changes []management.Change) (rows [][]string) {
	shown := func(v json.RawMessage) string {
		var line bytes.Buffer
		if v == nil || json.Compact(&line, v) != nil {
			return "-"
		}
		return line.String()
	}
	for _, change := range changes {
		rows = append(rows, []string{change.Path, shown(change.Before), shown(change.After)})
	}
	return rows
}

type documentHistoryCommand struct{ managing }

// Run lists versions.
func (c *documentHistoryCommand) Run(env *environment) error {
	var all struct {
		Versions []management.Version `json:"versions"`
		Kept     int                  `json:"kept"`
	}
	if _, err := c.call(env.ctx, http.MethodGet, settingsAPI+"/history", nil, "", &all); err != nil {
		return err
	}
	var rows [][]string
	for _, v := range all.Versions {
		at, what := v.Time.Local().Format(time.DateTime), []string{}
		for _, change := range v.Changes {
			what = append(what, change.Path)
		}
		if v.Revision == 1 {
			at, what = "-", []string{"the configuration"}
		}
		rows = append(rows, []string{fmt.Sprint(v.Revision), at, v.By, strings.Join(what, " "), v.Note})
	}
	return c.print(env, all, []string{"REVISION", "TIME", "BY", "CHANGED", "NOTE"}, rows)
}

type documentRollbackCommand struct {
	changing
	Revision uint64 `arg:"" help:"The version, as history lists it. 1 unsets everything: the configuration is in force."`
}

// Run puts an earlier version in force.
func (c *documentRollbackCommand) Run(env *environment) error {
	var v management.Version
	body := map[string]any{"revision": c.Revision, "note": c.Note}
	if _, err := c.call(env.ctx, http.MethodPost, settingsAPI+"/rollback", body, "", &v); err != nil {
		return err
	}
	return c.printChanges(env, &v)
}

type documentImportCommand struct {
	changing
	File   string `arg:"" help:"The file."`
	DryRun bool   `help:"Only say what would be ignored."`
}

// Run imports a file. What is ignored goes to standard error.
func (c *documentImportCommand) Run(env *environment) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	path := withNote("api/import", c.Note)
	if c.DryRun {
		path = "api/import?dryRun=true"
	}
	var answer struct {
		Version management.Version
		Ignored []string
	}
	if _, err := c.call(env.ctx, http.MethodPost, path, text, "", &answer); err != nil {
		return err
	}
	for _, name := range answer.Ignored {
		fmt.Fprintf(env.stderr, "ignored: %s\n", name)
	}
	if c.DryRun {
		return nil
	}
	return c.printChanges(env, &answer.Version)
}

type documentExportCommand struct{ adminAccess }

// Run prints a template.
func (c *documentExportCommand) Run(env *environment) error {
	v, _, err := c.current(env.ctx)
	if err != nil {
		return err
	}
	d := v.Document
	template := map[string]any{
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
		"resources": []any{map[string]any{
			"type": "Microsoft.SignalRService/SignalR", "apiVersion": "2023-02-01", "name": "hubgate", "location": d.Location,
			"sku": d.SKU, "kind": d.Kind, "tags": d.Tags, "properties": d.Properties,
		}},
	}
	text, err := json.Marshal(template)
	if err != nil {
		return err
	}
	if bytes.Contains(text, []byte(secret.Redacted)) {
		fmt.Fprintln(env.stderr, "secrets of webhooks are masked: another gateway needs them anew")
	}
	return printJSON(env.stdout, json.RawMessage(text))
}
