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
	clientPing        = 15 * time.Second
	clientSilence     = 30 * time.Second
)

// hubClient is a client of a hub: JSON over a WebSocket. Its reader is whoever
// calls next; the context with which it was connected ends it.
type hubClient struct {
	id      string
	conn    *websocket.Conn
	waiting [][]byte // records of the last message that next has not returned
	ctx     context.Context
	stop    context.CancelFunc
	pings   sync.WaitGroup
}

// connect negotiates, connects and shakes hands. The client must be closed.
func (d *destination) connect(ctx context.Context, cs auth.ConnectionString, hub, token string) (*hubClient, error) {
	id, connectionToken, err := d.negotiate(ctx, cs, hub, token)
	if err != nil {
		return nil, err
	}
	dialer, err := d.websocket()
	if err != nil {
		return nil, err
	}
	u := "ws" + strings.TrimPrefix(clientURL(cs, hub), "http") + "&id=" + url.QueryEscape(connectionToken)
	conn, resp, err := dialer.DialContext(ctx, u, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		if resp != nil {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
			return nil, fmt.Errorf("connect: %w", refusal(resp, body, cs.Client()))
		}
		return nil, unreachable(err, cs.Client())
	}
	c := &hubClient{id: id, conn: conn}
	c.ctx, c.stop = context.WithCancel(ctx)
	if err := c.shakeHands(); err != nil {
		c.stop()
		return nil, errors.Join(err, conn.Close())
	}
	c.pings.Go(c.keepAlive)
	return c, nil
}

// negotiate asks for a connection; the token stays in a header.
func (d *destination) negotiate(ctx context.Context, cs auth.ConnectionString, hub, token string) (id, connectionToken string, err error) {
	client, err := d.http()
	if err != nil {
		return "", "", err
	}
	u := base(cs.Client()) + auth.ClientPath + "/negotiate?negotiateVersion=1&hub=" + url.QueryEscape(hub)
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return "", "", unreachable(err, cs.Client())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxNegotiateBytes))
	if err != nil {
		return "", "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("negotiate: %w", refusal(resp, body, cs.Client()))
	}
	var answer struct{ ConnectionID, ConnectionToken, Error string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", "", fmt.Errorf("negotiate: %w", err)
	}
	if answer.Error != "" {
		return "", "", fmt.Errorf("negotiate: %s", answer.Error)
	}
	return answer.ConnectionID, answer.ConnectionToken, nil
}

// shakeHands is done when the gateway, or the hub server, has accepted the client.
func (c *hubClient) shakeHands() error {
	if err := c.write(`{"protocol":"json","version":1}`); err != nil {
		return err
	}
	record, err := c.next()
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	var answer struct{ Error string }
	if err := json.Unmarshal(record, &answer); err != nil {
		return fmt.Errorf("handshake: not a record: %w", err)
	}
	if answer.Error != "" {
		return fmt.Errorf("handshake refused: %s", answer.Error)
	}
	return nil
}

func (c *hubClient) write(record string) error {
	return c.conn.WriteMessage(websocket.TextMessage, append([]byte(record), hubprotocol.RecordSeparator))
}

// next returns the next record, which is valid until the next call.
func (c *hubClient) next() ([]byte, error) {
	for len(c.waiting) == 0 {
		if err := c.conn.SetReadDeadline(time.Now().Add(clientSilence)); err != nil {
			return nil, err
		}
		_, data, err := c.conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		separator := []byte{hubprotocol.RecordSeparator}
		if data = bytes.TrimSuffix(data, separator); len(data) > 0 {
			c.waiting = bytes.Split(data, separator)
		}
	}
	record := c.waiting[0]
	c.waiting = c.waiting[1:]
	return record, nil
}

// keepAlive pings. When the context ends it says goodbye, which ends the reader.
func (c *hubClient) keepAlive() {
	ticker := time.NewTicker(clientPing)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
			_ = c.write(`{"type":7}`)
			_ = c.conn.Close()
			return
		case <-ticker.C:
			if c.write(`{"type":6}`) != nil {
				return // the reader knows why
			}
		}
	}
}

// close ends the connection.
func (c *hubClient) close() {
	c.stop()
	c.pings.Wait()
}
