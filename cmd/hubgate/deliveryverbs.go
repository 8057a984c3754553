package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/hubgate/hubgate/admin"
)

// deliveriesCommand asks a node for the events that all nodes keep.
type deliveriesCommand struct {
	List   deliveriesListCommand   `cmd:"" help:"Show dead letters, or the events that wait. All nodes have the same."`
	Show   deliveriesShowCommand   `cmd:"" help:"Show a dead letter with the last answer and the event."`
	Resend deliveriesResendCommand `cmd:"" help:"Deliver the events of dead letters again."`
}

type deliveriesListCommand struct {
	adminAccess
	Waiting bool `help:"Show the events that wait to be delivered."`
	Limit   int  `help:"Show at most so many, the oldest first; 0 is no limit." default:"100"`
	printing
}

func (c *deliveriesListCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
	defer cancel()
	list, more, err := c.read(ctx)
	if err != nil {
		return err
	}
	switch {
	case c.json():
		err = printJSON(env.stdout, append([]admin.Delivery{}, list...))
	case len(list) == 0 && c.Waiting:
		_, err = fmt.Fprintln(env.stdout, "no event waits")
	case len(list) == 0:
		_, err = fmt.Fprintln(env.stdout, "no dead letters")
	default:
		err = c.print(env.stdout, list)
	}
	if more && err == nil {
		_, err = fmt.Fprintln(env.stderr, "there are more: --limit shows them")
	}
	return err
}

// read reads as many as are asked for.
func (c *deliveriesListCommand) read(ctx context.Context) (list []admin.Delivery, more bool, err error) {
	if c.Waiting {
		var page admin.DeliveryList
		err := c.ask(ctx, http.MethodGet, "deliveries/waiting?limit="+fmt.Sprint(c.Limit), nil, decodeInto(&page))
		return page.Deliveries, page.More, err
	}
	for from := uint64(1); from > 0; {
		var page admin.DeliveryList
		if err := c.ask(ctx, http.MethodGet, fmt.Sprint("deliveries?from=", from), nil, decodeInto(&page)); err != nil {
			return nil, false, err
		}
		list, from = append(list, page.Deliveries...), page.Next
		if c.Limit > 0 && len(list) >= c.Limit {
			return list[:c.Limit], len(list) > c.Limit || from > 0, nil
		}
	}
	return list, false, nil
}

func decodeInto(v any) func(io.Reader) error {
	return func(r io.Reader) error { return json.NewDecoder(r).Decode(v) }
}

func (c *deliveriesListCommand) print(w io.Writer, list []admin.Delivery) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if c.Waiting {
		fmt.Fprintln(table, "SINCE\tHUB\tEVENT\tCONNECTION\tNODE")
		for i := range list {
			d := &list[i]
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", d.Since.UTC().Format(time.RFC3339), d.Hub, d.Category+"/"+d.Name, d.Connection, d.Node)
		}
		return table.Flush()
	}
	fmt.Fprintln(table, "NUMBER\tSINCE\tHUB\tEVENT\tCONNECTION\tREASON\tATTEMPTS\tLAST ANSWER")
	for i := range list {
		d := &list[i]
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.Number, d.Since.UTC().Format(time.RFC3339), d.Hub, d.Category+"/"+d.Name,
			d.Connection, d.Reason, d.Attempts, lastAnswer(d))
	}
	return table.Flush()
}

func lastAnswer(d *admin.Delivery) string {
	if d.Status != 0 {
		return fmt.Sprint(d.Status)
	}
	return d.Result
}

type deliveriesShowCommand struct {
	adminAccess
	Number uint64 `arg:"" help:"Number of the dead letter."`
}

func (c *deliveriesShowCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
	defer cancel()
	var d admin.Delivery
	if err := c.ask(ctx, http.MethodGet, fmt.Sprint("deliveries/", c.Number), nil, decodeInto(&d)); err != nil {
		return err
	}
	return printJSON(env.stdout, &d)
}

type deliveriesResendCommand struct {
	adminAccess
	Numbers []uint64 `arg:"" optional:"" help:"Numbers of dead letters."`
	All     bool     `help:"All that there are now."`
}

func (c *deliveriesResendCommand) Run(env *environment) error {
	if (len(c.Numbers) > 0) == c.All {
		return usage(errors.New("name dead letters, or --all"))
	}
	numbers := c.Numbers
	if c.All {
		all := deliveriesListCommand{adminAccess: c.adminAccess}
		list, _, err := all.read(env.ctx)
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].Resendable {
				numbers = append(numbers, list[i].Number)
			}
		}
	}
	for i, number := range numbers {
		ctx, cancel := context.WithTimeout(env.ctx, clusterTime)
		err := c.ask(ctx, http.MethodPost, fmt.Sprint("deliveries/", number, "/resend"), nil, func(io.Reader) error { return nil })
		cancel()
		if err != nil {
			return fmt.Errorf("%d: %w; %d were put on their way before", number, err, i)
		}
	}
	_, err := fmt.Fprintf(env.stdout, "%d put on their way again\n", len(numbers))
	return err
}
