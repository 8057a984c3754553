package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/hubgate/hubgate/bench"
)

// server is one of the parties of a scenario.
type server struct {
	name       string
	floor, tls bool
	// hub has a hub server in Go behind it.
	hub bool
	// program is what runs, if that is not hubgate as it is here.
	program string
	// serve are further arguments of its own, env its variables, args further arguments of its load.
	serve, env, args []string
}

var (
	theFloor = server{name: "floor", floor: true}
	hubgate  = server{name: "hubgate"}
	// aspNet has clients of ASP.NET SignalR; the load is their application. The floor beside it has its
	// own clients, which get as many bytes.
	aspNet = server{name: "hubgate, ASP.NET SignalR", serve: []string{"--mode", "default"}, args: []string{"--aspnet"}}
)

// scenario is one load for several servers. The first server is what the others
// are compared with.
type scenario struct {
	name    string
	title   string
	clients int
	args    []string
	// watched: the metrics of hubgate are read while the load runs.
	watched bool
	servers []server
	figures []figure
}

// result is one run.
type result struct {
	*bench.Report
	watched watched
}

// figure is one number of a run.
type figure struct {
	name   string
	unit   string
	of     func(result) float64
	ratios bool
}

const mega = 1 << 20

var (
	cpuPerDelivery = figure{"CPU per delivery", "µs", func(r result) float64 { return float64(r.Load.ServerCPU) / 1e3 }, true}
	deliveries     = figure{"deliveries per second", "/s", func(r result) float64 { return r.Load.PerSecond }, false}
	p50            = figure{"latency p50", "ms", func(r result) float64 { return float64(r.Load.Latency.P50) / 1e6 }, false}
	p99            = figure{"latency p99", "ms", func(r result) float64 { return float64(r.Load.Latency.P99) / 1e6 }, true}
	resident       = figure{"resident per connection", "KB", func(r result) float64 { return r.Memory.PerConnection / 1024 }, true}
	residentAdded  = figure{"of it added by connections", "KB", func(r result) float64 { return r.Memory.PerConnectionAdded / 1024 }, true}
	connectSeconds = figure{"all connected after", "s", func(r result) float64 { return r.Connect.Seconds }, false}
	connectCPU     = figure{"CPU per client", "µs", func(r result) float64 { return float64(r.Connect.ServerCPU) / 1e3 }, true}
	cpuPerCall     = figure{"CPU per call", "µs", cpuPerDelivery.of, true}
	calls          = figure{"calls per second", "/s", deliveries.of, false}
	slowClosed     = figure{"closed as SlowClient", "clients", func(r result) float64 { return r.watched.slow }, false}
	closedAfter    = figure{"the first of them, after bytes waited for", "s", func(r result) float64 { return r.watched.closedAfter.Seconds() }, false}
	peakQueued     = figure{"most that waited, summed up over clients", "MB", func(r result) float64 { return r.watched.peakQueued / mega }, false}
	peakMemory     = figure{"most memory that the load added", "MB", func(r result) float64 {
		return max(0, float64(r.Memory.Peak)-float64(r.Memory.Connected)) / mega
	}, false}
	refused = figure{"messages refused meanwhile (503)", "times", func(r result) float64 { return float64(r.Load.Refused) }, false}
	// A run in which a client that reads misses one ends with an error.
	received = figure{"deliveries to those who read, all of them", "", func(r result) float64 { return float64(r.Load.Deliveries) }, false}
)

// nodeBound is what may wait for clients where 500 stall at once.
const nodeBound = "64MiB"

var scenarios = []scenario{
	{
		name: "connect", title: "10 000 clients connect at once: WebSocket and handshake, with hubgate also tokens and negotiation", clients: 10_000,
		args: []string{"--no-load", "--parallel", "0"},
		servers: []server{
			theFloor,
			{name: "hubgate, token", args: []string{"--no-negotiate"}},
			{name: "hubgate, token and negotiation"},
		},
		figures: []figure{connectSeconds, connectCPU},
	},
	{
		name: "echo", title: "50 clients call a method with 128 B again and again; the floor is a bare WebSocket loop", clients: 50,
		args: []string{"--echo", "--payload", "128", "--duration", "2s", "--warmup", "2000"},
		servers: []server{
			{name: "bare echo loop", floor: true, serve: []string{"-echo"}},
			{name: "hubgate, a hub in Go", hub: true, serve: []string{"--mode", "default"}},
		},
		figures: []figure{cpuPerCall, p50, p99, calls},
	},
	{
		name: "idle", title: "10 000 idle clients, 60 s after one broadcast of 2 KB", clients: 10_000,
		args:    []string{"--broadcast", "--payload", "2048", "--count", "1", "--warmup", "0", "--idle", "60s"},
		servers: []server{theFloor, hubgate}, figures: []figure{resident, residentAdded},
	},
	{
		name: "idle-tls", title: "10 000 idle clients over TLS, 60 s after one broadcast of 2 KB", clients: 10_000,
		args:    []string{"--broadcast", "--payload", "2048", "--count", "1", "--warmup", "0", "--idle", "60s"},
		servers: []server{{name: "floor, TLS", floor: true, tls: true}, {name: "hubgate, TLS", tls: true}},
		figures: []figure{resident, residentAdded, connectCPU},
	},
	{
		name: "broadcast", title: "broadcast of 128 B, one at a time, to 2 000 clients", clients: 2000,
		args:    []string{"--broadcast", "--payload", "128", "--count", "300", "--warmup", "20"},
		servers: []server{theFloor, hubgate}, figures: []figure{cpuPerDelivery, p50, p99, deliveries},
	},
	{
		name: "aspnet-broadcast-2000", title: "broadcast of 128 B, one at a time, by a hub server to 2 000 clients of ASP.NET SignalR", clients: 2000,
		args:    []string{"--broadcast", "--payload", "128", "--count", "300", "--warmup", "20"},
		servers: []server{theFloor, aspNet}, figures: []figure{cpuPerDelivery, p50, p99, deliveries},
	},
	{
		name: "aspnet-idle", title: "10 000 idle clients of ASP.NET SignalR, 60 s after one broadcast of 2 KB", clients: 10_000,
		args:    []string{"--broadcast", "--payload", "2048", "--count", "1", "--warmup", "0", "--idle", "60s"},
		servers: []server{theFloor, aspNet}, figures: []figure{resident, residentAdded, connectCPU},
	},
	{
		name: "aspnet-echo", title: "50 clients of ASP.NET SignalR call a method with 128 B again and again; the floor is a bare WebSocket loop", clients: 50,
		args:    []string{"--echo", "--payload", "128", "--duration", "2s", "--warmup", "2000"},
		servers: []server{{name: "bare echo loop", floor: true, serve: []string{"-echo"}}, aspNet},
		figures: []figure{cpuPerCall, p50, p99, calls},
	},
	{
		name: "broadcast-10000", title: "broadcast of 128 B, one at a time, to 10 000 clients", clients: 10_000,
		args:    []string{"--broadcast", "--payload", "128", "--count", "60", "--warmup", "5"},
		servers: []server{theFloor, hubgate}, figures: []figure{cpuPerDelivery, p50, p99, deliveries},
	},
	{
		name: "in-flight", title: "broadcast of 128 B, 16 in flight, to 1 000 clients", clients: 1000,
		args:    []string{"--broadcast", "--in-flight", "16", "--payload", "128", "--count", "2000", "--warmup", "100"},
		servers: []server{theFloor, hubgate}, figures: []figure{cpuPerDelivery, p50, p99, deliveries},
	},
	{
		name: "stall-one", title: "100 broadcasts of 8 KB a second to 200 clients for 30 s, without and with one that does not read", clients: 200,
		args:    []string{"--broadcast", "--payload", "8192", "--in-flight", "4", "--rate", "100", "--duration", "30s", "--warmup", "20", "--no-negotiate"},
		watched: true,
		servers: []server{
			{name: "hubgate, none stalls"},
			{name: "floor, none stalls", floor: true},
			{name: "hubgate, one stalls", args: []string{"--stall", "1"}},
		},
		figures: []figure{p50, p99, slowClosed, closedAfter},
	},
	{
		name: "stall-500", title: "20 broadcasts of 16 KB a second to 200 clients for 30 s, without and with 500 that do not read; at most " + nodeBound + " may wait", clients: 200,
		args:    []string{"--broadcast", "--payload", "16384", "--in-flight", "4", "--rate", "20", "--duration", "30s", "--warmup", "20", "--no-negotiate"},
		watched: true,
		servers: []server{
			{name: "hubgate, none stall"},
			{name: "floor, none stall", floor: true},
			{name: "hubgate, 500 stall", args: []string{"--stall", "500"}, env: []string{"HUBGATE_LIMITS_QUEUED_BYTES=" + nodeBound}},
		},
		figures: []figure{received, refused, peakQueued, peakMemory, slowClosed, p50, p99},
	},
}

// print writes one table; results are by server, then by round.
func (s *scenario) print(out io.Writer, results [][]result) error {
	fmt.Fprintf(out, "%s\n", s.title)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, f := range s.figures {
		var reference spread
		for i, v := range s.servers {
			values := spreadOf(results[i], f.of)
			fmt.Fprintf(table, "  %s\t%s\t%s", f.name, v.name, values.text(f.unit))
			switch {
			case i == 0:
				reference = values
			case f.ratios && reference.median > 0:
				fmt.Fprintf(table, "\t× %s", ratios(results[i], results[0], f.of).text(""))
				fmt.Fprintf(table, "\tmedians × %.2f", values.median/reference.median)
			}
			fmt.Fprintln(table)
		}
	}
	fmt.Fprintln(table)
	return table.Flush()
}

// spread is how a figure varied over the rounds.
type spread struct{ least, median, greatest float64 }

func spreadOf(results []result, of func(result) float64) spread {
	values := make([]float64, 0, len(results))
	for _, r := range results {
		values = append(values, of(r))
	}
	return spreadOfValues(values)
}

// ratios compares round by round: what disturbed the machine then disturbed both.
func ratios(results, reference []result, of func(result) float64) spread {
	values := make([]float64, 0, len(results))
	for i, r := range results {
		values = append(values, of(r)/of(reference[i]))
	}
	return spreadOfValues(values)
}

func spreadOfValues(values []float64) spread {
	slices.Sort(values)
	n := len(values)
	return spread{least: values[0], median: (values[(n-1)/2] + values[n/2]) / 2, greatest: values[n-1]}
}

func (s spread) text(unit string) string {
	if unit != "" {
		unit = " " + unit
	}
	return fmt.Sprintf("%s%s [%s … %s]", number(s.median), unit, number(s.least), number(s.greatest))
}

func number(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
