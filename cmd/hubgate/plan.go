package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench"
	"github.com/hubgate/hubgate/bench/plan"
	"github.com/hubgate/hubgate/config"
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
	gateway, err := startToMeasure(env.ctx, key)
	if err != nil {
		return plan.Costs{}, err
	}
	defer gateway.stop()
	m := plan.Measurement{Target: gateway.target(key), PID: gateway.cmd.Process.Pid, Clients: c.Measure, Messages: 100}
	if !c.Quiet {
		m.Progress = env.stderr
	}
	return m.Run(env.ctx)
}

// measured is the gateway that is measured.
type measured struct {
	cmd *exec.Cmd
	url *url.URL
}

var servesLine = regexp.MustCompile(`msg=serving .*?url=(\S+)`)

// startToMeasure waits until it serves.
func startToMeasure(ctx context.Context, key auth.Secret) (*measured, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = []string{"HUBGATE_LISTEN=localhost:0", "HUBGATE_ADMIN_LISTEN=off", "HUBGATE_LOG_FORMAT=text", "HUBGATE_ACCESS_KEY=" + string(key), "HUBGATE_DRAIN_TIMEOUT=1s"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HUBGATE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	g := &measured{cmd: cmd}
	lines := bufio.NewScanner(log)
	var said []string
	for lines.Scan() {
		if m := servesLine.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			if g.url, err = url.Parse(m[1]); err != nil {
				g.stop()
			}
			return g, err
		}
		said = append(said, lines.Text())
	}
	g.stop()
	return nil, fmt.Errorf("the gateway to measure did not start: %s", strings.Join(said, "\n"))
}

// stop does not wait for clients to leave: there are none any more.
func (g *measured) stop() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
}

func (g *measured) target(key auth.Secret) bench.Target {
	const hub = "plan"
	return bench.Target{
		Endpoint: g.url, Hub: hub,
		ClientToken: func(user string) (string, error) {
			return auth.SignClient(key, base(g.url), hub, auth.ClientTokenSpec{UserID: user})
		},
		RESTToken: func(resource string) (string, error) { return auth.SignREST(key, resource, 0) },
	}
}

const planText = `load        %d clients, %.4g of them come in a second; %.4g messages a second to %.4g clients each, %d bytes
nodes       %d with %.4g processors and %s each%s
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
		p.Load.Clients, p.Load.Connects, p.Load.Messages, p.Load.Receivers, p.Load.Size,
		p.Nodes, p.Node.Processors, bytesText(p.Node.Memory), spare, p.Because,
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
	return fmt.Sprintf("%.3g %s", n, units[i])
}
