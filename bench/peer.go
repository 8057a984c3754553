package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Peer says how to speak with a server of another kind, so that it gets the load that the gateway
// gets. A peer has no users: everybody who connects gets every message.
type Peer struct {
	// Path, with a query if any, is where WebSockets are opened.
	Path string
	// Protocol is asked for as Sec-WebSocket-Protocol; empty asks for none.
	Protocol string
	// Hello are the messages that a client sends at its start. Behind each one it waits for a
	// message that has the text in Welcome of the same index. An empty Hello only waits. A Welcome
	// is a whole record.
	Hello, Welcome []string
	// Separated says that records end with the separator of SignalR. Otherwise each message is one
	// record, or, with Lines, each of its lines.
	Separated, Lines bool
	// Send is where messages are posted, with the content type and headers in SendHeader. The
	// payload stands between Before and After. Any status of the class 2xx is success.
	Send          string
	SendHeader    http.Header
	Before, After string
	// Settle is how long to wait before the first message, for a server that takes a client before it
	// has put the client where messages go.
	Settle time.Duration
}

func (p *Peer) validate() error {
	if len(p.Hello) != len(p.Welcome) {
		return errors.New("peer: each message of the start needs an answer")
	}
	return nil
}

// connectPeer opens one client of a peer.
func (d *dialer) connectPeer(ctx context.Context) (c *client, early []byte, err error) {
	p := d.target.Peer
	conn, err := d.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	release := contextConn(ctx, conn)
	c = &client{conn: conn, frames: frameReader{separate: !p.Separated, lines: p.Lines}}
	path, rawQuery, _ := strings.Cut(p.Path, "?")
	query, err := url.ParseQuery(rawQuery)
	var r *bufio.Reader
	if err == nil {
		header := http.Header{"User-Agent": {userAgent}}
		if p.Protocol != "" {
			header.Set("Sec-Websocket-Protocol", p.Protocol)
		}
		r, err = d.upgrade(conn, path, query, header)
	}
	if err == nil {
		early, err = c.greet(r, p)
	}
	if !release() {
		err = errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return c, early, nil
}

// greet exchanges the messages of the start. What came behind the last of them is given back.
func (c *client) greet(r *bufio.Reader, p *Peer) (early []byte, err error) {
	for i, hello := range p.Hello {
		if hello != "" {
			if err := c.write(appendMasked(nil, opText, []byte(hello))); err != nil {
				return nil, err
			}
		}
		if early, err = c.welcome(r, early, p.Welcome[i]); err != nil {
			return nil, err
		}
	}
	if len(p.Hello) == 0 {
		tail := make([]byte, r.Buffered())
		_, _ = io.ReadFull(r, tail)
		early = c.unframe(tail)
	}
	return early, nil
}

// welcome waits for one record, which may be in early already.
func (c *client) welcome(r *bufio.Reader, early []byte, want string) (rest []byte, err error) {
	buf := make([]byte, 256)
	for {
		record, rest, ok := bytes.Cut(early, separator)
		switch {
		case ok && !bytes.Contains(record, []byte(want)):
			return nil, fmt.Errorf("the start was refused: %s", printable(record))
		case ok:
			tail := make([]byte, r.Buffered())
			_, _ = io.ReadFull(r, tail)
			return append(bytes.Clone(rest), c.unframe(tail)...), nil
		case len(early) > maxNegotiateAnswer:
			return nil, errors.New("the first message does not end")
		}
		n, err := r.Read(buf)
		if err != nil {
			return nil, err
		}
		piece := c.unframe(buf[:n])
		early = append(early, piece...)
	}
}

// peerSender posts messages to a peer over one kept-alive connection.
type peerSender struct {
	peer    *Peer
	url     string
	http    *http.Client
	payload int
	body    []byte
}

func newPeerSender(o *Options) *peerSender {
	return &peerSender{
		peer: o.Target.Peer, payload: o.Load.Payload,
		url:  strings.TrimSuffix(o.Target.Endpoint.String(), "/") + o.Target.Peer.Send,
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: o.Target.TLS, MaxConnsPerHost: 1}, Timeout: o.Clients.Timeout},
	}
}

func (s *peerSender) close() { s.http.CloseIdleConnections() }

func (s *peerSender) send(ctx context.Context, stamps *stamper, slot int, _ string) error {
	s.body = append(s.body[:0], s.peer.Before...)
	s.body = stamps.appendPayload(s.body, slot, s.payload)
	s.body = append(s.body, s.peer.After...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(s.body))
	if err != nil {
		return err
	}
	req.Header = s.peer.SendHeader.Clone()
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send: %s: %s", resp.Status, printable(text))
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return nil
}
