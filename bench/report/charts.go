package main

import (
	"slices"
	"strconv"
	"strings"
)

// chart is one plot and one table: a figure of every server.
type chart struct {
	figure, title, unit string
	// text says what it is, and what is better.
	text string
	// wall says that it is wall time, which means nothing on a machine that does other things too.
	wall bool
}

func (c chart) file() string { return "benchmark-" + c.figure + ".svg" }

var charts = []chart{
	{"broadcastCPU", "CPU of a delivery, one broadcast at a time", "µs", "1 000 clients. The next message goes out when all clients have the last one. Less is better.", false},
	{"floodCPU", "CPU of a delivery, 16 broadcasts at a time", "µs", "1 000 clients. Sixteen messages are under way at any time. Servers that join what waits for a client need fewer system calls. Less is better.", false},
	{"floodRate", "Deliveries in a second, 16 broadcasts at a time", "/s", "The same load. The load program shares the processors with the server, so this is not the most that a server can do. More is better.", true},
	{"steadyP50", "Latency at a steady rate: half of the deliveries are faster", "ms", "500 clients get 40 broadcasts in a second, from every server alike: 20 000 deliveries in a second. Less is better.", true},
	{"steadyP99", "Latency at a steady rate: 99 of 100 deliveries are faster", "ms", "The same load. What else the machine did at that time shows here first. Less is better.", true},
	{"memory", "Memory that an idle client adds", "KiB", "2 000 clients connect, and are idle for a second. Less is better.", false},
	{"start", "Memory of the server without clients", "MiB", "Right after it listens. Less is better.", false},
	{"connectCPU", "CPU of a client that connects", "µs", "WebSocket and handshake. hubgate also checks a token that it has not seen before. Less is better.", false},
}

// charts are those that the machine's other work left a meaning.
func (r *results) charts() []chart {
	if r.quiet() {
		return charts
	}
	return slices.DeleteFunc(slices.Clone(charts), func(c chart) bool { return c.wall })
}

// Most is how large the load is that a run makes itself: server and load program each want all processors.
func (r *results) Most() int { return 2 * r.Machine.Processors }

// quiet reports whether the machine did nothing else of weight. The load before a run is only of other work; that after
// it is of the run too.
func (r *results) quiet() bool {
	return below(r.LoadBefore, r.Machine.Processors) && below(r.LoadAfter, r.Most())
}

// below reports whether the first of some load averages, that of the last minute, is below a bound.
func below(averages string, bound int) bool {
	first, _, _ := strings.Cut(averages, ",")
	load, err := strconv.ParseFloat(first, 64)
	return err == nil && load < float64(bound)
}

// Busy says whether figures of wall time were left out.
func (r *results) Busy() bool { return !r.quiet() }
