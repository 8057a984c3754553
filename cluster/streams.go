package cluster

import "sync"

// streams are those of one peer.
type streams struct {
	mu     sync.Mutex
	open   map[streamID]*stream
	newest uint64 // of those that this node has opened
	// theirs is the newest of those that the peer has opened in this session.
	theirs uint64
	count  int // of theirs
}

// begin makes a stream of this node, and sends its first frame. Both are one step, since the peer
// takes new numbers only in their order. After an error there is no stream.
func (ss *streams) begin(p *peer, first func(s *stream) []byte) (*stream, error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.newest++
	s := newStream(p, streamID{ss.newest, true})
	if err := s.send(first(s)); err != nil {
		return nil, err
	}
	return ss.addLocked(s), nil
}

func (ss *streams) addLocked(s *stream) *stream {
	if ss.open == nil {
		ss.open = make(map[streamID]*stream)
	}
	ss.open[s.id] = s
	return s
}

func (ss *streams) get(id streamID) *stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.open[id]
}

// accept makes a stream that the peer has opened. Numbers only rise.
func (ss *streams) accept(p *peer, id streamID) (s *stream, err error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if id.mine || id.number <= ss.theirs {
		return nil, errMalformed
	}
	ss.theirs = id.number
	if ss.count >= maxStreams {
		return nil, nil
	}
	ss.count++
	return ss.addLocked(newStream(p, id)), nil
}

func (ss *streams) remove(id streamID) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.open[id] != nil && !id.mine {
		ss.count--
	}
	delete(ss.open, id)
}

// all returns the streams at this moment.
func (ss *streams) all() []*stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	list := make([]*stream, 0, len(ss.open))
	for _, s := range ss.open {
		list = append(list, s)
	}
	return list
}

// lost ends all streams with their session.
func (ss *streams) lost() {
	for _, s := range ss.all() {
		s.fail(errPeerGone)
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.theirs = 0
}
