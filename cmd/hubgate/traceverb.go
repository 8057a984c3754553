package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hubgate/hubgate/internal/flight"
	"github.com/hubgate/hubgate/internal/reasons"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/servermode"
)

// traceCommand searches what has happened on all nodes.
type traceCommand struct {
	adminAccess
	Hub        string        `help:"Only this hub."`
	User       string        `help:"What happened to this user: their connections, what they said, and all that was sent to them by name, by a group or to everybody." short:"u"`
	Connection string        `help:"The same for one connection." placeholder:"ID"`
	Group      string        `help:"Only what was sent to this group, and who joined and left it."`
	Trace      string        `help:"Only what has this id, such as an X-Request-Id." placeholder:"ID"`
	Since      string        `help:"From then on: 2026-01-31T12:00:00Z, 12:00 (UTC, of the last day), or 10m ago." placeholder:"TIME"`
	Until      string        `help:"Until then." placeholder:"TIME"`
	Kind       []flight.Kind `help:"Only these kinds: connection, send, delivery, message, command, webhook, server, request." placeholder:"KIND"`
	Limit      int           `help:"The last so many events, up to 5000." default:"200"`
	Follow     bool          `help:"Go on with what happens from now on." short:"f"`
	Output     string        `help:"table, or json for one JSON object a line." short:"o" enum:"table,json" default:"table"`
}

// followPause is between two questions of those who follow. An event is asked for again for a while, since the clocks
// of nodes differ.
const (
	followPause = time.Second
	followAgain = 5 * time.Second
)

// Run prints what there is, and with --follow what comes until the environment's context ends.
func (c *traceCommand) Run(env *environment) error {
	q, err := flight.ParseQuery(c.values(), time.Now())
	if err != nil {
		return usage(err)
	}
	a, err := c.search(env.ctx, &q)
	if err != nil {
		return err
	}
	if err := c.print(env, &a, true); err != nil || !c.Follow {
		return err
	}
	from := q.Since // what is older was not asked for
	if a.More && len(a.Events) > 0 {
		from = a.Events[0].Time
	}
	seen := make(map[string]time.Time)
	newest := time.Now()
	for {
		for i := range a.Events {
			e := &a.Events[i]
			seen[eventKey(e)] = e.Time
			if e.Time.After(newest) {
				newest = e.Time
			}
		}
		for key, at := range seen {
			if at.Before(newest.Add(-2 * followAgain)) {
				delete(seen, key)
			}
		}
		select {
		case <-env.ctx.Done():
			return nil
		case <-time.After(followPause):
		}
		q.Limit = flight.MaxLimit
		if q.Since = newest.Add(-followAgain); q.Since.Before(from) {
			q.Since = from
		}
		if a, err = c.search(env.ctx, &q); err != nil {
			if env.ctx.Err() != nil {
				return nil
			}
			return err
		}
		fresh := a
		fresh.Events, fresh.More = nil, false
		for i := range a.Events {
			if _, old := seen[eventKey(&a.Events[i])]; !old {
				fresh.Events = append(fresh.Events, a.Events[i])
			}
		}
		if err := c.print(env, &fresh, false); err != nil {
			return err
		}
	}
}

func eventKey(e *flight.Event) string {
	return strings.Join([]string{e.Node, e.Time.Format(time.RFC3339Nano), string(e.Kind), string(e.What), e.Connection, e.Trace}, "\n")
}

func (c *traceCommand) values() map[string][]string {
	values := map[string][]string{"limit": {strconv.Itoa(c.Limit)}}
	for name, value := range map[string]string{
		"hub": c.Hub, "user": c.User, "connection": c.Connection, "group": c.Group, "trace": c.Trace, "since": c.Since, "until": c.Until,
	} {
		if value != "" {
			values[name] = []string{value}
		}
	}
	for _, kind := range c.Kind {
		values["kind"] = append(values["kind"], string(kind))
	}
	return values
}

func (c *traceCommand) search(ctx context.Context, q *flight.Query) (a flight.Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTime)
	defer cancel()
	err = c.ask(ctx, http.MethodGet, "api/trace?"+q.Query().Encode(), nil, decodeInto(&a))
	return a, err
}

// print prints events, and what they leave out to the other stream.
func (c *traceCommand) print(env *environment, a *flight.Answer, first bool) error {
	var err error
	if c.Output == "json" {
		out := json.NewEncoder(env.stdout)
		out.SetEscapeHTML(false)
		for i := range a.Events {
			if err := out.Encode(&a.Events[i]); err != nil {
				return err
			}
		}
	} else {
		err = printTrace(env.stdout, a.Events, c.explained(), len(a.Nodes) > 1, first)
	}
	if first || a.More {
		c.remark(env.stderr, a)
	}
	return err
}

// remark says what the answer does not have.
func (c *traceCommand) remark(w io.Writer, a *flight.Answer) {
	if a.More {
		fmt.Fprintln(w, "there are older ones: --limit, --since and --until choose")
	}
	off := 0
	for i := range a.Nodes {
		switch n := &a.Nodes[i]; {
		case n.Error != "":
			fmt.Fprintf(w, "node %s: %s\n", n.Node, plainText(n.Error))
		case n.Off:
			off++
			fmt.Fprintf(w, "node %s records nothing: --trace-recorder is 0\n", n.Node)
		case !n.Since.IsZero():
			fmt.Fprintf(w, "node %s has what happened since %s\n", n.Node, n.Since.UTC().Format("2006-01-02 15:04:05Z"))
		}
	}
	if len(a.Events) == 0 && off < len(a.Nodes) {
		fmt.Fprintln(w, "nothing was found: is it another gateway, hub or user, or longer ago than is kept?")
	}
}

// explained is the page with all reasons, at the gateway that was asked.
func (c *traceCommand) explained() string {
	at, err := adminURL(c.Admin)
	if err != nil {
		return "docs/errors.md"
	}
	at.User = nil // it is for a log
	return at.JoinPath(helpPath, "errors").String()
}

// printTrace prints a line for each event. Reasons is where they are explained.
func printTrace(w io.Writer, events []flight.Event, reasons string, nodes, head bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if head && len(events) > 0 {
		if nodes {
			fmt.Fprint(table, "NODE\t")
		}
		fmt.Fprintln(table, "TIME (UTC)\tKIND\tWHAT\tHUB\tABOUT\tOUTCOME\tTRACE")
	}
	for i := range events {
		e := &events[i]
		if nodes {
			fmt.Fprintf(table, "%s\t", plainText(e.Node))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.UTC().Format("15:04:05.000"), e.Kind, e.What, ifGiven("", e.Hub), traceAbout(e), traceOutcome(e, reasons), ifGiven("", e.Trace))
	}
	return table.Flush()
}

// traceAbout says whom or what an event is about.
func traceAbout(e *flight.Event) string {
	l := new(lineWriter)
	if e.Method != "" {
		l.word(plainText(e.Method))
	}
	if e.Payload != "" {
		l.word(plainText(e.Payload))
	}
	switch {
	case e.To == toAll:
		l.word("to everybody")
	case e.To != "":
		names := strings.Join(e.Names, ",")
		if e.More > 0 {
			names += fmt.Sprint(" and ", e.More, " more")
		}
		l.word("to " + e.To + " " + plainText(names))
	default:
		l.pair("user", e.User)
		l.pair("connection", e.Connection)
	}
	if e.Kind == flight.KindCommand {
		l.pair("group", e.Group)
	}
	l.pair("by", e.By)
	l.pair("url", e.URL)
	l.pair("transport", e.Transport)
	l.pair("protocol", e.Protocol)
	l.pair("remote", e.Remote)
	if e.Bytes > 0 {
		l.pair("bytes", fmt.Sprint(e.Bytes))
	}
	return l.String()
}

// traceOutcome says what became of it, and where on the page of reasons its own is explained.
func traceOutcome(e *flight.Event, reasons string) string {
	l := new(lineWriter)
	if e.Fate != nil {
		l.word(fmt.Sprintf("matched=%d", e.Fate.Matched))
		if e.Kind != flight.KindCommand {
			l.word(fmt.Sprintf("written=%d queued=%d dropped=%d", e.Fate.Written, e.Fate.Queued, e.Fate.Dropped))
		}
	}
	for i := range e.Receivers {
		r := &e.Receivers[i]
		l.word("[" + strings.TrimSpace(ifGiven("", r.User)+" "+ifGiven("", r.Connection)) + " " + r.Fate + ifGiven(": ", r.Reason) + "]")
	}
	l.pair("reason", e.Reason)
	if e.Status != 0 {
		l.pair("status", fmt.Sprint(e.Status))
	}
	if e.Took > 0 {
		l.pair("took", e.Took.Round(10*time.Microsecond).String())
	}
	l.pair("text", e.Text)
	if see := seeOf(e); see != "" {
		l.pair("see", reasons+"#"+see)
	}
	return l.String()
}

func ifGiven(before, text string) string {
	if text == "" {
		return ""
	}
	return before + plainText(text)
}

// seeOf is where the reason of an event is explained.
func seeOf(e *flight.Event) string {
	if e.Reason == "" {
		return ""
	}
	switch {
	case e.Kind == flight.KindConnection && e.What == flight.WhatRefused:
		return reasons.See(transport.LogRefused, "reason", e.Reason)
	case e.Kind == flight.KindConnection:
		return reasons.See("connection closed", "reason", e.Reason)
	case e.Kind == flight.KindServer && e.What == flight.WhatRefused:
		return reasons.See(servermode.LogRefused, "reason", e.Reason)
	case e.Kind == flight.KindServer:
		return reasons.See("server connection closed", "reason", e.Reason)
	case e.Kind == flight.KindRequest:
		return reasons.See(restapi.LogFailed, "reason", e.Reason)
	case e.Kind == flight.KindWebhook && e.What == flight.WhatSkipped:
		return reasons.See("webhook skipped", "reason", e.Reason)
	case e.Kind == flight.KindWebhook:
		return reasons.See("webhook called", "result", e.Reason)
	case e.Kind == flight.KindSend || e.Kind == flight.KindDelivery:
		return "drop-" + strings.ToLower(e.Reason)
	}
	return ""
}
