package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	maxNegotiateBytes = 64 << 10
	listenPing        = 15 * time.Second
	listenSilence     = 30 * time.Second
)

// listenCommand is a client that prints one line of JSON for each record.
type listenCommand struct {
	target
	lifetime
	clientIdentity
	Pings bool `help:"Print the gateway's pings too."`
}

func (c *listenCommand) Run(env *environment) error {
	cs, token, err := c.sign(c.target, c.lifetime)
	if err != nil {
		return err
	}
	id, connectionToken, err := negotiate(env.ctx, cs, c.Hub, token)
	if err != nil {
		return fmt.Errorf("negotiate: %w", err)
	}
	u := "ws" + strings.TrimPrefix(clientURL(cs, c.Hub), "http") + "&id=" + url.QueryEscape(connectionToken)
	conn, resp, err := websocket.DefaultDialer.DialContext(env.ctx, u, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		if resp != nil {
			return fmt.Errorf("connect: %w", refusal(resp, nil))
		}
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	fmt.Fprintf(env.stderr, "connected to hub %s as connection %s\n", c.Hub, id)
	l := &listener{conn: conn, out: env.stdout, pings: c.Pings}
	return l.run(env.ctx)
}

// negotiate asks for a connection; the token stays in a header.
func negotiate(ctx context.Context, cs auth.ConnectionString, hub, token string) (id, connectionToken string, err error) {
	u := base(cs.Client()) + "/client/negotiate?negotiateVersion=1&hub=" + url.QueryEscape(hub)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxNegotiateBytes))
	if err != nil {
		return "", "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", refusal(resp, body)
	}
	var answer struct{ ConnectionID, ConnectionToken, Error string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", "", err
	}
	if answer.Error != "" {
		return "", "", errors.New(answer.Error)
	}
	return answer.ConnectionID, answer.ConnectionToken, nil
}

// listener reads one connection until it ends.
type listener struct {
	conn  *websocket.Conn
	out   io.Writer
	pings bool
	// shaken is set when the handshake answer has been read.
	shaken bool
}

// run prints records until the gateway closes the connection, which is an
// error unless it is an ordinary end, or ctx ends.
func (l *listener) run(ctx context.Context) error {
	if err := l.conn.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { l.keepAlive(ctx) })
	err := l.read()
	ended := ctx.Err() != nil
	cancel()
	wg.Wait()
	if ended || websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return nil
	}
	return err
}

// keepAlive pings and, when ctx ends, says goodbye, which ends the reader.
func (l *listener) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(listenPing)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = l.conn.WriteMessage(websocket.TextMessage, []byte("{\"type\":7}\x1e"))
			_ = l.conn.Close()
			return
		case <-ticker.C:
			if l.conn.WriteMessage(websocket.TextMessage, []byte("{\"type\":6}\x1e")) != nil {
				return // the reader knows why
			}
		}
	}
}

func (l *listener) read() error {
	for {
		if err := l.conn.SetReadDeadline(time.Now().Add(listenSilence)); err != nil {
			return err
		}
		_, data, err := l.conn.ReadMessage()
		if err != nil {
			return err
		}
		for record := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{hubprotocol.RecordSeparator}), []byte{hubprotocol.RecordSeparator}) {
			if err := l.record(record); err != nil {
				return err
			}
		}
	}
}

func (l *listener) record(record []byte) error {
	var head struct {
		Type  hubprotocol.Type
		Error string
	}
	if err := json.Unmarshal(record, &head); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	switch {
	case !l.shaken && head.Error != "":
		return fmt.Errorf("handshake refused: %s", head.Error)
	case !l.shaken:
		l.shaken = true
		return nil
	case head.Type == hubprotocol.Ping && !l.pings:
		return nil
	}
	if _, err := fmt.Fprintf(l.out, "%s\n", record); err != nil {
		return err
	}
	if head.Type == hubprotocol.Close && head.Error != "" {
		return fmt.Errorf("closed by the gateway: %s", head.Error)
	}
	return nil
}
