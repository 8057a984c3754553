package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// longAgo is a deadline that interrupts whoever reads.
var longAgo = time.Unix(1, 0)

// farewell is how long what came of an answer that has broken off may still take to leave.
const farewell = time.Second

// Forward has a request answered by the handler of the node with the tag, body, headers and upgrade
// included; it is clientws.Forwarder. An error means that the node could not be reached, and that
// nothing was written; it is gateway.ErrNoNode if no node of that name is known. An answer that breaks off panics with http.ErrAbortHandler, as an answer of
// this node would. It may be called concurrently.
func (b *Backplane) Forward(w http.ResponseWriter, r *http.Request, node string) error {
	for _, p := range b.members.liveNow() {
		if p.inc.Tag == node {
			f := &forwarding{w: w, r: r, rc: http.NewResponseController(w)}
			var err error
			if f.s, err = p.streams.begin(p, f.head); err != nil {
				return err
			}
			return f.run()
		}
	}
	if b.members.knows(node) {
		return fmt.Errorf("cluster: no session with the node %s", node)
	}
	return fmt.Errorf("%w: %s", gateway.ErrNoNode, node)
}

// longRequest is how long a request that is forwarded may take undisturbed while this node is about to end.
const longRequest = time.Second

// EndForwarded has requests end that other nodes answer without an end of their own, such as polls and streams of
// events: their answers end with what there is, and nothing of them is lost. From then on no such request takes
// longer than a second. It returns at once, and may be called concurrently and again.
func (b *Backplane) EndForwarded() { b.life.leave() }

// hurry has the other node come to an end with its answer when this one is about to end.
func (f *forwarding) hurry() (stop func()) {
	begun := time.Now()
	var later *time.Timer
	var mu sync.Mutex
	over := false
	forget := context.AfterFunc(f.s.p.b.life.leaving, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			later = time.AfterFunc(longRequest-time.Since(begun), f.s.hurry)
		}
	})
	return func() {
		forget()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if later != nil {
			later.Stop()
		}
	}
}

// forwarding is a request that another node answers, at the node that it came to.
type forwarding struct {
	w  http.ResponseWriter
	r  *http.Request
	rc *http.ResponseController
	s  *stream
	// started: the answer has begun.
	started bool
	// uploaded is closed when the body is not read any more, before the other node can know of its
	// end; nil without one.
	uploaded chan struct{}
}

func (f *forwarding) run() error {
	// A deadline for the request as a whole would end answers that take long by their nature.
	_ = f.rc.SetReadDeadline(time.Time{})
	f.s.silence(!f.hasBody())
	defer f.hurry()()
	f.upload()
	hijacked, err := f.download()
	if hijacked {
		return nil // two goroutines go on
	}
	f.s.abort()
	f.stopUpload()
	f.s.finish()
	switch {
	case err != nil && (f.started || f.r.Context().Err() != nil):
		// Half an answer must not look whole, and none must not look like one that says that all is well.
		panic(http.ErrAbortHandler)
	}
	return err
}

// head is the first frame of the request.
func (f *forwarding) head(s *stream) []byte {
	h := requestHead{method: f.r.Method, uri: f.r.RequestURI, host: f.r.Host, remote: f.r.RemoteAddr,
		major: byte(f.r.ProtoMajor), minor: byte(f.r.ProtoMinor), length: f.r.ContentLength, header: f.r.Header}
	if f.hasBody() {
		h.flags |= httpHasBody
	}
	if f.r.TLS != nil {
		h.flags |= httpOverTLS
	}
	return h.append(s.frame(httpRequest))
}

func (f *forwarding) hasBody() bool {
	return f.r.Body != nil && f.r.Body != http.NoBody && f.r.ContentLength != 0
}

// upload sends the body while the answer comes.
func (f *forwarding) upload() {
	if !f.hasBody() {
		return
	}
	f.uploaded = make(chan struct{})
	f.s.p.b.life.wg.Go(func() {
		body := &untilEnd{Reader: f.r.Body, over: sync.OnceFunc(func() { close(f.uploaded) })}
		defer body.over()
		if err := f.s.copyFrom(body, streamPiece); err != nil {
			f.s.abort()
		}
	})
}

// untilEnd is a reader that tells when nothing more is read from it.
type untilEnd struct {
	io.Reader
	over func()
}

// Read implements io.Reader.
func (u *untilEnd) Read(b []byte) (int, error) {
	n, err := u.Reader.Read(b)
	if err != nil {
		u.over()
	}
	return n, err
}

// uploads reports whether the body is still read.
func (f *forwarding) uploads() bool {
	if f.uploaded == nil {
		return false
	}
	select {
	case <-f.uploaded:
		return false
	default:
		return true
	}
}

// stopUpload returns when the body is not read any more.
func (f *forwarding) stopUpload() {
	if !f.uploads() {
		return
	}
	if !f.started {
		f.lastAnswer()
	}
	_ = f.rc.SetReadDeadline(longAgo) // the answer is over, and who sends on is not listened to
	<-f.uploaded
}

// lastAnswer has the client's connection end with the answer, which has not begun. It is for answers
// that come before the end of the request's body. Whoever interrupts the reading of the body may
// interrupt the HTTP server too, which reads on when the body has ended, and to it the client is gone
// then: the contexts of all further requests on the connection would have ended before they began.
func (f *forwarding) lastAnswer() {
	if f.r.ProtoMajor == 1 {
		f.w.Header().Set("Connection", "close")
	}
}

// copyFrom sends what a reader has, and its end.
func (s *stream) copyFrom(from io.Reader, size int) error {
	buf := make([]byte, size)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := s.write(nil, buf[:n], httpPiece); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.end()
		case err != nil:
			return err
		}
	}
}

// download writes the answer as it comes.
func (f *forwarding) download() (hijacked bool, err error) {
	for {
		it, err := f.s.next(f.r.Context().Done())
		if err != nil {
			return false, err
		}
		switch it.op {
		case httpResponse:
			if err := f.begin(it.body); err != nil {
				return false, err
			}
		case httpPiece, httpFlushed:
			if !f.started {
				return false, errMalformed
			}
			if err := f.piece(&it); err != nil {
				return false, err
			}
		case httpEnd:
			if !f.started {
				return false, errMalformed
			}
			return false, nil
		case httpHijacked:
			if f.started || f.uploaded != nil {
				return false, errMalformed
			}
			f.started = true
			return f.hijack()
		default:
			return false, errMalformed
		}
	}
}

func (f *forwarding) begin(body []byte) error {
	var h responseHead
	if err := h.read(newReader(body)); err != nil || f.started {
		return errMalformed
	}
	header := f.w.Header()
	for name, values := range h.header {
		header[name] = values
	}
	if f.uploads() {
		f.lastAnswer()
	}
	f.started = true
	f.s.whenFailed(func() { _ = f.rc.SetWriteDeadline(time.Now().Add(farewell)) })
	f.w.WriteHeader(h.status)
	return nil
}

func (f *forwarding) piece(it *item) error {
	if _, err := f.w.Write(it.body); err != nil {
		return err
	}
	f.s.took(len(it.body))
	if it.op == httpFlushed {
		return f.rc.Flush()
	}
	return nil
}

// hijack takes the connection from the HTTP server: from now on both ends see its bytes.
func (f *forwarding) hijack() (hijacked bool, err error) {
	conn, buffered, err := f.rc.Hijack()
	if err != nil {
		return false, err
	}
	_ = conn.SetDeadline(time.Time{})
	f.s.silence(false)
	f.s.whenFailed(func() { _ = conn.Close() })
	var unread []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		unread, _ = buffered.Reader.Peek(n) // it is in memory
		unread = append([]byte(nil), unread...)
	}
	relayConn(f.s, conn, unread)
	return true, nil
}

// relayBuffer is small: most connections that are relayed say little.
const relayBuffer = 4 << 10

// relayConn takes bytes from a connection to the other node and back, until one of both ends.
func relayConn(s *stream, conn net.Conn, unread []byte) {
	up := make(chan struct{})
	s.p.b.life.wg.Go(func() {
		defer close(up)
		if err := s.copyFrom(io.MultiReader(bytes.NewReader(unread), conn), relayBuffer); err != nil {
			s.abort()
		}
	})
	s.p.b.life.wg.Go(func() {
		_, _ = io.Copy(conn, &streamReader{s: s})
		_ = conn.Close()
		s.abort() // who has said that nothing follows reads nothing either, and gives no credit
		<-up
		s.finish()
	})
}

// Handle sets what answers the requests that other nodes forward to this one. Without it they are
// refused.
func (b *Backplane) Handle(h http.Handler) { b.handler.Store(&h) }

// http takes an HTTP frame of a peer.
func (p *peer) http(body []byte) error {
	id, op, r, err := cutHTTP(body)
	if err != nil {
		return err
	}
	if op != httpRequest {
		if s := p.streams.get(id); s != nil {
			return s.take(op, &r)
		}
		return nil // it is over
	}
	var h requestHead
	if err := h.read(&r); err != nil {
		return err
	}
	s, err := p.streams.accept(p, id)
	if err != nil {
		return err
	}
	if s != nil {
		s.deafness(h.flags&httpHasBody == 0)
	}
	handler := p.b.handler.Load()
	if s == nil || handler == nil {
		p.push(frameHTTP, appendHTTP(nil, id, httpReset))
		if s != nil {
			s.finish()
		}
		return nil
	}
	p.b.life.wg.Go(func() { s.serve(&h, *handler) })
	return nil
}

// serve answers a request of another node.
func (s *stream) serve(h *requestHead, handler http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.whenFailed(cancel)
	a := &answerer{s: s, header: make(http.Header)}
	defer a.finish()
	r, err := h.request(ctx, s)
	if err != nil {
		http.Error(a, "malformed request", http.StatusBadRequest)
		return
	}
	handler.ServeHTTP(a, r)
	a.served = true
}

// request is what the handler sees.
func (h *requestHead) request(ctx context.Context, s *stream) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, h.method, "/", http.NoBody)
	if err != nil {
		return nil, err
	}
	if r.URL, err = url.ParseRequestURI(h.uri); err != nil {
		return nil, err
	}
	if h.flags&httpOverTLS != 0 {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	r.RequestURI, r.Host, r.RemoteAddr, r.Header, r.ContentLength = h.uri, h.host, h.remote, h.header, h.length
	r.Proto, r.ProtoMajor, r.ProtoMinor = fmt.Sprintf("HTTP/%d.%d", h.major, h.minor), int(h.major), int(h.minor)
	if h.flags&httpHasBody != 0 {
		r.Body = &requestBody{streamReader{s: s}}
	}
	return r, nil
}

// requestBody is the body of a request at the node that answers it.
type requestBody struct{ streamReader }

// Close implements io.Closer.
func (*requestBody) Close() error { return nil }
