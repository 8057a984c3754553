// Package plan says what a load takes: processors, memory, bandwidth, nodes. It reckons with costs that were measured on
// a machine, and knows how far they were off there.
package plan

import (
	"errors"
	"fmt"
	"math"
)

// Costs are what a gateway took on one machine, one processor's time at a time.
type Costs struct {
	// BaseMemory is what a gateway takes without clients, ClientMemory what each idle client adds, in resident bytes.
	BaseMemory   float64 `json:"base_memory_bytes"`
	ClientMemory float64 `json:"client_memory_bytes"`
	// Connect is what a client that comes takes, Request what a message of the REST API takes before it is delivered,
	// Delivery what one client's copy of it takes, and Byte what each byte of a copy adds. Nanoseconds of a processor.
	Connect  float64 `json:"connect_ns"`
	Request  float64 `json:"request_ns"`
	Delivery float64 `json:"delivery_ns"`
	Byte     float64 `json:"byte_ns"`
	// Error is how far loads that were not used to find these figures were off, relative: 0.1 is a tenth.
	Error float64 `json:"error"`
}

// Load is what is asked for.
type Load struct {
	// Clients are connected at the same time. Connects of them come in a second.
	Clients  int     `json:"clients"`
	Connects float64 `json:"connects_per_second"`
	// Messages are sent in a second, each to Receivers clients, with Size bytes of arguments.
	Messages  float64 `json:"messages_per_second"`
	Receivers float64 `json:"receivers"`
	Size      int     `json:"size_bytes"`
}

// Units of Azure SignalR Service, as its documentation describes them: a unit is 1 000 clients, and its performance guide
// has about 4 MB/s leave it for broadcasts, which are 2 KB here.
const (
	clientsOfUnit = 1000
	bytesOfUnit   = 4_000_000
	messageOfUnit = 2048
)

// OfUnits is the load that so many units of Azure SignalR Service are for: all their clients, and broadcasts to them.
func OfUnits(units int) Load {
	clients := units * clientsOfUnit
	deliveries := float64(units) * bytesOfUnit / messageOfUnit
	return Load{Clients: clients, Connects: float64(clients) / 100, Messages: deliveries / float64(clients), Receivers: float64(clients), Size: messageOfUnit}
}

// Check names what is not possible.
func (l Load) Check() error {
	switch {
	case l.Clients < 1 || l.Clients > 100_000_000:
		return errors.New("clients must be 1 to 100000000")
	case !(l.Connects >= 0) || !(l.Messages >= 0) || !(l.Receivers >= 0) || l.Connects > 1e9 || l.Messages > 1e9:
		return errors.New("rates and receivers must be numbers from 0 to 1000000000")
	case l.Receivers > float64(l.Clients):
		return fmt.Errorf("%g receivers are more than the %d clients", l.Receivers, l.Clients)
	case l.Size < 0 || l.Size > 1<<20:
		return errors.New("the size must be 0 to 1048576 bytes")
	}
	return nil
}

// Node is what a machine has for a gateway.
type Node struct {
	Processors float64 `json:"processors"`
	Memory     float64 `json:"memory_bytes"`
}

// What is kept free, and what messages and nodes take besides.
const (
	// busy is how much of a processor, and full how much of the memory, a plan uses: the rest is for peaks, and for the
	// system.
	busy, full = 0.6, 0.7
	// keepAlive is how often a client that gets nothing is pinged, in seconds.
	keepAlive = 15
	// frame is what the protocols add to a copy on the wire: SignalR's message, the WebSocket's header, TCP and IP. request
	// is what HTTP adds to a message of the REST API. Bytes.
	frame, request = 40 + 4 + 52, 700
	// inCluster is how much more a copy costs in a cluster, as measured between two nodes.
	inCluster = 1.16
	// inFlight is how many bytes wait for each client that is busy, at most, for a moment: a share of the clients.
	inFlight = 0.01 * 65536
)

// Plan is what a load takes.
type Plan struct {
	Load Load `json:"load"`
	Node Node `json:"node"`
	// Nodes carry it together, Spare of them may be away.
	Nodes int `json:"nodes"`
	Spare int `json:"spare"`
	// Processors and Memory are what all nodes use together, of which a node's share is NodeProcessors and NodeMemory when
	// the spare ones are away.
	Processors     float64 `json:"processors"`
	Memory         float64 `json:"memory_bytes"`
	NodeProcessors float64 `json:"node_processors"`
	NodeMemory     float64 `json:"node_memory_bytes"`
	// Out and In are bits in a second, of all nodes together.
	Out float64 `json:"out_bits_per_second"`
	In  float64 `json:"in_bits_per_second"`
	// Files are the descriptors that a node needs when the spare ones are away.
	Files int `json:"files"`
	// Error is that of the costs.
	Error float64 `json:"error"`
	// Because says what the number of nodes comes from.
	Because string `json:"because"`
}

// Of makes the plan with the fewest nodes, spare of which may be away.
func Of(l Load, c Costs, n Node, spare int) (Plan, error) {
	if err := l.Check(); err != nil {
		return Plan{}, err
	}
	if n.Processors <= 0 || n.Memory <= c.BaseMemory {
		return Plan{}, fmt.Errorf("a node needs a processor, and more than %.0f MB", c.BaseMemory/1e6)
	}
	if spare < 0 || spare > 100 {
		return Plan{}, errors.New("spare nodes must be 0 to 100")
	}
	for working := 1; working <= 1000; working++ {
		p := with(l, c, n, working, spare)
		if p.NodeProcessors <= busy*n.Processors && p.NodeMemory <= full*n.Memory {
			return p, nil
		}
	}
	return Plan{}, errors.New("1000 such nodes are not enough: take larger ones")
}

// with reckons with so many nodes that work.
func with(l Load, c Costs, n Node, working, spare int) Plan {
	p := Plan{Load: l, Node: n, Nodes: working + spare, Spare: spare, Error: c.Error}
	enough := working
	if p.Nodes == 2 { // which have no majority when one is away
		p.Nodes, working = 3, 3-spare
	}
	cluster, reached := 1.0, 1.0
	if p.Nodes > 1 {
		// Each node that has receivers of a message takes it once.
		cluster, reached = inCluster, math.Max(1, math.Min(float64(working), l.Receivers))
	}
	deliveries := l.Messages * l.Receivers
	pings := float64(l.Clients) / keepAlive
	work := l.Connects*c.Connect + l.Messages*c.Request*reached + pings*c.Delivery +
		deliveries*(c.Delivery+float64(l.Size)*c.Byte)*cluster
	p.Processors = work / 1e9
	p.Memory = float64(working)*c.BaseMemory + float64(l.Clients)*(c.ClientMemory+inFlight)
	p.NodeProcessors, p.NodeMemory = p.Processors/float64(working), p.Memory/float64(working)
	p.Out = 8 * (deliveries*float64(l.Size+frame) + pings*frame)
	p.In = 8 * (l.Messages*float64(l.Size+request) + pings*frame)
	p.Files = int(math.Ceil(float64(l.Clients)/float64(working)*1.1)) + 1000
	p.Because = because(p, n, enough)
	return p
}

func because(p Plan, n Node, enough int) string {
	switch {
	case enough == 1 && p.Nodes > 1+p.Spare:
		return "one node is enough, and a cluster has three"
	case enough == 1:
		return "one node is enough"
	case p.NodeProcessors/(busy*n.Processors) >= p.NodeMemory/(full*n.Memory):
		return "processors"
	default:
		return "memory"
	}
}
