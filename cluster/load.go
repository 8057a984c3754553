package cluster

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hubgate/hubgate/gateway"
)

// Loaded is the optional ability of a gateway.Node to say how much waits in it. Its methods are
// cheap and do not wait.
type Loaded interface {
	// Busy reports whether the node's workers are far behind. What comes from peers is acknowledged
	// later then.
	Busy() bool
	// Crowded lists the hubs whose clients have more to take than their bound permits, in any
	// order.
	Crowded() []string
}

// maxCrowded bounds the hubs in one Load frame, maxHub the name of each.
const (
	maxCrowded = 1 << 10
	maxHub     = 1 << 10
)

func (b *Backplane) busy() bool {
	loaded, ok := b.node.(Loaded)
	return ok && loaded.Busy()
}

// tellLoad tells peers which hubs are crowded here, if that has changed.
func (b *Backplane) tellLoad() {
	loaded, ok := b.node.(Loaded)
	if !ok {
		return
	}
	hubs := loaded.Crowded()
	slices.Sort(hubs)
	hubs = hubs[:min(len(hubs), maxCrowded)]
	body := binary.AppendUvarint(nil, uint64(len(hubs)))
	for _, hub := range hubs {
		body = appendText(body, hub)
	}
	for _, p := range b.members.liveNow() {
		p.tellLoad(body)
	}
}

// tellLoad tells one peer, unless it was told the same in this session.
func (p *peer) tellLoad(body []byte) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.ear == nil || string(p.told) == string(body) {
		return
	}
	p.told = body
	p.push(frameLoad, body)
}

// load takes the hubs that are crowded at a peer.
func (p *peer) load(body []byte) error {
	r := *newReader(body)
	count := r.Uvarint(maxCrowded)
	hubs := make(map[string]bool, min(int(count), len(body)))
	for range count {
		hubs[r.Text(maxHub)] = true
	}
	if err := r.end(); err != nil {
		return err
	}
	p.crowded.Store(&hubs)
	return nil
}

// Admit is what a core asks before it carries out a send: the error, which is gateway.ErrHubBusy, is
// why a peer could not take the send. Nothing is reserved, but an eighth of the queue is left for
// what others are handing over at the same time: who was let in is not refused behind the door, where
// some have got the message already.
func (b *Backplane) Admit(to []string, cmd *gateway.Command) error {
	peers := b.members.liveNow()
	if len(peers) == 0 {
		return nil
	}
	size := b.opts.Limits.Queue / 8
	if cmd.Frames != nil {
		size += cmd.Frames.Size()
	}
	var room [8]uint64
	var names []uint64
	for _, p := range peers {
		if to != nil && !slices.Contains(to, p.inc.Tag) || !p.mayRefuse(cmd.Hub) {
			continue
		}
		if names == nil { // mostly nobody refuses anything, and names need not be known
			names = b.hashes(room[:0], cmd)
		}
		if err := p.admit(cmd.Hub, names, size); err != nil {
			return err
		}
	}
	return nil
}

// mayRefuse reports whether the peer could refuse a send to a hub, if it has receivers.
func (p *peer) mayRefuse(hub string) bool {
	hubs := p.crowded.Load()
	return hubs != nil && (*hubs)[hub] || p.waits.Load()
}

// admit is the error with which a peer that has receivers for one of the names refuses a send of so many bytes.
func (p *peer) admit(hub string, names []uint64, size int) error {
	if !slices.ContainsFunc(names, p.filter.has) {
		return nil
	}
	if hubs := p.crowded.Load(); hubs != nil && (*hubs)[hub] {
		return fmt.Errorf("%w at the node %s", gateway.ErrHubBusy, p.inc.Tag)
	}
	if p.full(size) {
		return fmt.Errorf("%w: the node %s is behind", gateway.ErrHubBusy, p.inc.Tag)
	}
	return nil
}

func (p *peer) full(size int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.full(size)
}
