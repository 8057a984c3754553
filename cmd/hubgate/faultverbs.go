package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/hubgate/hubgate/admin"
)

// faultCommand injects faults at a running gateway.
type faultCommand struct {
	List  faultListCommand  `cmd:"" help:"Show the faults in force."`
	Set   faultSetCommand   `cmd:"" help:"Put a fault in force, on all nodes."`
	Clear faultClearCommand `cmd:"" help:"End faults, on all nodes."`
}

// faultTime bounds a question to the admin address.
const faultTime = 10 * time.Second

type faultListCommand struct {
	adminAccess
	outputFlag
}

func (c *faultListCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, faultTime)
	defer cancel()
	var list admin.FaultList
	if err := c.ask(ctx, http.MethodGet, "api/faults", nil, decodeInto(&list)); err != nil {
		return err
	}
	if c.json() {
		return printJSON(env.stdout, list.Faults)
	}
	if len(list.Faults) == 0 {
		_, err := fmt.Fprintln(env.stdout, "no faults")
		return err
	}
	table := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HUB\tKIND\tSHARE\tDELAY\tEVERY\tUNTIL\tHITS")
	for _, f := range list.Faults {
		fmt.Fprintf(table, "%s\t%s\t%g\t%s\t%s\t%s\t%d\n", f.Hub, f.Kind, f.Share, f.Delay, f.Every, f.Until.UTC().Format(time.RFC3339), f.Hits)
	}
	return table.Flush()
}

type faultSetCommand struct {
	adminAccess
	Hub   string        `arg:"" help:"Hub, which has to be marked: --faults-hub of the gateway."`
	Kind  string        `arg:"" enum:"drop,delay,cut,close,negotiate,webhook" help:"What happens: drop loses messages to clients, delay delivers them later, cut breaks connections without a word, close closes them, negotiate refuses clients, webhook slows webhooks down."`
	Share float64       `help:"Part that is hit, more than 0 and at most 1." default:"1"`
	Delay time.Duration `help:"By how much delay and webhook delay, at most 1m."`
	Every time.Duration `help:"How often cut and close come again. Without it they happen once, at once."`
	For   time.Duration `help:"How long it lasts, at most 1h; 5m if you do not say."`
}

func (c *faultSetCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, faultTime)
	defer cancel()
	spec := admin.Fault{Hub: c.Hub, Kind: c.Kind, Share: c.Share, Delay: given(c.Delay), Every: given(c.Every), For: given(c.For)}
	body, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	var set admin.Fault
	if err := c.ask(ctx, http.MethodPost, "api/faults", bytes.NewReader(body), decodeInto(&set)); err != nil {
		return plainError(err)
	}
	if set.For == "" {
		_, err = fmt.Fprintf(env.stdout, "%s in hub %s, once\n", set.Kind, set.Hub)
	} else {
		_, err = fmt.Fprintf(env.stdout, "%s in hub %s until %s\n", set.Kind, set.Hub, set.Until.Format(time.RFC3339))
	}
	return err
}

// given is a duration as text, "" for none.
func given(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// plainError takes the sentence out of an answer in JSON.
func plainError(err error) error {
	var refused struct{ Error struct{ Message string } }
	if json.Unmarshal([]byte(err.Error()), &refused) != nil || refused.Error.Message == "" {
		return err
	}
	return errors.New(refused.Error.Message)
}

type faultClearCommand struct {
	adminAccess
	Hub  string `arg:"" optional:"" help:"Hub; without it, all hubs."`
	Kind string `arg:"" optional:"" help:"Kind of fault; without it, all."`
}

func (c *faultClearCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, faultTime)
	defer cancel()
	var cleared admin.FaultsCleared
	query := url.Values{"hub": {c.Hub}, "kind": {c.Kind}}
	if err := c.ask(ctx, http.MethodDelete, "api/faults?"+query.Encode(), nil, decodeInto(&cleared)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "%d ended\n", cleared.Cleared)
	return err
}

// outputFlag says how a list is printed.
type outputFlag struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"Print a table or JSON."`
}

func (o *outputFlag) json() bool { return o.Output == "json" }
