package clientaspnet

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// pollTransport is the transport longPolling. At most one poll is served at a time; while there is
// none, the core counts the time.
type pollTransport struct {
	transport.Stream
	*client

	turn sync.Mutex
	// newest is the poll that came last, nil when none is held. Guarded by turn.
	newest *heldPoll

	// The rest belongs to the poll that is being served, or to whoever has the turn while there is none.

	// batch was taken from the connection, and its records up to at were answered: a poll carries what
	// can be joined. taken says that there is one.
	batch gateway.Batch
	at    int
	taken bool
	// cursor is the last one that was answered.
	cursor string
}

// heldPoll is one request that waits for data.
type heldPoll struct {
	superseded chan struct{} // closed by the poll that comes after it
	done       chan struct{} // closed when it is answered
}

func newPollTransport(cl *client) *pollTransport {
	l := &pollTransport{client: cl, cursor: aspnetprotocol.NoCursor}
	l.Init()
	return l
}

func (l *pollTransport) owner() *client { return l.client }

// Name implements gateway.Transport.
func (*pollTransport) Name() string { return gateway.LongPolling }

// Abilities implements gateway.Transport.
func (*pollTransport) Abilities() gateway.Abilities {
	return gateway.Abilities{TextOnly: true, Polled: true, Returns: true}
}

// Manner implements gateway.MannerTransport.
func (l *pollTransport) Manner() gateway.Manner { return manner{l.h} }

// Abort implements gateway.Transport.
func (l *pollTransport) Abort(cause gateway.Cause) { l.finish(cause) }

// finish ends the transport. The first cause counts.
func (l *pollTransport) finish(cause gateway.Cause) {
	cause = l.End(cause)
	l.turn.Lock()
	if l.newest == nil {
		l.giveUp()
	}
	l.turn.Unlock()
	l.lost(l, cause)
}

// endIdle ends the transport if no poll is held that could be told: a client that leaves polls no more.
func (l *pollTransport) endIdle(cause gateway.Cause) {
	l.turn.Lock()
	idle := l.newest == nil
	l.turn.Unlock()
	if idle {
		l.finish(cause)
	}
}

// giveUp reports what was taken and will not be answered.
func (l *pollTransport) giveUp() {
	if l.taken {
		l.taken = false
		l.conn.Load().Wrote(&l.batch, transport.ErrGone)
	}
}

// openPoll answers a request that begins a transport: it is the first poll.
func (o *opening) openPoll() error {
	switch {
	case o.refusal != nil:
		writeJSON(o.w, o.refusal)
		return nil
	case o.client == nil:
		cl := &client{h: o.h}
		l := newPollTransport(cl)
		conn, err := o.begin(l, cl)
		if err != nil {
			return err
		}
		l.serve(o.call, conn, false)
		return nil
	}
	l := newPollTransport(o.client)
	o.end = l.finish
	if refusal := o.replace(l); refusal != nil {
		writeJSON(o.w, refusal)
		return nil
	}
	if o.first == nil && o.cursor != "" {
		l.cursor = o.cursor
	}
	// A client that has come back knows it by the answer.
	l.serve(o.call, o.client.conn.Load(), o.first == nil)
	return nil
}

// poll holds a request until there is something to say.
func (h *Handler) poll(c *call) error {
	if done, err := c.admit(); done || err != nil {
		return err
	}
	given, way, err := c.read()
	if err != nil {
		return err
	}
	client, conn := h.find(given.id)
	if client == nil {
		h.refuser.Note(c.r, h.absent(given, nil), c.key, c.remote())
		writeJSON(c.w, lastFrame(goneText))
		return nil
	}
	client.tokens.Used(c.token)
	l, ok := conn.Transport().(*pollTransport)
	switch {
	case way != longPolling || !ok:
		return errNotPolling
	case l.IsGone(): // the answer to an earlier poll was lost, and the client has not noticed
		o := opening{call: c, given: given, client: client, cursor: c.values.messageID.text}
		return o.openPoll()
	}
	c.end = l.finish
	l.serve(c, conn, false)
	return nil
}

// serve answers one poll, at once if there is no time to hold it.
func (l *pollTransport) serve(c *call, conn *gateway.Conn, atOnce bool) {
	c.end = l.finish
	p := l.enter(conn)
	defer l.leave(p, conn)
	l.hold(c, conn, p, atOnce)
}

// enter waits until the poll before has been answered: it is told to give up.
func (l *pollTransport) enter(conn *gateway.Conn) *heldPoll {
	p := &heldPoll{superseded: make(chan struct{}), done: make(chan struct{})}
	l.turn.Lock()
	before := l.newest
	l.newest = p
	conn.AttachedFor(l)
	l.turn.Unlock()
	if before != nil {
		close(before.superseded)
		<-before.done
	}
	return p
}

func (l *pollTransport) leave(p *heldPoll, conn *gateway.Conn) {
	l.turn.Lock()
	if l.newest == p {
		l.newest = nil
		conn.DetachedFor(l)
		if l.IsGone() {
			l.giveUp()
		}
	}
	l.turn.Unlock()
	close(p.done)
}

func (p *heldPoll) isSuperseded() bool {
	select {
	case <-p.superseded:
		return true
	default:
		return false
	}
}

// hold answers with data as soon as there is some, or with none after the interval.
func (l *pollTransport) hold(c *call, conn *gateway.Conn, p *heldPoll, atOnce bool) {
	limits := l.h.options.Limits()
	interval := time.NewTimer(limits.PollInterval)
	defer interval.Stop()
	keepAlive := time.NewTicker(limits.KeepAlive)
	defer keepAlive.Stop()
	// A read deadline would end the request as if the client had gone.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	for {
		switch {
		case l.IsGone():
			l.answerEnd(c)
			return
		case p.isSuperseded():
			l.answerNothing(c)
			return
		case c.r.Context().Err() != nil:
			return // what would be taken now would have to be sent again
		case l.more(conn):
			l.deliver(c, conn)
			return
		case atOnce:
			l.answerNothing(c)
			return
		}
		select {
		case <-l.Woken():
		case <-l.Gone():
		case <-p.superseded:
		case <-c.r.Context().Done():
		case <-keepAlive.C:
			if l.answer(c, space, false) != nil {
				return
			}
		case <-interval.C:
			l.answerNothing(c)
			return
		}
	}
}

// space is the keep-alive: white space before a JSON text.
var space = []byte(" ")

// more reports whether there is something to answer.
func (l *pollTransport) more(conn *gateway.Conn) bool {
	if !l.taken {
		l.taken, l.at = conn.TakeFor(l, &l.batch, transport.BatchBytes), 0
	}
	return l.taken
}

// deliver answers a poll with what can be joined of the batch.
func (l *pollTransport) deliver(c *call, conn *gateway.Conn) {
	buffer := transport.BorrowBuffer()
	defer transport.ReturnBuffer(buffer)
	body, n := l.appendNext((*buffer)[:0])
	*buffer = body
	err := l.answer(c, body, true)
	l.at += n
	end := l.batch.End
	if err == nil && l.at < len(l.batch.Records) {
		return // the rest is for the next poll
	}
	l.taken = false
	conn.Wrote(&l.batch, err)
	clear(l.batch.Records[:cap(l.batch.Records)]) // an idle client keeps no message alive
	switch {
	case err != nil:
		l.finish(transport.WriteFailed(err)) // the client will ask for it again
	case end != nil:
		l.finish(*end)
	}
}

// appendNext appends one answer, and returns how many records it carries: several frames with messages,
// or any other alone. The first frame of a connection is alone too, because clients have to hear of it before
// there are messages, and an error, because clients stop there.
func (l *pollTransport) appendNext(dst []byte) (body []byte, n int) {
	var few [16][]byte
	frames := few[:0]
	for _, r := range l.batch.Records[l.at:] {
		if r.Framed() { // what was meant for a WebSocket
			n++
			continue
		}
		cursor := aspnetprotocol.CursorOf(r.Bytes)
		alone := cursor == "" || cursor == aspnetprotocol.NoCursor
		if alone && len(frames) > 0 {
			break
		}
		n++
		frames = append(frames, r.Bytes)
		if alone {
			break
		}
	}
	switch len(frames) {
	case 0: // the end, and nothing before it
		return aspnetprotocol.AppendEmpty(dst, l.cursor), n
	case 1:
		body = append(dst, frames[0]...)
	default:
		body = aspnetprotocol.JoinPoll(dst, frames...)
	}
	if cursor := aspnetprotocol.CursorOf(frames[len(frames)-1]); cursor != "" {
		l.cursor = cursor
	}
	return body, n
}

// answerNothing lets the client poll again.
func (l *pollTransport) answerNothing(c *call) {
	_ = l.answer(c, aspnetprotocol.AppendEmpty(nil, l.cursor), true) // there is nothing to lose
}

// answerEnd answers a poll whose transport has ended meanwhile.
func (l *pollTransport) answerEnd(c *call) {
	body := manner{l.h}.Close(l.Cause(), true)
	if l.Cause() == gateway.Replaced || body == nil {
		body = aspnetprotocol.AppendEmpty(nil, l.cursor)
	}
	if !c.w.Started {
		writeJSON(c.w, body)
		return
	}
	_, _ = c.w.Write(body) // whoever is there hears it
}

// answer writes a part of the answer; last says that it ends there.
func (l *pollTransport) answer(c *call, body []byte, last bool) error {
	if !c.w.Started {
		header := c.w.Header()
		header.Set("Content-Type", contentType)
		header.Set("X-Content-Type-Options", "nosniff")
		if last {
			header.Set("Content-Length", strconv.Itoa(len(body)))
		}
	}
	return l.Write(c.w, body, l.h.sendTimeout())
}
