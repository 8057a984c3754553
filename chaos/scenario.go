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
	// rows are those of docs/compatibility.md that it shows.
	rows string
	// long says that it is not part of the short form.
	long bool
	// alone says that in the long form nothing else is played beside it, since it takes all that the machine has.
	alone bool
	// change changes the plan; nil changes nothing.
	change func(m *machine, p *plan)
	// play does what the scenario is about, while traffic flows. What is promised is looked at behind it.
	play func(ctx context.Context, s *stage) error
}

// scenarios are all there are, in the order in which they begin: those that take long first, and at the end the one that
// has the machine for itself.
func scenarios() []scenario {
	return []scenario{
		{name: "quorum-long", rows: "N35", long: true, about: "two of three voters are away for ten minutes, two nodes go on", change: fourNodes, play: quorumLostLong},
		{name: "kill", rows: "N30 N34", about: "kill -9 of each node in turn", play: killEach},
		{name: "default-kill", about: "hub servers, kill -9 of each node in turn", change: defaultMode, play: killEach},
		{name: "full", about: "the store reaches its bound, as on a full disk", change: smallStore, play: fullStore},
		{name: "rolling", rows: "N48", about: "each node is stopped in order and started again", play: rolling},
		{name: "default-rolling", rows: "N48 N49", about: "hub servers, each node is stopped in order and started again", change: defaultMode, play: rolling},
		{name: "nats", rows: "N55", about: "a NATS server outside joins the nodes, is killed and starts again", change: outside, play: natsRestart},
		{name: "partition", rows: "N40", about: "one node is cut off from two others, and comes back", play: partitioned},
		{name: "default-partition", long: true, about: "hub servers, one node is cut off from two others, and comes back", change: defaultMode, play: partitioned},
		{name: "partition-long", rows: "N40", long: true, about: "one node is cut off until the others have told of the end of its clients, and comes back", play: longPartition},
		{name: "partition-halves", rows: "N40", long: true, about: "four nodes are cut into two halves until the ends of clients of one half were told by the other", change: fourNodes, play: halves},
		{name: "one-way", rows: "N40", about: "first nobody hears one node, then it hears nobody", play: oneWay},
		{name: "churn-kill", rows: "N32", long: true, about: "kill -9 of each node while clients come and go", play: churnKill},
		{name: "wiped", rows: "N36 N37", long: true, about: "a voter loses its directory, and then another node takes its place for good", play: wiped},
		{name: "versions", rows: "N54", long: true, about: "each node is brought to another version and back", play: versions},
		{name: "full-disk", long: true, about: "the disk of one voter is full", play: fullDisk},
		{name: "stateful-kill", about: "clients with stateful reconnect, nodes are killed while sessions are resumed and handed over", change: withStateful, play: statefulKill},
		{name: "hang", about: "a process stands still for 8 s", play: longHang},
		{name: "hang-short", long: true, about: "a process stands still for 2 s", play: shortHang},
		{name: "quorum", rows: "N35", about: "two of three voters are killed", play: quorumLost},
		{name: "stateful", rows: "N43", about: "clients with stateful reconnect, whose connections are cut at random", change: withStateful, play: statefulCuts},
		{name: "stateful-rolling", rows: "N44", about: "clients with stateful reconnect, each node is stopped in order and started again", change: withStateful, play: statefulRolling},
		{name: "cuts", about: "ways between nodes are cut for up to 2 s", play: shortCuts},
		{name: "slow", about: "ways between nodes are slow and narrow", play: slowLinks},
		{name: "steady", about: "three nodes, clients of all transports, nothing is broken", play: steady},
		{name: "default-steady", long: true, about: "hub servers, nothing is broken", change: defaultMode, play: steady},
		{name: "storm", alone: true, about: "many clients lose their sockets at once and come back at once", change: fewSenders, play: reconnecting},
	}
}

func outside(_ *machine, p *plan) { p.outside = true }

// fewSenders: each message goes to very many.
func fewSenders(m *machine, p *plan) {
	p.clients, p.official, p.every = 10, 0, 500*time.Millisecond
	if m.long {
		p.every = 4 * time.Second
	}
}

func fourNodes(_ *machine, p *plan) { p.nodes = 4 }

func smallStore(_ *machine, p *plan) {
	p.fresh = true
	p.flags = append(p.flags, "--data-max-bytes", "12MiB")
}

func defaultMode(_ *machine, p *plan) { p.mode = modeDefault }

// plan is how much there is of everything, unless a scenario says otherwise.
func (m *machine) plan() plan {
	p := plan{shape: shape{nodes: 3, mode: modeServerless}, clients: 45, every: 100 * time.Millisecond, seed: m.seed}
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

// flowTime bounds the wait for traffic. It is a way out of a hang: a busy machine answers senders slowly.
const flowTime = 3 * time.Minute

// flow lets traffic flow until each sender has sent for so many seconds, as it should be.
func (s *stage) flow(ctx context.Context, seconds int) error {
	want := int64(time.Duration(seconds) * time.Second / s.plan.every)
	start := make([]int64, len(s.crowd.senders))
	for i, one := range s.crowd.senders {
		start[i] = one.accepted.Load()
	}
	return until(ctx, flowTime, func() bool {
		for i, one := range s.crowd.senders {
			if (one.node == nil || one.node.ready.Load()) && one.accepted.Load()-start[i] < want {
				return false
			}
		}
		return true
	})
}
