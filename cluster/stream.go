package cluster

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// streamWindow is how many bytes of a stream may be on their way, or wait for whoever reads
	// them, in each direction.
	streamWindow = 64 << 10
	// streamPiece is the most bytes of one frame.
	streamPiece = 32 << 10
	// maxStreams bounds the streams that a peer may have open here.
	maxStreams = 1 << 16
)

// streamID names a stream between two nodes. The opener numbers it.
type streamID struct {
	number uint64
	mine   bool // this node has opened it
}

// stream is one end of a request on its way between two nodes: bytes in both directions, each with a
// credit, so that neither the link nor the other node ever waits for whoever is slow. One goroutine
// may receive and one may send at a time.
type stream struct {
	p  *peer
	id streamID
	// failed is closed when the stream is over before both ends have said so.
	failed chan struct{}
	// readable and writable hold a signal for the one who waits.
	readable, writable          chan struct{}
	readDeadline, writeDeadline deadline

	mu     sync.Mutex // guards what follows
	err    error      // why it failed
	onFail func()     // is called when it fails; not again
	arrived
	sending
}

// arrived is what has come and was not taken.
type arrived struct {
	items []item
	// held is the bytes among them, taken those that no credit was given for yet.
	held, taken int
	ended       bool // the other end has said that nothing follows
}

// sending is what may be sent.
type sending struct {
	credit   int
	saidEnd  bool
	finished bool // this end is not interested any more
}

// item is one frame of a stream.
type item struct {
	op   httpOp
	body []byte
}

var (
	errStreamReset = errors.New("cluster: the other node has ended the request")
	errStreamDone  = errors.New("cluster: the request is over")
)

func newStream(p *peer, id streamID) *stream {
	return &stream{p: p, id: id, failed: make(chan struct{}), readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
		sending: sending{credit: streamWindow}}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take takes a frame of the other end. An error says that the other end does not keep the rules.
func (s *stream) take(op httpOp, r *wireReader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch op {
	case httpReset:
		s.failLocked(errStreamReset)
		return nil
	case httpCredit:
		n := r.Uvarint(streamWindow)
		if s.credit+int(n) > streamWindow {
			return errMalformed
		}
		s.credit += int(n)
		signal(s.writable)
		return r.end()
	case httpHurry:
		if s.onFail != nil {
			s.p.b.life.wg.Go(s.onFail) // the request is over for its handler, whose answer still leaves
		}
		return r.end()
	}
	if s.ended {
		return errMalformed
	}
	if s.finished {
		return nil
	}
	if op == httpPiece || op == httpFlushed {
		if s.held += len(r.Rest); s.held > streamWindow {
			return errMalformed
		}
	}
	s.ended = op == httpEnd
	s.items = append(s.items, item{op, r.Rest})
	signal(s.readable)
	return nil
}

// fail ends the stream here.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *stream) failLocked(err error) {
	if s.err != nil || s.finished {
		return
	}
	s.err = err
	close(s.failed)
	if s.onFail != nil {
		// Whatever it interrupts may be under way in a call of this stream.
		s.p.b.life.wg.Go(s.onFail)
	}
}

// whenFailed has do called when the stream fails, by a goroutine of its own, or at once if it has.
// There is one such function at a time; nil is none.
func (s *stream) whenFailed(do func()) {
	s.mu.Lock()
	s.onFail = do
	failed := s.err != nil
	s.mu.Unlock()
	if failed && do != nil {
		do()
	}
}

// next returns the next frame of the other end, and waits for it until stop.
func (s *stream) next(stop <-chan struct{}) (item, error) {
	for {
		s.mu.Lock()
		if len(s.items) > 0 {
			it := s.items[0]
			s.items[0] = item{}
			if s.items = s.items[1:]; len(s.items) == 0 {
				s.items = nil
			}
			s.mu.Unlock()
			return it, nil
		}
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return item{}, err
		}
		select {
		case <-s.readable:
		case <-s.failed:
		case <-s.readDeadline.passed():
			return item{}, os.ErrDeadlineExceeded
		case <-stop:
			return item{}, errStreamDone
		}
	}
}

// took says that so many bytes of pieces have been used, so that as many may follow.
func (s *stream) took(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
	if s.taken += n; s.taken >= streamWindow/2 && !s.ended && s.err == nil {
		frame := binary.AppendUvarint(appendHTTP(nil, s.id, httpCredit), uint64(s.taken))
		s.taken = 0
		s.p.push(frameHTTP, frame)
	}
}

// send queues frames that need no credit. Nothing is sent when the stream is over.
func (s *stream) send(frames ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked(frames...)
}

func (s *stream) sendLocked(frames ...[]byte) error {
	switch {
	case s.err != nil:
		return s.err
	case s.finished || s.saidEnd:
		return errStreamDone
	}
	if !s.p.pushAll(frameHTTP, frames) {
		return errPeerGone
	}
	return nil
}

func (s *stream) frame(op httpOp) []byte { return appendHTTP(nil, s.id, op) }

// write sends bytes as pieces, the last one with op, behind frames that were not sent yet. It waits
// for credit, and for room on the link, until the write deadline.
func (s *stream) write(before [][]byte, b []byte, op httpOp) (written int, err error) {
	for {
		if s.p.linkFull() {
			if err := s.waitToSend(); err != nil {
				return written, err
			}
			continue
		}
		s.mu.Lock()
		n := min(len(b), streamPiece, s.credit)
		if n > 0 || len(b) == 0 {
			kind := httpPiece
			if n == len(b) {
				kind = op
			}
			err = s.sendLocked(append(before, append(appendHTTP(make([]byte, 0, n+12), s.id, kind), b[:n]...))...)
			s.credit -= n
			s.mu.Unlock()
			if err != nil {
				return written, err
			}
			written += n
			if b, before = b[n:], nil; len(b) == 0 {
				return written, nil
			}
			continue
		}
		s.mu.Unlock()
		if len(before) > 0 {
			if err := s.send(before...); err != nil {
				return written, err
			}
			before = nil
		}
		if err := s.waitToSend(); err != nil {
			return written, err
		}
	}
}

// waitToSend waits until it may be tried again to send.
func (s *stream) waitToSend() error {
	select {
	case <-s.writable:
		return nil
	case <-s.failed:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.err
	case <-s.writeDeadline.passed():
		return os.ErrDeadlineExceeded
	}
}

// end says that nothing follows, behind frames that were not sent yet.
func (s *stream) end(before ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.sendLocked(append(before, s.frame(httpEnd))...)
	s.saidEnd = true
	return err
}

// silence says whether nothing is sent from here, though no frame says so.
func (s *stream) silence(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saidEnd = is
}

// deafness says whether nothing comes from the other end, though no frame says so.
func (s *stream) deafness(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = is
}

// abort ends the stream on both ends, unless that has happened. The caller interrupts what it has
// under way itself.
func (s *stream) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.finished && !(s.saidEnd && s.ended) {
		s.p.push(frameHTTP, s.frame(httpReset))
	}
	s.onFail = nil
	s.failLocked(errStreamDone)
}

// hurry asks the other end to come to an end with its answer.
func (s *stream) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && !s.finished {
		s.p.push(frameHTTP, s.frame(httpHurry))
	}
}

// finish forgets the stream: what still comes for it is not looked at.
func (s *stream) finish() {
	s.mu.Lock()
	s.finished = true
	s.items, s.onFail = nil, nil
	s.mu.Unlock()
	s.readDeadline.set(time.Time{})
	s.writeDeadline.set(time.Time{})
	s.p.streams.remove(s.id)
}

// streamReader reads the bytes of a stream. One that is at its end says so again and again.
type streamReader struct {
	s    *stream
	rest []byte
	err  error
}

// Read implements io.Reader.
func (r *streamReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		it, err := r.s.next(nil)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case err != nil:
			r.err = err
		case it.op == httpEnd:
			r.err = io.EOF
		case it.op == httpPiece || it.op == httpFlushed:
			r.rest = it.body
		default:
			r.err = errMalformed
		}
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	r.s.took(n)
	return n, nil
}
