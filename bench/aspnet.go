package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hubgate/hubgate/bench/aspnethub"
)

var (
	// aspNetError is how the answer to a call begins that failed: all calls have this id. aspNetEnd is in
	// a record that stops the client.
	aspNetError = []byte(`{"I":"1","E":`)
	aspNetEnd   = []byte(`,"E":"`)
)

// connectAspNet opens one client of ASP.NET SignalR: it negotiates, connects with a WebSocket, waits
// for the first message and starts.
func (d *dialer) connectAspNet(ctx context.Context, user string) (c *client, early []byte, err error) {
	token, err := d.target.ClientToken(user)
	if err != nil {
		return nil, nil, err
	}
	header := http.Header{"User-Agent": {userAgent}, "Authorization": {"Bearer " + token}}
	query := url.Values{
		"clientProtocol": {"2.1"}, "connectionData": {`[{"name":"` + strings.ToLower(d.target.Hub) + `"}]`},
	}
	id, err := d.connectionToken(ctx, d.request(http.MethodGet, "/aspnetclient/negotiate", query, header))
	if err != nil {
		return nil, nil, fmt.Errorf("negotiate: %w", err)
	}
	query.Set("connectionToken", id)
	query.Set("transport", "webSockets")
	conn, err := d.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	release := contextConn(ctx, conn)
	c = &client{conn: conn, frames: frameReader{separate: true}}
	r, err := d.upgrade(conn, "/aspnetclient/connect", query, header)
	if err == nil {
		early, err = c.first(r, func(record []byte) bool { return bytes.Contains(record, []byte(`"S":1`)) })
	}
	if err == nil {
		_, err = d.ask(ctx, d.request(http.MethodGet, "/aspnetclient/start", query, header))
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

// application serves the hub of clients of ASP.NET SignalR. Its echo needs no code of its own.
func (r *run) application(ctx context.Context) (*aspnethub.Server, error) {
	t := &r.o.Target
	return aspnethub.Start(ctx, aspnethub.App{
		Name: t.Application, Hub: t.Hub, Gateway: t.Endpoint, TLS: t.TLS, Token: t.ServerToken,
	})
}

// aspNetSender sends messages as the application does.
type aspNetSender struct {
	app     *aspnethub.Server
	payload int
	body    []byte
}

func (s *aspNetSender) send(_ context.Context, stamps *stamper, slot int, user string) error {
	s.body = append(s.body[:0], `["`...)
	s.body = append(stamps.appendPayload(s.body, slot, s.payload), `"]`...)
	if user != "" {
		return s.app.User(user, "bench", s.body)
	}
	return s.app.Broadcast("bench", s.body)
}

func (s *aspNetSender) close() {}

// appendAspNetCall appends a call of echo.
func appendAspNetCall(dst []byte, hub string, stamps *stamper, slot, length int) []byte {
	dst = append(dst, `{"H":`...)
	dst = strconv.AppendQuote(dst, hub)
	dst = append(dst, `,"M":"`+echoMethod+`","A":["`...)
	dst = stamps.appendPayload(dst, slot, length)
	return append(dst, `"],"I":1}`...)
}
