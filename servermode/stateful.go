package servermode

// Stateful reports whether clients of a hub that ask for stateful reconnect may have it. Hub servers
// notice nothing of it: the gateway numbers the records. Those whose software knows of it say whether
// their application wants it. If one does, or cannot say, clients may; and if there is none, the next
// one decides nothing any more.
func (b *Backend) Stateful(hub string) bool {
	h := b.hubs.get(hub)
	if h == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	allows := func(c candidate) bool { return !c.about().isWeak() && !c.about().stateless }
	return h.any(allows) || !h.any(func(c candidate) bool { return !c.about().isWeak() })
}
