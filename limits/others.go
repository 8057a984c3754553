package limits

import (
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// Rules about clients that have something in common hold for all nodes together. Once in tellEvery nodes tell each other
// how many clients they have by what these have in common, and how many bytes these have said; each adds what it knows
// of the others to its own. So a rule about a number of clients is passed by what other nodes let in within that time. A
// rule about bytes is passed by what clients say to other nodes within that time, which is taken off afterwards: in the
// long run it holds exactly. A node that cannot be reached does not count.

// tellEvery is how often nodes tell each other.
const tellEvery = time.Second

// Others is what the other nodes have. It implements gateway.PeerHandler. Make one with NewOthers; Close ends it. All
// methods may be called concurrently. A nil one knows of no other nodes.
type Others struct {
	stop func() // ends the conversation
	over chan struct{}
	wg   sync.WaitGroup

	// mu guards what follows. The lock of a Counter may be held when it is taken, never the other way round.
	mu    sync.RWMutex
	peers map[gateway.Peer]numbers
	// there is the sum of what the peers have, told what they know of this node.
	there, told numbers
	counter     *Counter
	set         *Set
	// anew: the peers know of the clients of another counter.
	anew bool
}

// numbers are numbers of clients, or of bytes, by what is counted and by its value.
type numbers map[string]map[string]int

// add adds to a number. One that is not more than 0 is forgotten.
func (n numbers) add(about, value string, more int) {
	now := n[about][value] + more
	if now <= 0 {
		if delete(n[about], value); len(n[about]) == 0 {
			delete(n, about)
		}
		return
	}
	if n[about] == nil {
		n[about] = make(map[string]int)
	}
	n[about][value] = now
}

// set replaces a number.
func (n numbers) set(about, value string, now int) { n.add(about, value, now-n[about][value]) }

// NewOthers returns Others that hear of nodes by peers.
func NewOthers(peers gateway.Peers) *Others {
	o := &Others{over: make(chan struct{}), peers: make(map[gateway.Peer]numbers), there: make(numbers), told: make(numbers)}
	o.stop = peers.Converse(gateway.FirewallTopic, o)
	o.wg.Go(o.run)
	return o
}

// Close ends the conversation.
func (o *Others) Close() {
	if o == nil {
		return
	}
	close(o.over)
	o.wg.Wait()
	o.stop()
}

func (o *Others) run() {
	every := time.NewTicker(tellEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			o.tell()
		case <-o.over:
			return
		}
	}
}

// Count tells the others of the clients of a Counter from now on; nil has none.
func (o *Others) Count(c *Counter) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counter, o.anew = c, true
}

// Measure tells the others from now on what clients say, as a Set counts it; nil counts nothing.
func (o *Others) Measure(s *Set) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.set = s
}

// clients is how many clients other nodes have that have something in common.
func (o *Others) clients(by By, value string) int {
	if o == nil {
		return 0
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.there[by.key()][value]
}

// tell tells the others what is new.
func (o *Others) tell() {
	o.mu.Lock()
	counter, set, anew := o.counter, o.set, o.anew
	o.anew = false
	o.mu.Unlock()
	clients, bytes := counter.changes(anew), set.takeSaid()
	o.mu.Lock()
	defer o.mu.Unlock()
	if anew {
		o.addGone(clients)
	}
	for by, values := range clients {
		for value, count := range values {
			o.told.set(by, value, count)
		}
	}
	if len(clients)+len(bytes) == 0 {
		return
	}
	for p := range o.peers {
		sendNumbers(p, saidClients, clients)
		sendNumbers(p, saidBytes, bytes)
	}
}

// addGone adds to what is told what the others know, and is not there any more. Called with mu held.
func (o *Others) addGone(clients numbers) {
	for by, values := range o.told {
		for value := range values {
			if _, still := clients[by][value]; still {
				continue
			}
			if clients[by] == nil {
				clients[by] = make(map[string]int)
			}
			clients[by][value] = 0
		}
	}
}

// PeerUp implements gateway.PeerHandler.
func (o *Others) PeerUp(p gateway.Peer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.peers[p] = make(numbers)
	sendNumbers(p, saidClients, o.told)
}

// PeerGone implements gateway.PeerHandler.
func (o *Others) PeerGone(p gateway.Peer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for by, values := range o.peers[p] {
		for value, count := range values {
			o.there.add(by, value, -count)
		}
	}
	delete(o.peers, p)
}

// PeerRoom implements gateway.PeerHandler.
func (*Others) PeerRoom(gateway.Peer) {}

// PeerSaid implements gateway.PeerHandler. What newer nodes say is passed over.
func (o *Others) PeerSaid(p gateway.Peer, message []byte) error {
	n, err := parseNumbers(message)
	if err != nil {
		return err
	}
	o.mu.Lock()
	set := o.set
	if theirs := o.peers[p]; theirs != nil && n.kind == saidClients {
		for value, count := range n.values {
			before := theirs[n.about][value]
			theirs.set(n.about, value, count)
			o.there.add(n.about, value, count-before)
		}
	}
	o.mu.Unlock()
	if n.kind == saidBytes {
		for value, bytes := range n.values {
			set.spend(n.about, value, bytes)
		}
	}
	return nil
}
