package gateway

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// Limits.MaxConnections and Limits.MaxHubs hold for all nodes together. Nodes tell each other once a
// second how many connections they have, and which hubs have clients; each adds what it knows of the
// others to what it has itself. So the bounds are passed by what other nodes take within that second,
// and by what a node that cannot be reached has.

// quota is what the other nodes have. It implements PeerHandler.
type quota struct {
	g    *Gateway
	stop func() // ends the conversation; nil if there are no other nodes
	// conns is the sum of the connections of others.
	conns atomic.Int64
	// nodes is how many others there are.
	nodes atomic.Int32

	mu     sync.Mutex // guards what follows; taken with hubTable.mu held, never the other way round
	shares map[Peer]*share
	// hubs are those of others, and how many nodes have each.
	hubs map[string]int
	// told is what the others know of this node.
	told share
}

// share is what one node has.
type share struct {
	conns int64
	hubs  map[string]struct{}
}

func (q *quota) begin(g *Gateway, backplane Backplane) {
	q.g = g
	peers, ok := backplane.(Peers)
	if !ok {
		return
	}
	q.shares, q.hubs = make(map[Peer]*share), make(map[string]int)
	q.told.hubs = make(map[string]struct{})
	q.stop = peers.Converse(QuotaTopic, q)
}

func (q *quota) end() {
	if q.stop != nil {
		q.stop()
	}
}

// Nodes is how many nodes there are that this one reaches, with itself.
func (g *Gateway) Nodes() int { return 1 + int(g.quota.nodes.Load()) }

// OthersConnections is how many connections the other nodes have, as they said within the last second.
func (g *Gateway) OthersConnections() int { return int(g.quota.conns.Load()) }

// room reports whether a hub without clients on this node may get one: whether some other node has it,
// or not too many hubs have clients anywhere. Called with hubTable.mu held.
func (q *quota) room(name string, own map[string]*hub, limit int) bool {
	if q.stop == nil || limit <= 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.hubs[name] > 0 {
		return true
	}
	count := 0
	for _, h := range own {
		if h.live.Load() > 0 {
			count++
		}
	}
	for other := range q.hubs {
		if h := own[other]; h == nil || h.live.Load() == 0 {
			count++
		}
	}
	return count < limit
}

// tell tells the others what has changed here. The sweeper calls it each second, and mostly nothing has.
func (q *quota) tell() {
	if q.stop == nil {
		return
	}
	table := &q.g.hubs
	table.mu.RLock()
	defer table.mu.RUnlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	news := quotaNews{conns: q.g.conns.live.Load()}
	for name, h := range table.hubs {
		if _, ok := q.told.hubs[name]; !ok && h.live.Load() > 0 {
			news.come = append(news.come, name)
		}
	}
	for name := range q.told.hubs {
		if h := table.hubs[name]; h == nil || h.live.Load() == 0 {
			news.gone = append(news.gone, name)
		}
	}
	if news.conns == q.told.conns && len(news.come)+len(news.gone) == 0 {
		return
	}
	q.told.conns = news.conns
	for _, name := range news.come {
		q.told.hubs[name] = struct{}{}
	}
	for _, name := range news.gone {
		delete(q.told.hubs, name)
	}
	for p := range q.shares {
		news.send(p)
	}
}

// PeerUp implements PeerHandler.
func (q *quota) PeerUp(p Peer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shares[p] = &share{hubs: make(map[string]struct{})}
	q.nodes.Store(int32(len(q.shares)))
	news := quotaNews{conns: q.told.conns}
	for name := range q.told.hubs {
		news.come = append(news.come, name)
	}
	news.send(p)
}

// PeerGone implements PeerHandler.
func (q *quota) PeerGone(p Peer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.shares[p]
	if s == nil {
		return
	}
	delete(q.shares, p)
	q.nodes.Store(int32(len(q.shares)))
	q.conns.Add(-s.conns)
	for name := range s.hubs {
		q.forgetLocked(name)
	}
}

func (q *quota) forgetLocked(hub string) {
	if q.hubs[hub]--; q.hubs[hub] <= 0 {
		delete(q.hubs, hub)
	}
}

// PeerRoom implements PeerHandler.
func (*quota) PeerRoom(Peer) {}

// PeerSaid implements PeerHandler.
func (q *quota) PeerSaid(p Peer, message []byte) error {
	var news quotaNews
	if err := news.parse(message); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.shares[p]
	if s == nil {
		return nil
	}
	q.conns.Add(news.conns - s.conns)
	s.conns = news.conns
	for _, name := range news.come {
		if _, ok := s.hubs[name]; !ok {
			s.hubs[name] = struct{}{}
			q.hubs[name]++
		}
	}
	for _, name := range news.gone {
		if _, ok := s.hubs[name]; ok {
			delete(s.hubs, name)
			q.forgetLocked(name)
		}
	}
	return nil
}

// quotaNews is what a node says: how many connections it has, which hubs have clients now, and which
// have none any more. Each is a number, then so many texts with their lengths.
type quotaNews struct {
	conns      int64
	come, gone []string
}

// maxQuotaHubs bounds the hubs in one message.
const maxQuotaHubs = 1 << 10

// send sends as many messages as it takes.
func (n *quotaNews) send(p Peer) {
	come, gone := n.come, n.gone
	for {
		part := quotaNews{conns: n.conns, come: come[:min(len(come), maxQuotaHubs)], gone: gone[:min(len(gone), maxQuotaHubs)]}
		come, gone = come[len(part.come):], gone[len(part.gone):]
		p.Send(part.append(nil))
		if len(come)+len(gone) == 0 {
			return
		}
	}
}

func (n *quotaNews) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(n.conns))
	for _, names := range [][]string{n.come, n.gone} {
		dst = binary.AppendUvarint(dst, uint64(len(names)))
		for _, name := range names {
			dst = appendString(dst, name)
		}
	}
	return dst
}

var errQuotaNews = errors.New("gateway: malformed numbers of another node")

// parse reads what append wrote.
func (n *quotaNews) parse(b []byte) error {
	r := *newReader(b)
	n.conns = int64(r.Uvarint(1 << 40))
	for _, names := range []*[]string{&n.come, &n.gone} {
		count := r.Count(maxQuotaHubs, 1)
		*names = slices.Grow(*names, count)
		for range count {
			*names = append(*names, r.string())
		}
	}
	if r.Failed || len(r.Rest) > 0 {
		return errQuotaNews
	}
	return nil
}
