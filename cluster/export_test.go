package cluster

// SetVersions makes a node one of another version. It is called before Join.
func SetVersions(b *Backplane, lowest, highest uint64) {
	b.cfg.hello.versions = versions{lowest, highest}
}

// PushFrame sends a frame of any type to a peer.
func PushFrame(b *Backplane, tag string, kind byte, body []byte) {
	for _, p := range b.members.liveNow() {
		if p.inc.Tag == tag {
			p.push(frameType(kind), body)
		}
	}
}

// OpenStreams counts the requests that a node has under way with others.
func OpenStreams(b *Backplane) (open int) {
	for _, p := range b.members.all() {
		open += len(p.streams.all())
	}
	return open
}
