package presence

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// maxFeeds is how many hubs a node follows at a time, maxReaders how many read.
const maxFeeds, maxReaders = 32, 128

// feeds are those of this node, by hub, and what other nodes follow of it.
type feeds struct {
	node   string
	source source
	total  tally

	mu      sync.Mutex // guards what follows; taken before the source's, and that before a feed's
	byHub   map[string]*feed
	peers   map[gateway.Peer]struct{}
	readers int
	// stop ends everything; it is closed once.
	stop    chan struct{}
	closed  bool
	running sync.WaitGroup
}

func (fs *feeds) init(hub *gateway.Gateway) {
	fs.node, fs.source.hub = hub.Name(), hub
	fs.byHub, fs.peers, fs.stop = make(map[string]*feed), make(map[gateway.Peer]struct{}), make(chan struct{})
}

// open returns the feed of a hub, with one more reader, and makes it if there is none. Nil: there are too many.
func (fs *feeds) open(hub string) *feed {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byHub[hub]
	if fs.closed || fs.readers >= maxReaders || f == nil && len(fs.byHub) >= maxFeeds {
		return nil
	}
	fs.readers++
	if f != nil {
		f.read(1)
		return f
	}
	f = newFeed(hub, strconv.FormatUint(rand.Uint64(), 36), &fs.total)
	f.read(1)
	fs.byHub[hub] = f
	f.expect(fs.node)
	for p := range fs.peers {
		f.expect(p.Name())
		p.Send(encode(saidFollow, follow{Hub: hub, On: true}))
	}
	fs.source.begin(hub, ownSink{fs, f})
	fs.running.Go(func() { fs.keep(f) })
	return f
}

// done takes a reader back.
func (fs *feeds) done(f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.readers--
	f.read(-1)
}

// keep lives as long as the feed.
func (fs *feeds) keep(f *feed) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			if f.tick() {
				continue
			}
		case <-fs.stop:
		}
		if fs.drop(f) {
			return
		}
	}
}

// drop ends a feed that nobody reads any more.
func (fs *feeds) drop(f *feed) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if !f.endUnlessRead(fs.closed) {
		return false // somebody came meanwhile
	}
	delete(fs.byHub, f.hub)
	fs.source.end(f.hub, ownSink{fs, f})
	for p := range fs.peers {
		p.Send(encode(saidFollow, follow{Hub: f.hub}))
	}
	return true
}

// close ends all feeds and waits for what serves them.
func (fs *feeds) close() {
	fs.mu.Lock()
	if !fs.closed {
		fs.closed = true
		close(fs.stop)
	}
	fs.mu.Unlock()
	fs.running.Wait()
	fs.source.close()
}

// peerUp tells another node what is followed.
func (fs *feeds) peerUp(p gateway.Peer) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.peers[p] = struct{}{}
	for hub, f := range fs.byHub {
		f.expect(p.Name())
		p.Send(encode(saidFollow, follow{Hub: hub, On: true}))
	}
}

// peerGone notes that a node cannot be reached.
func (fs *feeds) peerGone(p gateway.Peer) {
	fs.source.end("", peerSink{p})
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.peers, p)
	for other := range fs.peers {
		if other.Name() == p.Name() {
			return // it has come back, and says who is there now
		}
	}
	for _, f := range fs.byHub {
		f.unreachable(p.Name())
	}
}

// peerSaid takes a message about feeds.
func (fs *feeds) peerSaid(p gateway.Peer, kind byte, body []byte) error {
	if kind == saidFollow {
		asked, err := decodeFollow(body)
		switch {
		case err != nil:
			return err
		case asked.On:
			fs.source.begin(asked.Hub, peerSink{p})
		default:
			fs.source.end(asked.Hub, peerSink{p})
		}
		return nil
	}
	n, err := decodeNews(body)
	if err != nil {
		return err
	}
	fs.mu.Lock()
	f := fs.byHub[n.Hub]
	fs.mu.Unlock()
	if f != nil {
		f.heard(p.Name(), &n)
	}
	return nil
}

// ownSink is this node's own feed.
type ownSink struct {
	feeds *feeds
	feed  *feed
}

func (s ownSink) tell(n *news) bool {
	s.feed.heard(s.feeds.node, n)
	return true
}

// peerSink is another node.
type peerSink struct{ peer gateway.Peer }

func (s peerSink) tell(n *news) bool {
	message := encode(saidNews, n)
	if s.peer.Full(len(message)) {
		return false
	}
	s.peer.Send(message) // else it is gone, and hears so
	return true
}
