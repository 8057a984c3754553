package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// direction is one of the two ways of bytes through a proxy.
type direction int

const (
	// up is from the one that dialled.
	up direction = iota
	down
)

// valve is a way between two places, which can be made a bad one. All connections that a proxy makes on this
// way obey it. Its methods may be called from anywhere.
type valve struct {
	mu      sync.Mutex
	changed chan struct{} // closed and made anew with each change
	shut    bool          // existing connections were reset, and new ones are
	frozen  [2]bool       // bytes wait, by direction
	delay   time.Duration
	perByte time.Duration // what a byte takes; 0: nothing
	budget  func() int    // bytes that the next connection may carry; nil: no bound
	pairs   map[*pair]struct{}
}

func newValve() *valve {
	return &valve{changed: make(chan struct{}), pairs: make(map[*pair]struct{})}
}

// change changes the state, and wakes who waits for that.
func (v *valve) change(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	close(v.changed)
	v.changed = make(chan struct{})
}

// cut resets all connections and every new one, until open.
func (v *valve) cut() {
	v.change(func() { v.shut = true })
	v.reset()
}

// reset resets the connections that there are.
func (v *valve) reset() {
	v.mu.Lock()
	pairs := make([]*pair, 0, len(v.pairs))
	for p := range v.pairs {
		pairs = append(pairs, p)
	}
	v.mu.Unlock()
	for _, p := range pairs {
		p.reset()
	}
}

// freeze holds all bytes of one direction, without a sign to either side.
func (v *valve) freeze(d direction) { v.change(func() { v.frozen[d] = true }) }

// slow delays every byte, and lets so many pass in a second.
func (v *valve) slow(delay time.Duration, bytesPerSecond int) {
	v.change(func() { v.delay, v.perByte = delay, time.Second/time.Duration(bytesPerSecond) })
}

// cutAtRandom resets each new connection after a number of bytes between the two.
func (v *valve) cutAtRandom(random *rand.Rand, least, most int) {
	var mu sync.Mutex
	v.change(func() {
		v.budget = func() int {
			mu.Lock()
			defer mu.Unlock()
			return least + random.IntN(most-least+1)
		}
	})
}

// open makes the way good again.
func (v *valve) open() {
	v.change(func() {
		v.shut, v.frozen, v.delay, v.perByte, v.budget = false, [2]bool{}, 0, 0, nil
	})
}

func (v *valve) isShut() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.shut
}

// add takes a pair under the valve's rule. It reports false if the way is cut.
func (v *valve) add(p *pair) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut {
		return false
	}
	p.left = -1
	if v.budget != nil {
		p.left = v.budget()
	}
	v.pairs[p] = struct{}{}
	return true
}

func (v *valve) remove(p *pair) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.pairs, p)
}

// due is when so many bytes that came now, behind others that are due at before, may leave.
func (v *valve) due(before time.Time, n int) time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := time.Now().Add(v.delay)
	if before.After(at) {
		at = before
	}
	return at.Add(time.Duration(n) * v.perByte)
}

// pass waits while the direction is frozen. It reports false if the pair has ended.
func (v *valve) pass(d direction, ended <-chan struct{}) bool {
	for {
		v.mu.Lock()
		frozen, changed := v.frozen[d], v.changed
		v.mu.Unlock()
		if !frozen {
			return true
		}
		select {
		case <-changed:
		case <-ended:
			return false
		}
	}
}

// pair is one connection through a proxy: two sockets.
type pair struct {
	valve   *valve
	in, out net.Conn
	mu      sync.Mutex
	left    int // bytes until it is reset; -1: no bound
	once    sync.Once
	ended   chan struct{}
}

func (p *pair) reset() {
	p.once.Do(func() {
		close(p.ended)
		for _, c := range []net.Conn{p.in, p.out} {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.Close()
		}
	})
}

// take returns how many of n bytes may pass before the pair is reset.
func (p *pair) take(n int) (may int, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < 0 {
		return n, false
	}
	may = min(n, p.left)
	p.left -= may
	return may, p.left == 0
}

// piece is bytes that may leave at a time.
type piece struct {
	data []byte
	due  time.Time
}

// inFlight pieces of one direction may be under way: with a delay it is the window of the way.
const (
	inFlight  = 64
	pieceSize = 16 << 10
)

// run copies both ways until one of the sockets has ended.
func (p *pair) run() {
	defer p.valve.remove(p)
	var both sync.WaitGroup
	both.Go(func() { p.copy(up, p.in, p.out) })
	both.Go(func() { p.copy(down, p.out, p.in) })
	both.Wait()
	p.reset()
}

func (p *pair) copy(d direction, from, to net.Conn) {
	pieces := make(chan piece, inFlight)
	var writer sync.WaitGroup
	writer.Go(func() { p.write(d, to, pieces) })
	var before time.Time
	buf := make([]byte, pieceSize)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			before = p.valve.due(before, n)
			select {
			case pieces <- piece{append([]byte(nil), buf[:n]...), before}:
			case <-p.ended:
				err = net.ErrClosed
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.reset()
			}
			break
		}
	}
	close(pieces)
	writer.Wait()
}

// write lets pieces out in time, and then tells the other side that there is no more.
func (p *pair) write(d direction, to net.Conn, pieces <-chan piece) {
	for one := range pieces {
		if !p.wait(one.due) || !p.valve.pass(d, p.ended) {
			return
		}
		may, last := p.take(len(one.data))
		if _, err := to.Write(one.data[:may]); err != nil || last {
			p.reset()
			return
		}
	}
	// The end is bytes too: over a frozen way it is not seen.
	if !p.valve.pass(d, p.ended) {
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

func (p *pair) wait(due time.Time) bool {
	left := time.Until(due)
	if left <= 0 {
		return true
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ended:
		return false
	}
}
