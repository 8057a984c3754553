package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/internal/nearest"
)

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 80 // what the user gave makes no sense; kong's code for it
)

// terminal is where a command writes to: results to stdout, logs, progress and
// errors to stderr.
type terminal struct{ stdout, stderr io.Writer }

// commands are the verbs. Each has its flags as fields and a method Run.
type commands struct {
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Run the gateway (the default command)."`
	Token       tokenCommand       `cmd:"" help:"Sign an access token for a client or for REST, or check one."`
	Send        sendCommand        `cmd:"" help:"Send a message to clients through the REST API."`
	Listen      listenCommand      `cmd:"" help:"Connect as a client and print what arrives."`
	Call        callCommand        `cmd:"" help:"Connect as a client, call a method of a hub and print the result."`
	Hooks       hooksCommand       `cmd:"" help:"Serve webhooks on this machine: print each event, and answer."`
	Watch       watchCommand       `cmd:"" help:"Print what happens at a running gateway: connections, sends, webhooks."`
	Trace       traceCommand       `cmd:"" help:"Search what has happened: find out what became of a message or a connection."`
	Connections connectionsCommand `cmd:"" aliases:"connection" help:"List, show or close the connections of a hub."`
	Users       usersCommand       `cmd:"" aliases:"user" help:"List the users of a hub who are connected, or close their connections."`
	Groups      groupsCommand      `cmd:"" aliases:"group" help:"List the groups of a hub, or close their connections."`
	Bench       benchCommand       `cmd:"" help:"Connect many clients, send and measure."`
	Plan        planCommand        `cmd:"" help:"Say how many nodes a load takes, from what this machine needs for it."`
	Upstream    upstreamCommand    `cmd:"" help:"Make, show or change upstream webhook templates."`
	Mode        modeCommand        `cmd:"" help:"Show or change the service mode of a running gateway."`
	Cors        corsCommand        `cmd:"" help:"Show or change which web pages may use a running gateway."`
	NetworkRule networkRuleCommand `cmd:"" help:"Show or change which requests a running gateway lets in."`
	Key         keyCommand         `cmd:"" help:"Show or replace the access keys of a running gateway."`
	Settings    settingsCommand    `cmd:"" help:"Show, change, roll back, import or export the settings of a running gateway."`
	Restart     restartCommand     `cmd:"" help:"Have all clients and hub servers of a running gateway connect again."`
	Cluster     clusterCommand     `cmd:"" help:"Show the nodes of a cluster, replace a voter, export and import what is stored."`
	Doctor      doctorCommand      `cmd:"" help:"Look for what stands between clients and a gateway: proxies, certificates, clocks, limits, upstreams."`
	Fault       faultCommand       `cmd:"" help:"Inject faults into a hub that is marked for it, to test its clients."`
	Config      configCommand      `cmd:"" help:"Print the effective configuration without its secrets."`
	Health      healthCommand      `cmd:"" help:"Ask a running gateway whether it takes clients; for container health checks."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// environment is what a command runs in.
type environment struct {
	terminal
	ctx  context.Context
	args []string
	// ready is told what serve listens on; nil asks for nothing.
	ready func(endpoints)
}

const description = `A self-hosted gateway compatible with Azure SignalR Service.

Without arguments it serves on http://localhost:8888 in Serverless mode; --mode
default takes hub servers, such as ASP.NET Core applications. Options also come from HUBGATE_* environment variables and from the file that --config names.`

// run is the whole program. It returns the exit code. Cancelling ctx asks for an
// orderly end. ready, if not nil, is called once when serve takes requests.
func run(ctx context.Context, args []string, term terminal, ready func(endpoints)) int {
	env := &environment{terminal: term, ctx: ctx, args: args, ready: ready}
	command, err := parse(args, term)
	if errors.Is(err, errHelp) {
		return exitOK
	}
	if err != nil {
		// kong puts the verb in front of what Validate says of an option.
		fmt.Fprintf(term.stderr, "hubgate: %s\n", strings.TrimPrefix(err.Error(), "serve: "))
		return exitUsage
	}
	if err := command.Run(env); err != nil {
		fmt.Fprintf(term.stderr, "hubgate: %v\n", err)
		if _, ok := errors.AsType[usageError](err); ok {
			return exitUsage
		}
		return exitError
	}
	return exitOK
}

// usageError is a mistake in what the user gave, whoever finds it: in an
// argument, a variable or a configuration file.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage marks an error as a usageError; nil stays nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// errHelp says that help was asked for and printed.
var errHelp = errors.New("help")

// parse reads the arguments into a new set of commands and chooses one.
func parse(args []string, term terminal) (*kong.Context, error) {
	return parseInto(&commands{}, args, term)
}

func parseInto(into *commands, args []string, term terminal) (*kong.Context, error) {
	helped := false
	options := append(config.Options(),
		kong.Name("hubgate"),
		kong.Description(description),
		kong.Writers(term.stdout, term.stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"connection_string_env": connectionStringEnv, "functions_url": functionsURL, "version": versionLine()},
	)
	parser, err := kong.New(into, options...)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && args[0] == "help" { // hubgate help send
		args = append(slices.Clone(args[1:]), "--help")
	}
	ctx, err := parser.Parse(args)
	if helped {
		return nil, errHelp
	}
	if err != nil {
		err = cmp.Or(unknownVerb(parser.Model, args), err)
	}
	return ctx, err
}

// unknownVerb is the error of arguments whose first was meant to be a verb. kong
// takes it for an argument of the default verb.
func unknownVerb(model *kong.Application, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil
	}
	var verbs []string
	for _, verb := range model.Children {
		if verb.Name == args[0] {
			return nil
		}
		verbs = append(verbs, verb.Name)
	}
	return fmt.Errorf("unknown verb %q%s hubgate --help lists the verbs", args[0], cmp.Or(nearest.Hint(args[0], verbs), "."))
}
