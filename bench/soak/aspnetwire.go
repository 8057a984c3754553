package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/bench/link"
)

// aspNetWays are the names of transports in queries.
var aspNetWays = [...]string{"webSockets", "serverSentEvents", "longPolling"}

// aspNetIdentity is what a client of ASP.NET SignalR keeps from one transport to the next.
type aspNetIdentity struct {
	base, token, connectionToken string
}

// aspNetWire is one transport of a client. cut ends its sockets.
type aspNetWire struct {
	*link.Wire
	who *aspNetIdentity
	way link.Transport
	ws  *websocket.Conn
	// events are read by one goroutine.
	events io.ReadCloser
	lines  *bufio.Reader
	// first is the answer to connect or reconnect with long polling.
	first []byte
}

func newAspNetWire(who *aspNetIdentity, way link.Transport) *aspNetWire {
	return &aspNetWire{Wire: link.NewWire(who.token), who: who, way: way}
}

// address is the URL of a command.
func (w *aspNetWire) address(command string, more url.Values) string {
	query := url.Values{"clientProtocol": {"2.1"}, "connectionData": {`[{"name":"` + strings.ToLower(aspNetHub) + `"}]`}}
	if w.who.connectionToken != "" {
		query.Set("connectionToken", w.who.connectionToken)
		query.Set("transport", aspNetWays[w.way])
	}
	for name, values := range more {
		query[name] = values
	}
	return w.who.base + "/aspnetclient/" + command + "?" + query.Encode()
}

// ask makes a request with a form.
func (w *aspNetWire) ask(method, command string, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), link.AnswerTime)
	defer cancel()
	return w.Call(ctx, method, w.address(command, nil), []byte(form.Encode()))
}

// negotiate gives the identity a connection.
func (w *aspNetWire) negotiate() error {
	text, err := w.ask(http.MethodGet, "negotiate", nil)
	if err != nil {
		return fmt.Errorf("negotiate: %w", err)
	}
	var answer struct{ ConnectionToken, Error string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	if answer.ConnectionToken == "" {
		return fmt.Errorf("negotiate: %s", text)
	}
	w.who.connectionToken = answer.ConnectionToken
	return nil
}

// open connects, or reconnects behind a cursor.
func (w *aspNetWire) open(command, cursor string) (err error) {
	query := url.Values{}
	if cursor != "" {
		query.Set("messageId", cursor)
	}
	switch w.way {
	case link.WebSockets:
		dialer := websocket.Dialer{NetDialContext: w.DialContext, HandshakeTimeout: link.AnswerTime}
		address := "ws" + strings.TrimPrefix(w.address(command, query), "http")
		if w.ws, _, err = dialer.Dial(address, http.Header{"Authorization": {"Bearer " + w.Token}}); err == nil {
			link.AnswerPings(w.ws)
		}
	case link.ServerSentEvents:
		var resp *http.Response
		if resp, err = w.Request(context.Background(), http.MethodGet, w.address(command, query), nil); err == nil {
			w.events, w.lines = resp.Body, bufio.NewReader(resp.Body)
			if resp.StatusCode != http.StatusOK {
				err = errors.Join(errors.New(resp.Status), resp.Body.Close())
			}
		}
	default:
		ctx, cancel := context.WithTimeout(context.Background(), link.AnswerTime)
		defer cancel()
		w.first, err = w.Call(ctx, http.MethodPost, w.address(command, query), nil)
	}
	if err != nil {
		return fmt.Errorf("%s by %v: %w", command, w.way, err)
	}
	return nil
}

// receive returns the next text of the gateway. cursor is what a poll is behind.
func (w *aspNetWire) receive(cursor string) ([]byte, error) {
	switch {
	case w.ws != nil:
		_, data, err := w.ws.ReadMessage()
		return data, err
	case w.lines != nil:
		for {
			line, err := w.lines.ReadBytes('\n')
			if err != nil {
				return nil, err
			}
			if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
				return bytes.TrimRight(data, "\r\n"), nil
			}
		}
	case w.first != nil:
		first := w.first
		w.first = nil
		return first, nil
	}
	form := url.Values{"messageId": {cursor}}
	return w.Call(context.Background(), http.MethodPost, w.address("poll", form), nil)
}

// say sends a call.
func (w *aspNetWire) say(text string) error {
	if w.ws != nil {
		_ = w.ws.SetWriteDeadline(time.Now().Add(link.AnswerTime))
		return w.ws.WriteMessage(websocket.TextMessage, []byte(text))
	}
	ctx, cancel := context.WithTimeout(context.Background(), link.AnswerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address("send", nil), strings.NewReader(url.Values{"data": {text}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+w.Token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	resp, err := w.HTTP.Do(r)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("send: %s: %s", resp.Status, answer)
	}
	return err
}
