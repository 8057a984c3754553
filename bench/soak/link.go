package main

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

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
)

// transport is how a client is connected.
type transport int

const (
	webSockets transport = iota
	serverSentEvents
	longPolling
	transports
)

func (t transport) String() string {
	return [...]string{"WebSockets", "ServerSentEvents", "LongPolling"}[t]
}

// link is one connection to the gateway. receive blocks; cut ends everything at once, as a broken
// network does, and may be called from anywhere.
type link interface {
	send(records []byte) error
	receive() ([]byte, error)
	cut()
}

// tokenLife is short, since the gateway remembers an ended connection for as long as its token.
// Connections outlive their tokens.
const tokenLife = 20 * time.Second

// answerTime bounds every request but those that wait for messages.
const answerTime = 30 * time.Second

// dialer makes links. Each has an HTTP client of its own, so that cut ends just its sockets.
type dialer struct{ base string }

func sign(audience, user string) (string, error) {
	claims := jwt.MapClaims{"aud": audience, "exp": time.Now().Add(tokenLife).Unix()}
	if user != "" {
		claims["nameid"] = user
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(accessKey))
}

// dial negotiates and connects.
func (d *dialer) dial(ctx context.Context, t transport, user string) (link, error) {
	token, err := sign(d.base+"/client/?hub="+hub, user)
	if err != nil {
		return nil, err
	}
	h := &wire{token: token}
	h.http = &http.Client{Transport: &http.Transport{DialContext: h.dialContext, DisableCompression: true}}
	connectionToken, err := h.negotiate(ctx, d.base)
	if err != nil {
		h.cut()
		return nil, err
	}
	h.url = d.base + "/client/?hub=" + hub + "&id=" + url.QueryEscape(connectionToken)
	var l link
	switch t {
	case webSockets:
		l, err = newWSLink(ctx, h)
	case serverSentEvents:
		l, err = newSSELink(h)
	default:
		l, err = newPollLink(h)
	}
	if err != nil {
		h.cut()
		return nil, fmt.Errorf("%v: %w", t, err)
	}
	return l, nil
}

// wire is the HTTP side of a link: it knows all of its sockets.
type wire struct {
	token, url string
	http       *http.Client
	events     bool // requests ask for Server-Sent Events

	mu    sync.Mutex
	conns []net.Conn
	over  bool
}

func (w *wire) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	w.conns = append(w.conns, c)
	return c, nil
}

// cut resets all sockets.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	for _, c := range w.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
	w.conns = nil
	w.http.CloseIdleConnections()
}

func (w *wire) request(ctx context.Context, method, address string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if w.events {
		r.Header.Set("Accept", "text/event-stream")
	}
	return w.http.Do(r)
}

// call makes a request whose answer is short.
func (w *wire) call(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	resp, err := w.request(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %s", method, resp.Status, answer)
	}
	return answer, err
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

func (w *wire) negotiate(ctx context.Context, base string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	text, err := w.call(ctx, http.MethodPost, base+"/client/negotiate?negotiateVersion=1&hub="+hub, nil)
	if err != nil {
		return "", fmt.Errorf("negotiate: %w", err)
	}
	var answer struct{ ConnectionToken, Error string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", err
	}
	if answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.ConnectionToken, nil
}

func (w *wire) post(records []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, err := w.call(ctx, http.MethodPost, w.url, records)
	return err
}

// wsLink is a WebSocket.
type wsLink struct {
	*wire
	ws   *websocket.Conn
	mu   sync.Mutex
	text []byte
}

func newWSLink(ctx context.Context, w *wire) (link, error) {
	dialer := websocket.Dialer{NetDialContext: w.dialContext, HandshakeTimeout: answerTime}
	address := "ws" + strings.TrimPrefix(w.url, "http")
	ws, _, err := dialer.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + w.token}})
	if err != nil {
		return nil, err
	}
	return &wsLink{wire: w, ws: ws}, nil
}

func (l *wsLink) send(records []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.ws.SetWriteDeadline(time.Now().Add(answerTime))
	return l.ws.WriteMessage(websocket.TextMessage, records)
}

func (l *wsLink) receive() ([]byte, error) {
	_, data, err := l.ws.ReadMessage()
	return data, err
}

// sseLink reads events from one response and posts.
type sseLink struct {
	*wire
	body  io.ReadCloser
	lines *bufio.Reader
}

func newSSELink(w *wire) (link, error) {
	w.events = true
	resp, err := w.request(context.Background(), http.MethodGet, w.url, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(errors.New(resp.Status), resp.Body.Close())
	}
	return &sseLink{wire: w, body: resp.Body, lines: bufio.NewReader(resp.Body)}, nil
}

func (l *sseLink) send(records []byte) error { return l.post(records) }

func (l *sseLink) receive() ([]byte, error) {
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
	*wire
}

func newPollLink(w *wire) (link, error) {
	l := &pollLink{wire: w}
	// The first poll is answered at once and says that the connection is there.
	_, err := l.receive()
	return l, err
}

func (l *pollLink) send(records []byte) error { return l.post(records) }

func (l *pollLink) receive() ([]byte, error) {
	resp, err := l.request(context.Background(), http.MethodGet, l.url, nil)
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
