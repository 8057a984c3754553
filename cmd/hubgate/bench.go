package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench"
)

// benchCommand measures a gateway from outside, see package bench.
type benchCommand struct {
	destination
	Floor string `help:"Measure bench/floor at this URL instead, under the same load." placeholder:"URL"`
	PID   int    `name:"pid" help:"The gateway's process id on this machine: reports its CPU and memory." placeholder:"PID"`
	JSON  bool   `name:"json" help:"Print the report as JSON."`
	Quiet bool   `help:"No progress lines." short:"q"`

	Clients benchClients `embed:"" group:"Clients"`
	Load    benchLoad    `embed:"" group:"Load"`
}

type benchClients struct {
	Hub       string        `help:"The hub." default:"bench"`
	Clients   int           `help:"How many clients connect." default:"1000" short:"c"`
	AspNet    bool          `name:"aspnet" help:"Clients of ASP.NET SignalR. This command is their application too: it serves the hub, which must not be in Serverless mode."`
	Protocol  string        `help:"Hub protocol of the clients: json or messagepack." enum:"json,messagepack" default:"json"`
	Negotiate bool          `help:"Clients negotiate before they connect." default:"true" negatable:""`
	Claims    int           `help:"Claims in each client's token, beside its user id." default:"5"`
	Parallel  int           `help:"Clients that are connecting at a time; 0 is all at once." default:"256"`
	Stall     int           `help:"Further clients that never read after their handshake." default:"0"`
	Timeout   time.Duration `help:"Bound on connecting one client and on delivering one message." default:"60s"`
}

// benchApplication is the application of the clients of ASP.NET SignalR.
const benchApplication = "hubgate.bench"

type benchLoad struct {
	Broadcast bool          `help:"Send to all clients, the next message when all have the last one (default, unless --to-users, --echo or --no-load)." xor:"kind"`
	ToUsers   bool          `help:"Send each message to one random user." xor:"kind"`
	Echo      bool          `help:"Each client calls the hub's method echo, which returns its one argument, again and again." xor:"kind"`
	NoLoad    bool          `help:"Send nothing: connect and idle." xor:"kind"`
	InFlight  int           `help:"Messages that may be under way at a time." default:"1"`
	Rate      float64       `help:"Messages of a second at most, evenly spread; 0 is as many as --in-flight allows. Not with --echo." default:"0"`
	Payload   int           `help:"Bytes of the one text argument." default:"128"`
	Count     int           `help:"Messages to send." default:"100"`
	Duration  time.Duration `help:"Send for so long instead of a count."`
	Warmup    int           `help:"Messages that go first and are not measured." default:"5"`
	Idle      time.Duration `help:"How long to stay connected, pinging, before memory is read." default:"0s"`
}

func (c *benchCommand) Run(env *environment) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	if !c.Quiet {
		options.Progress = env.stderr
	}
	report, err := bench.Run(env.ctx, options)
	if _, ok := errors.AsType[bench.OptionsError](err); ok {
		return usage(err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(env.stdout, report)
	}
	return report.WriteText(env.stdout)
}

func (c *benchCommand) options() (bench.Options, error) {
	o := bench.Options{
		Target: bench.Target{Hub: c.Clients.Hub},
		Clients: bench.Clients{
			Count: c.Clients.Clients, Protocol: bench.Protocol(c.Clients.Protocol), Negotiate: c.Clients.Negotiate,
			Parallel: c.Clients.Parallel, Stalled: c.Clients.Stall, Timeout: c.Clients.Timeout,
		},
		Load: bench.Load{
			Kind: bench.Broadcast, Payload: c.Load.Payload, InFlight: c.Load.InFlight, Count: c.Load.Count,
			Duration: c.Load.Duration, Rate: c.Load.Rate, Warmup: c.Load.Warmup, Idle: c.Load.Idle,
		},
		PID: c.PID,
	}
	switch {
	case c.Load.ToUsers:
		o.Load.Kind = bench.ToUsers
	case c.Load.Echo:
		o.Load.Kind = bench.Echo
	case c.Load.NoLoad:
		o.Load.Kind = bench.Nothing
	}
	var err error
	if o.Target.TLS, err = c.trust.config(); err != nil {
		return o, err
	}
	return o, c.aim(&o.Target)
}

// aim sets where the load goes and who signs its tokens.
func (c *benchCommand) aim(t *bench.Target) (err error) {
	if c.Floor != "" {
		t.Floor = true
		t.Endpoint, err = url.Parse(c.Floor)
		return usage(err)
	}
	if err := checkHub(c.Clients.Hub); err != nil {
		return err
	}
	cs, err := c.parse()
	if err != nil {
		return err
	}
	spec := auth.ClientTokenSpec{}
	for i := range c.Clients.Claims {
		spec.Claims = append(spec.Claims, auth.Claim{Type: fmt.Sprintf("claim%d", i), Value: strings.Repeat("v", 16)})
	}
	t.Endpoint, t.REST = cs.Client(), cs.Server()
	if c.Clients.AspNet {
		t.Application, spec.Application = benchApplication, benchApplication
		t.ServerToken = func(hub string) (string, error) {
			return auth.SignAspNetServer(cs.AccessKey, base(cs.Server()), hub, benchApplication, 0)
		}
	}
	t.ClientToken = func(user string) (string, error) {
		own := spec
		own.UserID = user
		if c.Clients.AspNet {
			return auth.SignAspNetClient(cs.AccessKey, base(cs.Client()), own)
		}
		return auth.SignClient(cs.AccessKey, base(cs.Client()), c.Clients.Hub, own)
	}
	t.RESTToken = func(resource string) (string, error) { return auth.SignREST(cs.AccessKey, resource, 0) }
	return nil
}
