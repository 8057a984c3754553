package hubserver

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	// silence is how long the gateway may be silent, or take no byte, before a
	// connection is given up.
	silence = 30 * time.Second
	// handshakeWait is how long the gateway may take to accept a connection.
	handshakeWait = 15 * time.Second
	// pingEvery is how much time has to pass between two pings. They are answers to bytes
	// from the gateway, never sent by a timer.
	pingEvery = 5 * time.Second
	// closeWait is how long the last bytes and the close handshake may take.
	closeWait = 5 * time.Second
	// keptBuffer is the size in bytes of the largest buffer that is used again.
	keptBuffer = 64 << 10
)

// link is one connection to the gateway.
type link struct {
	pool   *pool
	cid    string
	kind   serviceprotocol.ConnectionKind
	log    *slog.Logger
	socket *websocket.Conn
	out    *outbox

	clients  atomic.Int64
	finished chan struct{} // closed when the gateway knows of the shutdown, or the link has ended
	finOnce  sync.Once
	lastPing time.Time // owned by the reader
}

func newLink(p *pool, cid string, kind serviceprotocol.ConnectionKind) *link {
	return &link{pool: p, cid: cid, kind: kind, log: p.log.With("cid", cid),
		out: newOutbox(), finished: make(chan struct{})}
}

// run works until the connection ends, or ctx. ready is called when the gateway has
// accepted it.
func (l *link) run(ctx context.Context, socket *websocket.Conn, ready func()) error {
	l.socket = socket
	socket.SetReadLimit(0)
	var writer sync.WaitGroup
	writer.Go(l.write)
	stop := context.AfterFunc(ctx, l.out.close)
	defer stop()
	reader := serviceprotocol.NewReader(newPatientStream(socket), l.pool.server.maxFrame())
	err := l.handshake(reader)
	if err == nil {
		l.pool.join(l)
		ready()
		err = l.read(reader)
		// Closed first: what is asked over it from now on fails by itself, and part answers the rest.
		l.out.close()
		l.pool.part(l)
	}
	l.out.close()
	writer.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (l *link) handshake(reader *serviceprotocol.Reader) error {
	// The level says that clients of other hub servers may be moved to this one.
	l.out.put(&serviceprotocol.HandshakeRequest{Version: serviceprotocol.Version, Kind: l.kind, MigrationLevel: 1})
	late := time.AfterFunc(handshakeWait, l.out.close)
	defer late.Stop()
	body, err := reader.Next()
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	m, err := serviceprotocol.Parse(body)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	response, ok := m.(*serviceprotocol.HandshakeResponse)
	switch {
	case !ok:
		return fmt.Errorf("handshake: the gateway sent %s", m.Type())
	case response.Error != "":
		return fmt.Errorf("handshake refused: %s", response.Error)
	}
	return nil
}

// read handles messages until the connection ends.
func (l *link) read(reader *serviceprotocol.Reader) error {
	decoder := serviceprotocol.NewDecoder()
	for {
		body, err := reader.Next()
		if err != nil {
			return err
		}
		l.received(decoder, body)
	}
}

// received handles one message. What is no message is passed over: the frame was whole.
func (l *link) received(decoder *serviceprotocol.Decoder, body []byte) {
	l.answerPing()
	m, err := decoder.Decode(body)
	if err != nil {
		l.log.Warn("message from the gateway cannot be read", "error", err)
		return
	}
	l.dispatch(m)
}

// answerPing keeps the connection alive: bytes from the gateway ask for bytes.
func (l *link) answerPing() {
	if now := time.Now(); now.Sub(l.lastPing) > pingEvery {
		l.lastPing = now
		l.out.put(serviceprotocol.ClientCountPing(l.pool.clientCount(), int(l.clients.Load())))
	}
}

// write writes what is put into the outbox until that is closed, and then closes the
// socket, which ends the reader.
func (l *link) write() {
	defer l.socket.Close()
	var buffer []byte
	for range l.out.more {
		bytes, closed := l.out.take(buffer)
		wait := silence
		if closed {
			wait = closeWait
		}
		if len(bytes) > 0 {
			err := l.socket.SetWriteDeadline(time.Now().Add(wait))
			if err == nil {
				err = l.socket.WriteMessage(websocket.BinaryMessage, bytes)
			}
			if err != nil {
				l.out.close()
				return
			}
		}
		if closed {
			deadline := time.Now().Add(closeWait)
			end := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			// The socket is closed whether or not the gateway hears why.
			_ = l.socket.WriteControl(websocket.CloseMessage, end, deadline)
			return
		}
		buffer = nil
		if cap(bytes) <= keptBuffer {
			buffer = bytes
		}
	}
}

// patientStream is what the gateway sends, if the gateway is not silent for too long. Only data
// ends a silence: control frames do not.
type patientStream struct {
	socket  *websocket.Conn
	content *serviceprotocol.Content
}

func newPatientStream(socket *websocket.Conn) *patientStream {
	return &patientStream{socket: socket, content: serviceprotocol.NewContent(socket)}
}

// Read implements io.Reader.
func (s *patientStream) Read(b []byte) (int, error) {
	if err := s.socket.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return s.content.Read(b)
}
