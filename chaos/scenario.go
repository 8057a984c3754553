package main

import (
	"context"
	"time"
)

// The modes of the hub.
const (
	modeServerless = "serverless"
	modeDefault    = "default"
)

// scenario is one row of the table.
type scenario struct {
	name, about string
	// long says that it is not part of the short form.
	long bool
	// change changes the plan; nil changes nothing.
	change func(m *machine, p *plan)
	// play does what the scenario is about, while traffic flows. What is promised is looked at behind it.
	play func(ctx context.Context, s *stage) error
}

// scenarios are all there are, in the order in which they are played.
func scenarios() []scenario {
	return []scenario{
		{name: "steady", about: "three nodes, clients of all transports, nothing is broken", play: steady},
		{name: "default-steady", about: "the same with hub servers", change: defaultMode, play: steady},
	}
}

func defaultMode(_ *machine, p *plan) { p.mode = modeDefault }

// plan is how much there is of everything, unless a scenario says otherwise.
func (m *machine) plan() plan {
	p := plan{shape: shape{nodes: 3, mode: modeServerless}, clients: 60, every: 80 * time.Millisecond, seed: m.seed}
	if m.long {
		p.clients, p.every = 300, 60*time.Millisecond
	}
	if m.official {
		p.official = 15
	}
	return p
}

// steady lets traffic flow.
func steady(ctx context.Context, s *stage) error { return s.flow(ctx, 5) }

// flowTime bounds the wait for traffic.
const flowTime = 60 * time.Second

// flow lets traffic flow until each sender has sent for so many seconds, as it should be.
func (s *stage) flow(ctx context.Context, seconds int) error {
	want := int64(time.Duration(seconds) * time.Second / s.plan.every)
	start := make([]int64, len(s.crowd.senders))
	for i, one := range s.crowd.senders {
		start[i] = one.accepted.Load()
	}
	return until(ctx, flowTime, func() bool {
		for i, one := range s.crowd.senders {
			if (one.node == nil || one.node.process().running()) && one.accepted.Load()-start[i] < want {
				return false
			}
		}
		return true
	})
}
