package bench

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Report is the result of one run. Durations are nanoseconds in JSON.
type Report struct {
	Target  string        `json:"target"`
	Floor   bool          `json:"floor,omitempty"`
	Clients Clients       `json:"clients"`
	Connect ConnectReport `json:"connect"`
	Load    *LoadReport   `json:"load,omitempty"`
	Memory  MemoryReport  `json:"memory"`
	Stalled StalledReport `json:"stalled"`
}

// ConnectReport is how the clients came in.
type ConnectReport struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	// Latency is of one client: token, negotiation, WebSocket, handshake.
	Latency Latency `json:"latency"`
	// ServerCPU is the server's CPU time per client, zero without a process id.
	ServerCPU time.Duration `json:"server_cpu_ns"`
}

// LoadReport is how the messages went out.
type LoadReport struct {
	Load     Load `json:"load"`
	Messages int  `json:"messages"`
	// Refused is how often a message was sent anew because the server said that it was busy.
	Refused       int           `json:"refused"`
	Deliveries    uint64        `json:"deliveries"`
	Seconds       float64       `json:"seconds"`
	PerSecond     float64       `json:"deliveries_per_second"`
	ReceivedBytes uint64        `json:"received_bytes"`
	Latency       Latency       `json:"latency"`
	ServerCPU     time.Duration `json:"server_cpu_per_delivery_ns"`
}

// MemoryReport is the server's resident memory in bytes, zeros without a process id.
type MemoryReport struct {
	Before    uint64 `json:"before_bytes"`
	Connected uint64 `json:"connected_bytes"`
	After     uint64 `json:"after_bytes"`
	// Peak is the most since the server began.
	Peak uint64 `json:"peak_bytes"`
	// PerConnectionAdded is what one connection takes: what came since Before, divided by the
	// connections; 0 if memory went down, as it may with few of them. PerConnection is the whole
	// process divided by the connections, which means little while they are few.
	PerConnection      float64 `json:"per_connection_bytes"`
	PerConnectionAdded float64 `json:"per_connection_added_bytes"`
}

// StalledReport is what became of the clients that did not read.
type StalledReport struct {
	Count  int `json:"count"`
	Closed int `json:"closed"`
}

func (m *MemoryReport) finish(end Sample, connections int) {
	after := end.Resident
	m.After, m.Peak = after, end.Peak
	m.PerConnection = float64(after) / float64(connections)
	m.PerConnectionAdded = max(0, float64(after)-float64(m.Before)) / float64(connections)
}

// share says what one connection takes. What few connections added is lost in
// what the process takes and gives back meanwhile.
func (m *MemoryReport) share(connections int) string {
	if m.PerConnectionAdded <= 0 {
		return "not more than before, too few connections to tell what one takes"
	}
	return fmt.Sprintf("each of %d connections added %.1f KB (the whole process, shared out among them: %.1f KB)",
		connections, m.PerConnectionAdded/1024, m.PerConnection/1024)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	p := printer{w: w}
	p.line("connected    %d %s clients in %.2f s (%.0f/s), each in p50 %s, p99 %s, max %s", r.Clients.Count+r.Clients.Stalled,
		r.Clients.Protocol, r.Connect.Seconds, r.Connect.PerSecond, short(r.Connect.Latency.P50), short(r.Connect.Latency.P99), short(r.Connect.Latency.Max))
	if r.Connect.ServerCPU > 0 {
		p.line("             %s of server CPU each", short(r.Connect.ServerCPU))
	}
	if l := r.Load; l != nil {
		p.line("sent         %d messages of %d bytes, %s, %d in flight, in %.2f s", l.Messages, l.Load.Payload, l.Load.Kind, l.Load.InFlight, l.Seconds)
		p.line("delivered    %d (%.0f/s), each counted where it arrived", l.Deliveries, l.PerSecond)
		p.line("latency      p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", short(l.Latency.P50), short(l.Latency.P90),
			short(l.Latency.P99), short(l.Latency.P999), short(l.Latency.Max))
		if l.Refused > 0 {
			p.line("refused      %d times, because the server was busy; sent anew each time", l.Refused)
		}
		if l.ServerCPU > 0 {
			p.line("server CPU   %s per delivery", short(l.ServerCPU))
		}
	}
	if r.Memory.After > 0 {
		p.line("memory       %.1f MB before, %.1f MB connected, %.1f MB at the end: %s",
			mega(r.Memory.Before), mega(r.Memory.Connected), mega(r.Memory.After), r.Memory.share(r.Clients.Count+r.Clients.Stalled))
	}
	if r.Stalled.Count > 0 {
		p.line("stalled      %d clients, %d of them closed by the server", r.Stalled.Count, r.Stalled.Closed)
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func mega(n uint64) float64 { return float64(n) / (1 << 20) }

// short rounds to what one wants to read.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}

// progress writes a line each second until ctx ends.
func (r *run) progress(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	start, last := time.Now(), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		delivered := r.tracker.delivered.Load()
		fmt.Fprintf(r.o.Progress, "%4.0fs  %-10s  %d connected  %d delivered  %d/s\n",
			time.Since(start).Seconds(), *r.phase.Load(), r.opened.Load(), delivered, delivered-last)
		last = delivered
	}
}
