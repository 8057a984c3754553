package main

// chart is one plot and one table: a figure of every server.
type chart struct {
	figure, title, unit string
	// text says what it is, and what is better.
	text string
}

func (c chart) file() string { return "benchmark-" + c.figure + ".svg" }

var charts = []chart{
	{"broadcastCPU", "CPU of a delivery, one broadcast at a time", "µs", "1 000 clients. The next message goes out when all clients have the last one. Less is better."},
	{"floodCPU", "CPU of a delivery, 16 broadcasts at a time", "µs", "1 000 clients. Sixteen messages are under way at any time. Servers that join what waits for a client need fewer system calls. Less is better."},
	{"floodRate", "Deliveries in a second, 16 broadcasts at a time", "/s", "The same load. The load program shares the processors with the server, so this is not the most that a server can do. More is better."},
	{"steadyP50", "Latency at a steady rate: half of the deliveries are faster", "ms", "500 clients get 40 broadcasts in a second, from every server alike: 20 000 deliveries in a second. Less is better."},
	{"steadyP99", "Latency at a steady rate: 99 of 100 deliveries are faster", "ms", "The same load. What else the machine did at that time shows here first. Less is better."},
	{"memory", "Memory that an idle client adds", "KiB", "3 000 clients connect, and are idle for 2 seconds. Less is better."},
	{"start", "Memory of the server without clients", "MiB", "Right after it listens. Less is better."},
	{"connectCPU", "CPU of a client that connects", "µs", "WebSocket and handshake. hubgate also checks a token that it has not seen before. Less is better."},
}
