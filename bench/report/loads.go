package main

import (
	"time"

	"github.com/hubgate/hubgate/bench"
)

// load is what every server gets, one load after the other in the same process.
type load struct {
	name    string
	clients int
	of      bench.Load
}

const payload = 128

var loads = []load{
	{"connect", 2000, bench.Load{Kind: bench.Nothing, Idle: time.Second}},
	{"broadcast", 1000, bench.Load{Kind: bench.Broadcast, Payload: payload, InFlight: 1, Duration: 1500 * time.Millisecond, Warmup: 30}},
	{"flood", 1000, bench.Load{Kind: bench.Broadcast, Payload: payload, InFlight: 16, Duration: 1500 * time.Millisecond, Warmup: 30}},
	{"steady", 500, bench.Load{Kind: bench.Broadcast, Payload: payload, InFlight: 64, Rate: 40, Duration: 2 * time.Second, Warmup: 10}},
}

// figure is one number that a load gives.
type figure struct {
	name, load string
	of         func(*bench.Report) float64
}

var figures = []figure{
	{"broadcastCPU", "broadcast", cpuPerDelivery},
	{"broadcastRate", "broadcast", func(r *bench.Report) float64 { return r.Load.PerSecond }},
	{"floodCPU", "flood", cpuPerDelivery},
	{"floodRate", "flood", func(r *bench.Report) float64 { return r.Load.PerSecond }},
	{"steadyP50", "steady", func(r *bench.Report) float64 { return float64(r.Load.Latency.P50) / 1e6 }},
	{"steadyP99", "steady", func(r *bench.Report) float64 { return float64(r.Load.Latency.P99) / 1e6 }},
	{"memory", "connect", func(r *bench.Report) float64 { return r.Memory.PerConnectionAdded / 1024 }},
	{"start", "connect", func(r *bench.Report) float64 { return float64(r.Memory.Before) / (1 << 20) }},
	{"connectCPU", "connect", func(r *bench.Report) float64 { return float64(r.Connect.ServerCPU) / 1e3 }},
}

func cpuPerDelivery(r *bench.Report) float64 { return float64(r.Load.ServerCPU) / 1e3 }
