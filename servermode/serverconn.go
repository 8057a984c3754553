package servermode

import (
	"errors"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	// handshakeTimeout is how long a hub server may take for its handshake request.
	handshakeTimeout = 15 * time.Second
	// pingInterval is how often a hub server is pinged. It pings in answer only.
	pingInterval = 5 * time.Second
	// silenceLimit is how long a hub server may send nothing (H28). It is shorter than the 30 s after
	// which clients give up, so that there is time to give them to another hub server.
	silenceLimit = 20 * time.Second
	// writeTimeout is how long writing a piece of pieceBytes may take.
	writeTimeout = 30 * time.Second
	// pieceBytes is the size of the largest WebSocket message that is written.
	pieceBytes = 64 << 10
	// keptBuffer is the size of the largest buffer that an idle writer keeps.
	keptBuffer = 64 << 10
	// lastWord is how long writing a Close frame may take.
	lastWord = time.Millisecond
	// maxHandshake is the size of the largest handshake request.
	maxHandshake = 64 << 10
)

// serverConn is one connection of a hub server.
type serverConn struct {
	b       *Backend
	dialect dialect
	peer    peer
	log     *slog.Logger
	ws      *websocket.Conn // set by attach, under ending.mu
	out     outgoing
	clients clientTable
	clock   serverClock
	ending  ending
	// fin is what the hub server has asked for when it leaves: see drain.go.
	fin    atomic.Int32
	reader messageReader
	asking asking
}

// peer describes the hub server at the other end.
type peer struct {
	// Immutable, from the HTTP request.
	hub, cid, target, serverID, agent, remote string
	// homes are the keys of the hubs whose clients the connection may have, in general one. The first
	// stands for the connection where only one can. whole: it gets clients before others.
	homes []string
	whole bool
	// Immutable after the handshake.
	kind  serviceprotocol.ConnectionKind
	level int32
	// stateless: the hub server wants no stateful reconnect for its clients.
	stateless bool
}

// serverClock is what the sweeper looks at.
type serverClock struct {
	opened time.Time // immutable after attach
	// established: the handshake is done.
	established atomic.Bool
	lastRead    atomic.Int64 // Backend.now
	// paused: the gateway does not read from the hub server, so that its silence means nothing (D12).
	paused   atomic.Bool
	nextPing time.Duration // Backend.now; the sweeper's own
	// logs: the hub server was asked for tracing ids; the sweeper's own.
	logs bool
	// asked is when the ping was sent that will be answered, 0 if none will; lastPong when the hub server has
	// pinged last. Both are Backend.now.
	asked, lastPong atomic.Int64
}

// ending is why the connection ends. It is decided once.
type ending struct {
	mu     sync.Mutex
	reason End
	err    error
}

// messageReader belongs to the reader goroutine.
type messageReader struct {
	stream  *serviceprotocol.Reader
	decoder *serviceprotocol.Decoder
	// body is the message that is carried out at the moment, as bytes.
	body []byte
	// logged are the kinds of losses that have been logged for this connection.
	logged map[Loss]bool
	// replaced is that of the client table, before a client was looked up.
	replaced uint64
	// served is what serves has found, nil as long as it has found nothing.
	served []string
}

func (sc *serverConn) attach(ws *websocket.Conn) {
	limits := sc.b.opts.Limits()
	sc.clock.opened = time.Now()
	sc.ending.mu.Lock()
	sc.ws = ws
	if sc.ending.reason != "" {
		_ = ws.Close() // Backend.Close was faster
	}
	sc.ending.mu.Unlock()
	sc.heard()
	sc.out.init(limits.QueueBytes, sc.b.callRoomy)
	stream := &heardStream{content: serviceprotocol.NewContent(ws), heard: func(n int) {
		sc.heard()
		sc.b.counts.bytesIn.Add(uint64(n))
	}}
	sc.reader = messageReader{
		stream:  serviceprotocol.NewReader(stream, limits.MessageBytes),
		decoder: serviceprotocol.NewDecoder(), logged: make(map[Loss]bool),
	}
}

// run is the whole life of the connection.
func (sc *serverConn) run() {
	if !sc.handshake() {
		return
	}
	var writer sync.WaitGroup
	writer.Go(sc.write)
	sc.read() // it establishes the connection, which the writer has to be there for
	sc.close()
	writer.Wait()
	sc.asking.running.Wait()
}

// end decides that the connection ends and closes its socket. The first reason counts; run cleans
// up. It must not be called with a lock held: it may write a Close frame.
func (sc *serverConn) end(reason End, err error) {
	sc.ending.mu.Lock()
	first, ws := sc.ending.reason == "", sc.ws
	if first {
		sc.ending.reason, sc.ending.err = reason, err
	}
	sc.ending.mu.Unlock()
	if !first || ws == nil {
		return
	}
	if code, ok := closeCodes[reason]; ok {
		// This waits for a write that is under way, for at most lastWord.
		bye := websocket.FormatCloseMessage(code, string(reason))
		_ = ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(lastWord))
	}
	_ = ws.Close()
}

// closeCodes are the codes of the Close frame by reason. For other reasons none is sent, since the
// socket is broken or the hub server does not read.
var closeCodes = map[End]int{
	EndShutdown: websocket.CloseGoingAway, EndModeSwitched: websocket.CloseNormalClosure,
	EndMalformed: websocket.CloseInvalidFramePayloadData, EndTooLarge: websocket.CloseMessageTooBig,
	EndTextFrame: websocket.CloseUnsupportedData, EndPanic: websocket.CloseInternalServerErr, EndSilent: websocket.CloseGoingAway,
	EndClosedByServer: websocket.CloseNormalClosure,
}

func (sc *serverConn) endReason() (End, error) {
	sc.ending.mu.Lock()
	defer sc.ending.mu.Unlock()
	return sc.ending.reason, sc.ending.err
}

// close ends everything that depends on the connection. Its clients go elsewhere or are closed.
func (sc *serverConn) close() {
	reason, err := sc.endReason()
	sc.b.hubs.remove(sc)
	sc.b.peers.remove(sc, reason)
	sc.out.close()
	clients, former := sc.clients.close()
	sc.b.results.serverGone(sc)
	sc.b.counts.end(reason)
	sc.log.Info("server connection closed", "reason", string(reason), "err", err,
		"clients", len(clients), "lasted", time.Since(sc.clock.opened).Round(time.Millisecond))
	sc.b.opts.Observer.Closed(sc.describe(), reason, len(clients))
	for _, s := range append(clients, former...) {
		s.serverLost(sc, reason)
	}
}

// heard notes that the hub server has sent something.
func (sc *serverConn) heard() { sc.clock.lastRead.Store(int64(sc.b.now())) }

// silence is how long nothing has come from the hub server.
func (sc *serverConn) silence() time.Duration {
	return sc.b.now() - time.Duration(sc.clock.lastRead.Load())
}

// read establishes the connection, and handles its messages until it ends.
func (sc *serverConn) read() {
	defer sc.survive()
	sc.establish()
	for {
		body, err := sc.reader.stream.Next()
		if err != nil {
			sc.end(endOf(err), err)
			return
		}
		sc.b.counts.messagesIn.Add(1)
		m, err := sc.reader.decoder.Decode(body)
		if err != nil {
			sc.lose(LossMalformedMessage, "err", err)
			continue
		}
		sc.reader.body = body
		sc.handle(m)
	}
}

// endOf returns the reason that an error of the stream stands for.
func endOf(err error) End {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, serviceprotocol.ErrTooLarge):
		return EndTooLarge
	case errors.Is(err, serviceprotocol.ErrMalformed):
		return EndMalformed
	case errors.Is(err, serviceprotocol.ErrTextMessage):
		return EndTextFrame
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure, errors.Is(err, io.EOF):
		return EndClosedByServer
	}
	return EndBroken
}

// lose counts a message or record that is not carried out. The first of each kind is logged. Only
// the reader calls it.
func (sc *serverConn) lose(l Loss, about ...any) {
	sc.b.counts.lose(l)
	if !sc.reader.logged[l] {
		sc.reader.logged[l] = true
		sc.log.Warn("message of a hub server not carried out; further ones like it are only counted",
			append([]any{"reason", string(l)}, about...)...)
	}
}

// write writes what waits in sc.out, until the connection ends.
func (sc *serverConn) write() {
	defer sc.survive()
	var spare []byte
	for range sc.out.wake {
		// Whoever reads from other clients at this moment goes first, so that what they bring
		// leaves in the same write.
		runtime.Gosched()
		buf, over, ok := sc.out.take(spare[:0])
		if !ok {
			return
		}
		if over {
			sc.end(EndSlow, errors.New("too many bytes wait for the hub server"))
			return
		}
		for rest := buf; len(rest) > 0; {
			n := min(len(rest), pieceBytes)
			_ = sc.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
			if err := sc.ws.WriteMessage(websocket.BinaryMessage, rest[:n]); err != nil {
				sc.end(writeEnd(err), err)
				return
			}
			sc.b.counts.bytesOut.Add(uint64(n))
			sc.out.wrote(n)
			rest = rest[n:]
		}
		if spare = buf; cap(spare) > keptBuffer {
			spare = nil
		}
	}
}

func writeEnd(err error) End {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return EndSlow
	}
	return EndBroken
}
