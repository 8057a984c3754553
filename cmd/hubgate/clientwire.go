package main

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

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
)

// socketWire is a WebSocket.
type socketWire struct {
	conn *websocket.Conn
	kind int // of messages
}

func (d *destination) openWebSocket(ctx context.Context, cs auth.ConnectionString, at, token string, binary bool) (clientWire, error) {
	dialer, err := d.websocket()
	if err != nil {
		return nil, err
	}
	conn, resp, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(at, "http"), http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		if resp != nil {
			return nil, refusedConnect(resp, cs.Client())
		}
		return nil, unreachable(err, cs.Client())
	}
	conn.SetReadLimit(maxRecordBytes)
	w := &socketWire{conn, websocket.TextMessage}
	if binary {
		w.kind = websocket.BinaryMessage
	}
	return w, nil
}

// refusedConnect is the error of a request that would have opened a transport.
func refusedConnect(resp *http.Response, at *url.URL) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	return fmt.Errorf("connect: %w", refusal(resp, body, at))
}

func (w *socketWire) read() ([]byte, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(clientSilence)); err != nil {
		return nil, err
	}
	_, data, err := w.conn.ReadMessage()
	if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		err = io.EOF
	}
	return data, err
}

func (w *socketWire) write(ctx context.Context, data []byte) error {
	deadline, _ := ctx.Deadline() // none is the zero time: no deadline
	if err := w.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	return w.conn.WriteMessage(w.kind, data)
}

func (w *socketWire) close() error { return w.conn.Close() }

// exchangeWire is what Server-Sent Events and long polling have in common: a
// client posts what it sends.
type exchangeWire struct {
	ctx        context.Context // ends what reads
	client     *http.Client
	url, token string
	gateway    *url.URL
}

func (x *exchangeWire) do(ctx context.Context, method string, body []byte, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, x.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+x.token)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := x.client.Do(req)
	if err != nil {
		return nil, unreachable(err, x.gateway)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, refusedConnect(resp, x.gateway)
	}
	return resp, nil
}

func (x *exchangeWire) write(ctx context.Context, data []byte) error {
	resp, err := x.do(ctx, http.MethodPost, data, "")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// pollWire is long polling.
type pollWire struct{ exchangeWire }

// openPolling makes the first poll, which opens the connection.
func openPolling(x exchangeWire) (clientWire, error) {
	w := &pollWire{x}
	_, err := w.read()
	return w, err
}

func (w *pollWire) read() ([]byte, error) {
	resp, err := w.do(w.ctx, http.MethodGet, nil, "")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil, io.EOF
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxRecordBytes))
}

func (w *pollWire) close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), farewell)
	defer cancel()
	resp, err := w.do(ctx, http.MethodDelete, nil, "")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// eventsWire is Server-Sent Events.
type eventsWire struct {
	exchangeWire
	stream io.Closer
	lines  *bufio.Scanner
}

func openEvents(x exchangeWire) (clientWire, error) {
	resp, err := x.do(x.ctx, http.MethodGet, nil, "text/event-stream")
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxRecordBytes)
	return &eventsWire{x, resp.Body, lines}, nil
}

// read returns the data of the next event. Its lines are records or parts of them.
func (w *eventsWire) read() ([]byte, error) {
	var data []byte
	for w.lines.Scan() {
		line := w.lines.Bytes()
		if len(line) == 0 && data != nil {
			return data, nil
		}
		if text, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(text, []byte(" "))...)
		}
		if len(data) > maxRecordBytes {
			return nil, errors.New("an event is too large")
		}
	}
	if err := w.lines.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

func (w *eventsWire) close() error { return w.stream.Close() }
