package servermode

import "fmt"

// Shared is how many clients have their session on one node and their hub server on another one, as
// far as the Backend knows, from either side.
func Shared(b *Backend) (n int) {
	for _, l := range b.peers.all() {
		l.mu.Lock()
		n += len(l.sessions) + len(l.clients) + len(l.waiting) + len(l.busy)
		for _, rs := range l.servers {
			n += len(rs.sessions)
		}
		l.mu.Unlock()
	}
	return n + Waiting(b)
}

// WhatIsShared says what Shared counts.
func WhatIsShared(b *Backend) (list []string) {
	for _, l := range b.peers.all() {
		l.mu.Lock()
		for _, f := range l.sessions {
			list = append(list, fmt.Sprintf("session %s with %s: %+v", f.s.id(), l.Name(), f))
		}
		for _, rc := range l.clients {
			list = append(list, fmt.Sprintf("client %s of %s: %+v", rc.id, l.Name(), rc.way.Load()))
		}
		list = append(list, fmt.Sprint("waiting ", len(l.waiting), " busy ", len(l.busy)))
		l.mu.Unlock()
	}
	return list
}

// Waiting is how many invocations of clients by hub servers wait for an answer.
func Waiting(b *Backend) int {
	b.results.mu.Lock()
	defer b.results.mu.Unlock()
	return len(b.results.calls) + len(b.results.byConn)
}

// Knows reports whether a hub server is known, on any node.
func (b *Backend) Knows(hub, serverID string) bool { return b.hubs.knows(hub, serverID) }

// HandedOver is how many hand-overs of clients of hub servers of this node are under way.
func HandedOver(b *Backend) int {
	b.peers.handings.mu.Lock()
	n := len(b.peers.handings.list)
	b.peers.handings.mu.Unlock()
	for _, sc := range b.conns.all() {
		n += int(sc.clients.handings.Load())
	}
	return n
}
