package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/hubgate/hubgate/bench"
)

// Measurement is how costs are found.
type Measurement struct {
	// Target is a gateway on this machine that has nothing else to do, and PID its process.
	Target bench.Target
	PID    int
	// Clients connect for it, 100 to 20 000: more make the figures better.
	Clients int
	// Messages are how many broadcasts each load has, 10 at least.
	Messages int
	// Progress gets a line for each load; nil means none.
	Progress io.Writer
}

// The sizes of broadcasts that costs are found with, and one between them that shows how far they are off.
const small, between, large = 128, 1024, 4096

// Run measures. It takes some seconds, and uses the machine's processors.
func (m Measurement) Run(ctx context.Context) (Costs, error) {
	if m.Clients < 100 || m.Clients > 20_000 || m.Messages < 10 {
		return Costs{}, errors.New("costs need 100 to 20000 clients and 10 messages")
	}
	idle, err := m.load(ctx, "idle clients", bench.Load{Kind: bench.Nothing, Idle: 2 * time.Second})
	if err != nil {
		return Costs{}, err
	}
	c := Costs{
		BaseMemory: float64(idle.Memory.Before), ClientMemory: idle.Memory.PerConnectionAdded,
		Connect: float64(idle.Connect.ServerCPU),
	}
	if c.BaseMemory == 0 || c.Connect == 0 {
		return Costs{}, errors.New("this system does not tell what a process takes; measure on Linux")
	}
	broadcast := map[int]float64{}
	for _, size := range []int{small, large, between} {
		r, err := m.load(ctx, fmt.Sprintf("broadcasts of %d bytes", size), bench.Load{Kind: bench.Broadcast, Payload: size, InFlight: 1, Count: m.Messages, Warmup: 5})
		if err != nil {
			return Costs{}, err
		}
		broadcast[size] = float64(r.Load.ServerCPU)
	}
	single := map[int]float64{}
	for _, size := range []int{small, between} {
		r, err := m.load(ctx, fmt.Sprintf("messages of %d bytes to one user", size), bench.Load{Kind: bench.ToUsers, Payload: size, InFlight: 1, Count: 20 * m.Messages, Warmup: 50})
		if err != nil {
			return Costs{}, err
		}
		single[size] = float64(r.Load.ServerCPU)
	}
	for _, measured := range []map[int]float64{broadcast, single} {
		for size, cost := range measured {
			if cost <= 0 {
				return Costs{}, fmt.Errorf("messages of %d bytes took nothing that could be measured: measure with more clients", size)
			}
		}
	}
	c.fit(broadcast, single, float64(m.Clients))
	if c.Delivery <= 0 {
		return Costs{}, errors.New("the machine has too much else to do for figures: measure with more clients, or later")
	}
	return c, nil
}

// fit finds the costs of a delivery, a byte and a request from the smallest and the largest load, and the error from
// those between.
func (c *Costs) fit(broadcast, single map[int]float64, clients float64) {
	c.Byte = math.Max(0, (broadcast[large]-broadcast[small])/(large-small))
	copied := func(size float64) float64 { return c.Delivery + size*c.Byte }
	// A broadcast's copy has its share of the request, a message to one user all of it:
	// broadcast = delivery + request/clients, single = delivery + request.
	c.Request = math.Max(0, (single[small]-broadcast[small])/(1-1/clients))
	c.Delivery = math.Max(0, broadcast[small]-small*c.Byte-c.Request/clients)
	c.Error = math.Max(off(copied(between)+c.Request/clients, broadcast[between]), off(copied(between)+c.Request, single[between]))
}

func off(reckoned, measured float64) float64 { return math.Abs(reckoned-measured) / measured }

func (m Measurement) load(ctx context.Context, what string, load bench.Load) (*bench.Report, error) {
	if m.Progress != nil {
		fmt.Fprintf(m.Progress, "measuring: %s\n", what)
	}
	return bench.Run(ctx, bench.Options{
		Target:  m.Target,
		Clients: bench.Clients{Count: m.Clients, Protocol: bench.JSON, Negotiate: true, Parallel: 64, Timeout: time.Minute},
		Load:    load, PID: m.PID,
	})
}
