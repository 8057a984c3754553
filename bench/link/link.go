// Package link connects to a gateway as clients of ASP.NET Core SignalR do, by each of the three
// transports, and shows what goes over them as bytes. It is for programs that test a gateway: a
// Link can be cut as a broken network cuts.
package link

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Transport is how a client is connected.
type Transport int

// The transports, and how many there are.
const (
	WebSockets Transport = iota
	ServerSentEvents
	LongPolling
	Transports
)

func (t Transport) String() string {
	return [...]string{"WebSockets", "ServerSentEvents", "LongPolling"}[t]
}

// Link is one connection to the gateway. Receive blocks, and is called by one goroutine. Send may be called
// from anywhere. Cut ends everything at once, as a broken network does, and may be called from anywhere.
type Link interface {
	Send(records []byte) error
	Receive() ([]byte, error)
	Cut()
	// ID is the id of the connection.
	ID() string
}

// AnswerTime bounds every request but those that wait for messages.
const AnswerTime = 30 * time.Second

// Dialer makes links. Each has an HTTP client of its own, so that Cut ends just its sockets.
type Dialer struct {
	// Base is the gateway's URL, without a slash at the end.
	Base, Hub string
	// Query is added to the URL of the hub, as in "user=anna"; "" adds nothing.
	Query string
	// Token returns the token of a user.
	Token func(user string) (string, error)
	// NoKeepAlives makes each request on a connection of its own, which a balancer may give to any node.
	NoKeepAlives bool
}

// Dial negotiates and connects. The handshake of the hub protocol is left to the caller.
func (d *Dialer) Dial(ctx context.Context, t Transport, user string) (Link, error) {
	token, err := d.Token(user)
	if err != nil {
		return nil, err
	}
	w := NewWire(token)
	w.transport.DisableKeepAlives = d.NoKeepAlives
	connectionToken, err := w.negotiate(ctx, d.url("/client/negotiate", "negotiateVersion=1"))
	if err != nil {
		w.Cut()
		return nil, err
	}
	w.url = d.url("/client/", "id="+url.QueryEscape(connectionToken))
	var l Link
	switch t {
	case WebSockets:
		l, err = newWSLink(ctx, w)
	case ServerSentEvents:
		l, err = newSSELink(w)
	default:
		l, err = newPollLink(w)
	}
	if err != nil {
		w.Cut()
		return nil, fmt.Errorf("%v: %w", t, err)
	}
	return l, nil
}

func (d *Dialer) url(path, query string) string {
	address := d.Base + path + "?hub=" + d.Hub + "&" + query
	if d.Query != "" {
		address += "&" + d.Query
	}
	return address
}

func (w *Wire) negotiate(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, AnswerTime)
	defer cancel()
	text, err := w.Call(ctx, http.MethodPost, address, nil)
	if err != nil {
		return "", fmt.Errorf("negotiate: %w", err)
	}
	var answer struct{ ConnectionToken, ConnectionID, Error string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", err
	}
	if answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	w.id = answer.ConnectionID
	return answer.ConnectionToken, nil
}

// wsLink is a WebSocket.
type wsLink struct {
	*Wire
	ws *websocket.Conn
	mu sync.Mutex
}

func newWSLink(ctx context.Context, w *Wire) (Link, error) {
	dialer := websocket.Dialer{NetDialContext: w.DialContext, HandshakeTimeout: AnswerTime}
	address := "ws" + strings.TrimPrefix(w.url, "http")
	ws, _, err := dialer.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + w.Token}})
	if err != nil {
		return nil, err
	}
	AnswerPings(ws)
	return &wsLink{Wire: w, ws: ws}, nil
}

// AnswerPings gives the answers to pings AnswerTime. They have a second otherwise, behind which a socket can write nothing
// any more: a process that is not given a processor for so long would lose its connection.
func AnswerPings(ws *websocket.Conn) {
	ws.SetPingHandler(func(text string) error {
		err := ws.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(AnswerTime))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
}

func (l *wsLink) Send(records []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.ws.SetWriteDeadline(time.Now().Add(AnswerTime))
	return l.ws.WriteMessage(websocket.TextMessage, records)
}

func (l *wsLink) Receive() ([]byte, error) {
	_, data, err := l.ws.ReadMessage()
	return data, err
}

// sseLink reads events from one response and posts.
type sseLink struct {
	*Wire
	lines *bufio.Reader
}

func newSSELink(w *Wire) (Link, error) {
	w.events = true
	resp, err := w.Request(context.Background(), http.MethodGet, w.url, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(errors.New(resp.Status), resp.Body.Close())
	}
	return &sseLink{Wire: w, lines: bufio.NewReader(resp.Body)}, nil
}

func (l *sseLink) Send(records []byte) error { return l.post(records) }

func (l *sseLink) Receive() ([]byte, error) {
	var data []byte
	for {
		line, err := l.lines.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 && data != nil {
			return data, nil
		}
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
		}
	}
}

// pollLink asks again and again.
type pollLink struct {
	*Wire
}

func newPollLink(w *Wire) (Link, error) {
	l := &pollLink{Wire: w}
	// The first poll is answered at once and says that the connection is there.
	_, err := l.Receive()
	return l, err
}

func (l *pollLink) Send(records []byte) error { return l.post(records) }

func (l *pollLink) Receive() ([]byte, error) {
	resp, err := l.Request(context.Background(), http.MethodGet, l.url, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, err
	case l.isCut():
		// A poll whose socket was closed is repeated by net/http on another that is not closed yet:
		// what it brings comes behind the answer that was lost.
		return nil, net.ErrClosed
	case resp.StatusCode == http.StatusNoContent:
		return nil, io.EOF
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("poll: %s: %s", resp.Status, data)
	}
	return data, nil
}
