package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	maxNegotiateBytes = 64 << 10
	maxRecordBytes    = 256 << 20
	clientPing        = 15 * time.Second
	clientSilence     = 30 * time.Second
	farewell          = time.Second
)

// way are the flags of commands that say how a client speaks to the gateway.
type way struct {
	Transport string `help:"How the client connects: websockets, sse or longpolling." enum:"websockets,sse,longpolling" default:"websockets"`
	Protocol  string `help:"Hub protocol of the client: json or messagepack. Records are printed as JSON." enum:"json,messagepack" default:"json"`
}

const (
	eventsTransport = "sse"
	pollTransport   = "longpolling"
)

func (w way) check() error {
	if w.Transport == eventsTransport && w.Protocol != hubprotocol.JSON {
		return usage(errors.New("--transport sse carries text only: it needs --protocol json"))
	}
	return nil
}

// hubClient is a client of a hub. Its reader is whoever calls next; the context
// with which it was connected ends it.
type hubClient struct {
	id       string
	protocol string
	wire     clientWire
	unread   []byte // what has come and next has not returned
	ctx      context.Context
	stop     context.CancelFunc
	pings    sync.WaitGroup
}

// clientWire carries the bytes of one client. Read belongs to one goroutine;
// write may be called by another one at the same time. Reading ends with io.EOF
// when the gateway has ended the connection in order.
type clientWire interface {
	read() ([]byte, error)
	write(ctx context.Context, data []byte) error
	close() error
}

// connect negotiates, connects and shakes hands. The client must be closed.
func (d *destination) connect(ctx context.Context, cs auth.ConnectionString, hub, token string, how way) (*hubClient, error) {
	if err := how.check(); err != nil {
		return nil, err
	}
	id, connectionToken, err := d.negotiate(ctx, cs, hub, token)
	if err != nil {
		return nil, err
	}
	c := &hubClient{id: id, protocol: how.Protocol}
	c.ctx, c.stop = context.WithCancel(ctx)
	at := clientURL(cs, hub) + "&id=" + url.QueryEscape(connectionToken)
	if c.wire, err = d.open(c.ctx, cs, at, token, how); err != nil {
		c.stop()
		return nil, err
	}
	if err := c.shakeHands(); err != nil {
		c.stop()
		return nil, errors.Join(err, c.wire.close())
	}
	c.pings.Go(c.keepAlive)
	return c, nil
}

// open opens the transport at the URL.
func (d *destination) open(ctx context.Context, cs auth.ConnectionString, at, token string, how way) (clientWire, error) {
	if how.Transport != eventsTransport && how.Transport != pollTransport {
		return d.openWebSocket(ctx, cs, at, token, hubprotocol.Binary(how.Protocol))
	}
	client, err := d.http()
	if err != nil {
		return nil, err
	}
	x := exchangeWire{ctx: ctx, client: client, url: at, token: token, gateway: cs.Client()}
	if how.Transport == eventsTransport {
		return openEvents(x)
	}
	return openPolling(x)
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
	request := fmt.Sprintf(`{"protocol":%q,"version":1}`, c.protocol)
	if err := c.wire.write(c.ctx, append([]byte(request), hubprotocol.RecordSeparator)); err != nil {
		return err
	}
	var answer struct{ Error string }
	for {
		record, rest, err := hubprotocol.CutHandshake(c.unread, maxNegotiateBytes)
		if err == nil && record == nil {
			err = c.fill()
		}
		if err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		if record == nil {
			continue
		}
		c.unread = rest
		if err := json.Unmarshal(record, &answer); err != nil {
			return fmt.Errorf("handshake: not a record: %w", err)
		}
		break
	}
	if answer.Error != "" {
		return fmt.Errorf("handshake refused: %s", answer.Error)
	}
	return nil
}

// write sends a record, given as JSON without its framing.
func (c *hubClient) write(record string) error { return c.writeUntil(c.ctx, record) }

func (c *hubClient) writeUntil(ctx context.Context, record string) error {
	frame, err := converted(hubprotocol.JSON, c.protocol, append([]byte(record), hubprotocol.RecordSeparator))
	if err != nil {
		return err
	}
	return c.wire.write(ctx, frame)
}

// next returns the next record as JSON without its framing.
func (c *hubClient) next() ([]byte, error) {
	for {
		frame, _, rest, err := hubprotocol.Cut(c.protocol, c.unread, maxRecordBytes)
		if err != nil {
			return nil, err
		}
		if frame == nil {
			if err := c.fill(); err != nil {
				return nil, err
			}
			continue
		}
		c.unread = rest
		record, err := converted(c.protocol, hubprotocol.JSON, frame)
		if err != nil {
			return nil, err
		}
		return record[:len(record)-1], nil
	}
}

// fill reads more bytes.
func (c *hubClient) fill() error {
	data, err := c.wire.read()
	c.unread = append(c.unread[:len(c.unread):len(c.unread)], data...)
	return err
}

// converted is a frame of one hub protocol in another.
func converted(from, to string, frame []byte) ([]byte, error) {
	if from == to {
		return frame, nil
	}
	frames, err := hubprotocol.NewFrames(map[string][]byte{from: frame})
	if err != nil {
		return nil, err
	}
	other, ok := frames.For(to)
	if !ok {
		return nil, fmt.Errorf("a record of %s that cannot be written as %s", from, to)
	}
	return other, nil
}

// keepAlive pings. When the context ends it says goodbye, which ends the reader.
func (c *hubClient) keepAlive() {
	ticker := time.NewTicker(clientPing)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), farewell)
			defer cancel()
			_ = c.writeUntil(ctx, `{"type":7}`)
			_ = c.wire.close()
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
