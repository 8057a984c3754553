package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/admin"
)

// faultCommand injects faults at a running gateway.
type faultCommand struct {
	List  faultListCommand  `cmd:"" help:"Show the faults in force, with how often they have hit on all nodes."`
	Set   faultSetCommand   `cmd:"" help:"Put a fault in force, on all nodes."`
	Clear faultClearCommand `cmd:"" help:"End faults, on all nodes."`
}

const faultsAPI = "api/faults"

type faultListCommand struct{ managing }

// Run lists faults. Nodes that did not answer are named on standard error.
func (c *faultListCommand) Run(env *environment) error {
	var list admin.FaultList
	if _, err := c.call(env.ctx, http.MethodGet, faultsAPI, nil, "", &list); err != nil {
		return err
	}
	for _, n := range list.Missing {
		fmt.Fprintf(env.stderr, "node %s is not counted: %s\n", n.Node, n.Error)
	}
	var rows [][]string
	for _, f := range list.Faults {
		rows = append(rows, []string{
			f.Hub, f.Kind, fmt.Sprint(f.Share), f.Delay, f.Every, f.Until.UTC().Format(time.RFC3339), fmt.Sprint(f.Hits), hitsByNode(f.Nodes),
		})
	}
	if len(rows) == 0 && !c.json() {
		_, err := fmt.Fprintln(env.stdout, "no faults")
		return err
	}
	return c.print(env, list.Faults, []string{"HUB", "KIND", "SHARE", "DELAY", "EVERY", "UNTIL", "HITS", "BY NODE"}, rows)
}

// hitsByNode is how often a fault has hit at each of several nodes; a node alone needs no name.
func hitsByNode(nodes []admin.NodeHits) string {
	if len(nodes) < 2 {
		return "-"
	}
	var parts []string
	for _, n := range nodes {
		parts = append(parts, fmt.Sprintf("%s %d", n.Node, n.Hits))
	}
	return strings.Join(parts, ", ")
}

type faultSetCommand struct {
	managing
	Hub   string        `arg:"" help:"Hub, which has to be marked: --faults-hub of the gateway."`
	Kind  string        `arg:"" enum:"drop,delay,cut,close,negotiate,webhook" help:"What happens: drop loses messages to clients, delay delivers them later, cut breaks connections without a word, close closes them, negotiate refuses clients, webhook slows webhooks down."`
	Share float64       `help:"Part that is hit, more than 0 and at most 1." default:"1"`
	Delay time.Duration `help:"By how much delay and webhook delay, at most 1m."`
	Every time.Duration `help:"How often cut and close come again. Without it they happen once, at once."`
	For   time.Duration `help:"How long it lasts, at most 1h; 5m if you do not say."`
}

// Run puts a fault in force.
func (c *faultSetCommand) Run(env *environment) error {
	spec := admin.Fault{Hub: c.Hub, Kind: c.Kind, Share: c.Share, Delay: given(c.Delay), Every: given(c.Every), For: given(c.For)}
	var set admin.Fault
	if _, err := c.call(env.ctx, http.MethodPost, faultsAPI, spec, "", &set); err != nil {
		return err
	}
	how := "once"
	if set.For != "" {
		how = "until " + set.Until.Format(time.RFC3339)
	}
	return c.print(env, set, nil, [][]string{{fmt.Sprintf("%s in hub %s, %s", set.Kind, set.Hub, how)}})
}

// given is a duration as text, "" for none.
func given(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

type faultClearCommand struct {
	managing
	Hub  string `arg:"" optional:"" help:"Hub; without it, all hubs."`
	Kind string `arg:"" optional:"" help:"Kind of fault; without it, all."`
}

// Run ends faults.
func (c *faultClearCommand) Run(env *environment) error {
	var cleared admin.FaultsCleared
	query := url.Values{"hub": {c.Hub}, "kind": {c.Kind}}
	if _, err := c.call(env.ctx, http.MethodDelete, faultsAPI+"?"+query.Encode(), nil, "", &cleared); err != nil {
		return err
	}
	return c.print(env, cleared, nil, [][]string{{fmt.Sprintf("%d ended", cleared.Cleared)}})
}
