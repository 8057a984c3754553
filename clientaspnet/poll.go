package clientaspnet

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"
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

	polls transport.Polls

	// The rest belongs to the poll that is being served, or to whoever has the lock of polls while there is none.

	// batch was taken from the connection, and its records up to at were answered: a poll carries what
	// can be joined. taken says that there is one.
	batch gateway.Batch
	at    int
	taken bool
	// cursor is the last one that was answered.
	cursor string
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
	l.polls.IfNone(l.giveUp)
	l.lost(l, cause)
}

// endIdle ends the transport if no poll is held that could be told: a client that leaves polls no more.
func (l *pollTransport) endIdle(cause gateway.Cause) {
	if l.polls.Newest() == nil {
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
		writeJSON(o.w, o.framesOf(o.refusal)[0])
		return nil
	case o.client == nil:
		cl := &client{h: o.h}
		l := newPollTransport(cl)
		conn, err := o.begin(l, cl)
		if err != nil {
			return err
		}
		return o.serve(l, conn, false)
	}
	l := newPollTransport(o.client)
	if o.cursor != "" {
		l.cursor = o.cursor
	}
	o.end = l.finish
	if refusal := o.replace(l); refusal != nil {
		writeJSON(o.w, o.framesOf(refusal)[0]) // the client polls next, and hears the rest then
		return nil
	}
	// A client that has come back knows it by the answer.
	return o.serve(l, o.client.conn.Load(), o.command == "reconnect")
}

// serve answers a poll on a transport, or on another one if the client has not had what was answered on that.
func (o *opening) serve(l *pollTransport, conn *gateway.Conn, atOnce bool) error {
	if l.serve(o.call, conn, atOnce) {
		return nil
	}
	// Whoever has given up a poll has closed its connection too, which is noticed soon.
	select {
	case <-time.After(lateGrace):
		return o.openAgain()
	case <-o.r.Context().Done():
		return nil
	}
}

// lateGrace is how long a poll that does not begin where the last answer ended waits for the end of its request.
const lateGrace = 50 * time.Millisecond

// openAgain answers a poll of a client that has not had what was answered before: an answer was lost, or went to a
// poll that the client had given up and that came late. To the application it has not been away.
func (o *opening) openAgain() error {
	if o.cursor = o.values.messageID.text; o.cursor == "" {
		o.cursor = aspnetprotocol.NoCursor
	}
	o.first = aspnetprotocol.AppendEmpty(nil, o.cursor)
	return o.openPoll()
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
	if client == nil && given.id != "" && h.aborted.has(given.id) {
		writeJSON(c.w, aspnetprotocol.AppendEmpty(nil, cmp.Or(c.values.messageID.text, aspnetprotocol.NoCursor)))
		return nil
	}
	if client == nil {
		h.refuser.Note(c.r, h.absent(given, nil), c.key, c.remote())
		writeJSON(c.w, lastFrame(goneText))
		return nil
	}
	client.tokens.Used(c.token)
	l, ok := conn.Transport().(*pollTransport)
	if way != longPolling || !ok {
		return errNotPolling
	}
	o := opening{call: c, given: given, client: client}
	return o.serve(l, conn, false)
}

// serve answers one poll, at once if there is no time to hold it. It does not if the client has not had what
// was answered before.
func (l *pollTransport) serve(c *call, conn *gateway.Conn, atOnce bool) (served bool) {
	c.end = l.finish
	p := l.polls.Enter(func() { conn.AttachedFor(l) })
	defer l.leave(p, conn)
	if c.command == "poll" && !p.IsSuperseded() && l.missed(c.values.messageID.text, conn) {
		return false
	}
	l.hold(c, conn, p, atOnce)
	return true
}

// missed reports whether a client that has read up to the cursor needs a transport that begins there.
func (l *pollTransport) missed(cursor string, conn *gateway.Conn) bool {
	if conn.Transport() != gateway.Transport(l) || conn.CloseRequested() != nil {
		return false // whoever has replaced it, or ends it, answers
	}
	return l.IsGone() || cursor != "" && cursor != l.cursor
}

func (l *pollTransport) leave(p *transport.Poll, conn *gateway.Conn) {
	l.polls.Leave(p, func() {
		conn.DetachedFor(l)
		if l.IsGone() {
			l.giveUp()
		}
	})
}

// hold answers with data as soon as there is some, or with none after the interval.
func (l *pollTransport) hold(c *call, conn *gateway.Conn, p *transport.Poll, atOnce bool) {
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
		case p.IsSuperseded():
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
		case <-p.Superseded():
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
	body, n := l.appendNext(c, (*buffer)[:0])
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

// nothing is an answer without messages to a client that has had none.
var nothing = aspnetprotocol.AppendEmpty(nil, aspnetprotocol.NoCursor)

// appendNext appends one answer, and returns how many records it carries: several frames with messages,
// or any other alone. The first frame of a connection is alone too, because clients have to hear of it before
// there are messages, and an error, because clients stop there.
func (l *pollTransport) appendNext(c *call, dst []byte) (body []byte, n int) {
	var few [16][]byte
	frames := few[:0]
	for _, r := range l.batch.Records[l.at:] {
		if r.Framed() { // what was meant for a WebSocket
			n++
			continue
		}
		cursor := aspnetprotocol.CursorOf(r.Bytes)
		alone := cursor == "" || cursor == aspnetprotocol.NoCursor && !bytes.Equal(r.Bytes, nothing)
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
		return l.appendNothing(c, dst), n
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

// appendNothing appends an answer without messages. Its cursor is the one that the client has said: what was
// answered last may have gone to another poll.
func (l *pollTransport) appendNothing(c *call, dst []byte) []byte {
	if cursor := c.values.messageID.text; cursor != "" {
		return aspnetprotocol.AppendEmpty(dst, cursor)
	}
	return aspnetprotocol.AppendEmpty(dst, l.cursor)
}

// answerNothing lets the client poll again.
func (l *pollTransport) answerNothing(c *call) {
	_ = l.answer(c, l.appendNothing(c, nil), true) // there is nothing to lose
}

// answerEnd answers a poll whose transport has ended meanwhile.
func (l *pollTransport) answerEnd(c *call) {
	body := manner{l.h}.Close(l.Cause(), true)
	if l.Cause() == gateway.Replaced || body == nil {
		body = l.appendNothing(c, nil)
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
	err := l.Write(c.w, body, l.h.sendTimeout())
	if err == transport.ErrGone && last && !c.w.Started {
		l.answerEnd(c) // whoever is there polls again, or hears why not
	}
	return err
}
