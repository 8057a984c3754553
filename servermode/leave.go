package servermode

import (
	"context"
	"time"
)

// Leave has the clients of other nodes move away from the hub servers of this one, as if those left
// (fin:1). It waits until they have, as long as the hub has hub servers elsewhere: at most
// Limits.Migration and a second. Clients that cannot move stay until Close. Call it when the clients
// of this node have ended, before Close.
func (b *Backend) Leave(ctx context.Context) error {
	b.peers.leaving.Store(true)
	b.peers.tellStatus()
	ctx, cancel := context.WithTimeout(ctx, b.opts.Limits().Migration+time.Second)
	defer cancel()
	look := time.NewTicker(tick)
	defer look.Stop()
	for b.mayMove() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil // those that are left are told to reconnect
		}
	}
	return nil
}

// mayMove reports whether there are clients of other nodes here that might go elsewhere.
func (b *Backend) mayMove() bool {
	for _, l := range b.peers.all() {
		for _, sc := range l.connectionsWithClients() {
			if h := b.hubs.get(sc.peer.homes[0]); h != nil && h.hasRemote() {
				return true
			}
		}
	}
	return false
}

// connectionsWithClients returns the server connections of this node that have clients of the peer, but
// for those that have moved away.
func (l *peerLink) connectionsWithClients() (list []*serverConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[*serverConn]bool)
	for _, rc := range l.clients {
		if !seen[rc.sc] && rc.sc.clients.has(rc.id, rc) {
			seen[rc.sc] = true
			list = append(list, rc.sc)
		}
	}
	return list
}

func (h *hub) hasRemote() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, rs := range h.remote {
		if !rs.draining() {
			return true
		}
	}
	return false
}
