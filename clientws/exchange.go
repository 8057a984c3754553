package clientws

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// exchange is what Server-Sent Events and long polling have in common: the
// client's records come by POST, and an HTTP request carries what it is sent.
type exchange struct {
	h *Handler
	// key is the id that requests carry; v0 says that it is the public one.
	key string
	v0  bool

	conn atomic.Pointer[gateway.Conn]
	// wake holds one signal: there is something to take.
	wake chan struct{}
	// gone is closed when the connection has ended, for cause.
	gone   chan struct{}
	ending sync.Once
	cause  gateway.Cause
	// feeding holds a token while a POST is read and fed: they come one at a time.
	feeding chan struct{}

	mu sync.Mutex
	// writing is the request whose answer is being written, if any.
	writing *http.ResponseController
	// tokens stand for the two tokens that were accepted last with the
	// connection. They stay good for it (see vouch). Two, because some clients
	// post with another token than they poll with.
	tokens [2]auth.TokenHash
}

// init prepares the transport of a connection whose requests carry the key; the
// first of them came with the token.
func (x *exchange) init(h *Handler, key string, version0 bool, token string) {
	x.h, x.key, x.v0 = h, strings.Clone(key), version0
	x.wake, x.gone, x.feeding = make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
	x.used(token)
}

// attached makes the connection known to the requests that follow.
func (x *exchange) attached(conn *gateway.Conn) {
	x.conn.Store(conn)
	x.h.posted.add(x.key, conn)
	if x.isGone() {
		x.finish(x.cause)
	}
}

// used remembers the token of a request that was accepted.
func (x *exchange) used(token string) {
	hash := auth.HashToken(token)
	x.mu.Lock()
	defer x.mu.Unlock()
	if !slices.Contains(x.tokens[:], hash) {
		x.tokens = [2]auth.TokenHash{hash, x.tokens[0]}
	}
}

// knows reports whether the token was used with the connection lately.
func (x *exchange) knows(token auth.TokenHash) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Contains(x.tokens[:], token)
}

func (x *exchange) negotiatedV0() bool { return x.v0 }

// Wake implements gateway.Transport.
func (x *exchange) Wake() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Abort implements gateway.Transport.
func (x *exchange) Abort(cause gateway.Cause) { x.finish(cause) }

// finish ends the connection. The first cause counts.
func (x *exchange) finish(cause gateway.Cause) {
	x.ending.Do(func() {
		x.cause = cause
		close(x.gone)
		x.mu.Lock()
		if x.writing != nil {
			_ = x.writing.SetWriteDeadline(time.Unix(1, 0)) // where it cannot be set, the write ends by itself
		}
		x.mu.Unlock()
	})
	if conn := x.conn.Load(); conn != nil {
		x.h.posted.remove(x.key)
		conn.Ended(x.cause)
	}
}

func (x *exchange) isGone() bool {
	select {
	case <-x.gone:
		return true
	default:
		return false
	}
}

// feed hands over what was posted before the transport came (D5), then data.
// Its caller holds the feeding token.
func (x *exchange) feed(conn *gateway.Conn, data []byte) {
	// What Feed returns is the connection's end, which the client learns from
	// its transport: the POST itself was carried out.
	if early := x.h.pending.take(conn.Identity().ID); len(early) > 0 {
		_ = conn.Feed(early)
	}
	if len(data) > 0 {
		_ = conn.Feed(data)
	}
}

// feedEarly hands over what was posted before the transport came, if anything.
// It does not wait: feeding may have to, until the transport has written something.
func (x *exchange) feedEarly(conn *gateway.Conn) {
	if !x.h.pending.waits(conn.Identity().ID) || !x.h.begin() {
		return
	}
	go func() {
		defer x.h.sockets.Done()
		defer x.recover(conn)
		select {
		case x.feeding <- struct{}{}:
			defer func() { <-x.feeding }()
			x.feed(conn, nil)
		case <-x.gone:
		}
	}()
}

func (x *exchange) recover(conn *gateway.Conn) {
	if p := recover(); p != nil {
		x.h.panicked(p, conn.Logger())
		x.finish(internalCause)
	}
}

var errGone = errors.New("connection has ended")

// pieceBytes is how much is written before the deadline is renewed: about what
// the HTTP server buffers. See Listener for a finer measure.
const pieceBytes = 4 << 10

// write sends bytes to the client and sees that they leave. A client that takes
// none of them for the send timeout is an error that isSlow reports.
func (x *exchange) write(w http.ResponseWriter, b []byte) error {
	rc := http.NewResponseController(w)
	x.mu.Lock()
	if x.isGone() {
		x.mu.Unlock()
		return errGone
	}
	x.writing = rc
	x.mu.Unlock()
	defer func() {
		x.mu.Lock()
		x.writing = nil
		x.mu.Unlock()
	}()
	timeout := x.h.options.Limits().SendTimeout
	for len(b) > 0 {
		piece := b[:min(len(b), pieceBytes)]
		b = b[len(piece):]
		x.renew(rc, timeout)
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	x.renew(rc, timeout)
	if err := rc.Flush(); err != nil {
		return err
	}
	x.renew(rc, 0)
	return nil
}

// renew sets the deadline unless the connection was ended meanwhile.
func (x *exchange) renew(rc *http.ResponseController, timeout time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.isGone() {
		return
	}
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = rc.SetWriteDeadline(deadline) // servers without deadlines have their own ideas of slow clients
}

// writeFailed is why a connection ends whose client could not be written to.
func writeFailed(err error) gateway.Cause {
	if isSlow(err) {
		return gateway.Cause{Reason: gateway.CloseSlowClient, Text: "The client did not take any data for too long."}
	}
	return gateway.Cause{Reason: gateway.CloseNormal}
}

func isSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// noStore forbids caches to keep answers (C60), word for word as self-hosted servers do.
func noStore(header http.Header) {
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}
