package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench"
	"github.com/hubgate/hubgate/bench/plan"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/internal/spawn"
)

// planCommand says what a load takes, see package plan.
type planCommand struct {
	Units     int     `help:"Units of Azure SignalR Service that the load is for, instead of the options below." placeholder:"N"`
	Clients   int     `help:"Clients that are connected at a time." default:"1000"`
	Connects  float64 `help:"Clients that come in a second." default:"10"`
	Messages  float64 `help:"Messages that are sent in a second." default:"10"`
	Receivers float64 `help:"Clients that get a message; 0 is all of them." default:"0"`
	Size      int     `help:"Bytes of a message's arguments." default:"512"`

	Processors float64     `help:"Processors of a node." default:"4"`
	Memory     config.Size `help:"Memory of a node." default:"8GiB"`
	Spare      int         `help:"Nodes that may be away." default:"0"`

	Costs   string `help:"File with costs that were measured before, as --save wrote it. Without it they are measured now, on this machine." placeholder:"FILE"`
	Save    string `help:"Write the measured costs to this file." placeholder:"FILE"`
	Measure int    `help:"Clients to measure with." default:"2000"`
	JSON    bool   `name:"json" help:"Print the plan as JSON."`
	Quiet   bool   `help:"No progress lines." short:"q"`
}

func (c *planCommand) Run(env *environment) error {
	load := plan.Load{Clients: c.Clients, Connects: c.Connects, Messages: c.Messages, Receivers: cmp.Or(c.Receivers, float64(c.Clients)), Size: c.Size}
	if c.Units > 0 {
		load = plan.OfUnits(c.Units)
	}
	if err := load.Check(); err != nil {
		return usage(err)
	}
	costs, err := c.costs(env)
	if err != nil {
		return err
	}
	p, err := plan.Of(load, costs, plan.Node{Processors: c.Processors, Memory: float64(c.Memory)}, c.Spare)
	if err != nil {
		return usage(err)
	}
	if c.JSON {
		return printJSON(env.stdout, map[string]any{"costs": costs, "plan": p})
	}
	return writePlan(env.stdout, costs, p)
}

// costs reads them, or measures them.
func (c *planCommand) costs(env *environment) (costs plan.Costs, err error) {
	if c.Costs != "" {
		text, err := os.ReadFile(c.Costs)
		if err == nil {
			err = json.Unmarshal(text, &costs)
		}
		if err == nil && (costs.BaseMemory <= 0 || costs.Delivery <= 0) {
			err = errors.New("no costs are in it; --save writes such a file")
		}
		if err != nil {
			return costs, usage(fmt.Errorf("--costs: %s: %w", c.Costs, err))
		}
		return costs, nil
	}
	if costs, err = c.measure(env); err != nil || c.Save == "" {
		return costs, err
	}
	text, err := json.MarshalIndent(costs, "", "  ")
	if err != nil {
		return costs, err
	}
	return costs, os.WriteFile(c.Save, append(text, '\n'), 0o644)
}

// measure starts a gateway of its own, as another process of this program.
func (c *planCommand) measure(env *environment) (plan.Costs, error) {
	key := auth.Secret(rand.Text() + rand.Text())
	program, err := os.Executable()
	if err != nil {
		return plan.Costs{}, err
	}
	gateway, err := spawn.Start(env.ctx, spawn.Command(program, []string{"serve"}, []string{
		"HUBGATE_LISTEN=localhost:0", "HUBGATE_ADMIN_LISTEN=off", "HUBGATE_ACCESS_KEY=" + string(key),
	}), nil)
	if err != nil {
		return plan.Costs{}, fmt.Errorf("the gateway to measure: %w", err)
	}
	defer gateway.Kill() // there are no clients any more that it could let go
	at, err := url.Parse(gateway.URL)
	if err != nil {
		return plan.Costs{}, err
	}
	m := plan.Measurement{Target: targetOf(at, key), PID: gateway.PID(), Clients: c.Measure, Messages: 100}
	if !c.Quiet {
		m.Progress = env.stderr
	}
	return m.Run(env.ctx)
}

func targetOf(at *url.URL, key auth.Secret) bench.Target {
	const hub = "plan"
	return bench.Target{
		Endpoint: at, Hub: hub,
		ClientToken: func(user string) (string, error) {
			return auth.SignClient(key, base(at), hub, auth.ClientTokenSpec{UserID: user})
		},
		RESTToken: func(resource string) (string, error) { return auth.SignREST(key, resource, 0) },
	}
}

const planText = `load        %d clients, %s of them come in a second; %s messages a second to %s clients each, %d bytes
nodes       %d with %s processors and %s each%s
because     %s
each node   %.2f processors, %s of memory, %d file descriptors
all         %.2f processors, %s of memory, %s out, %s in
costs       client %s and %.0f us to connect; message %.1f us; copy %.2f us and %.2f ns a byte
error       %.0f %%: how far loads were off, that were measured and not used for the costs
`

// writePlan writes it for people.
func writePlan(w io.Writer, c plan.Costs, p plan.Plan) error {
	spare := ""
	if p.Spare > 0 {
		spare = fmt.Sprintf(", %d of which may be away", p.Spare)
	}
	us := func(ns float64) float64 { return ns / float64(time.Microsecond) }
	_, err := fmt.Fprintf(w, planText,
		p.Load.Clients, digits(p.Load.Connects, 4), digits(p.Load.Messages, 4), digits(p.Load.Receivers, 4), p.Load.Size,
		p.Nodes, digits(p.Node.Processors, 4), bytesText(p.Node.Memory), spare, p.Because,
		p.NodeProcessors, bytesText(p.NodeMemory), p.Files,
		p.Processors, bytesText(p.Memory), bits(p.Out), bits(p.In),
		bytesText(c.ClientMemory), us(c.Connect), us(c.Request), us(c.Delivery), c.Byte, 100*p.Error)
	return err
}

// bytesText and bits write an amount with three digits.
func bytesText(n float64) string { return amount(n, 1024, "B", "KiB", "MiB", "GiB", "TiB") }

func bits(n float64) string { return amount(n, 1000, "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s") }

func amount(n, step float64, units ...string) string {
	i := 0
	for ; n >= step && i < len(units)-1; i++ {
		n /= step
	}
	return digits(n, 3) + " " + units[i]
}

// digits writes a number with so many digits that count, and without an exponent.
func digits(n float64, count int) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(n, 'g', count, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
