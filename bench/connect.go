package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxNegotiateAnswer = 64 << 10
	userAgent          = "hubgate-bench"
)

// dialer opens clients: token, negotiation, WebSocket, handshake.
type dialer struct {
	target   Target
	clients  Clients
	dial     net.Dialer
	hostPort string
}

func newDialer(o *Options) *dialer {
	d := &dialer{target: o.Target, clients: o.Clients}
	d.hostPort = o.Target.Endpoint.Host
	if o.Target.Endpoint.Port() == "" {
		d.hostPort = net.JoinHostPort(o.Target.Endpoint.Hostname(), map[string]string{"http": "80", "https": "443"}[o.Target.Endpoint.Scheme])
	}
	return d
}

// connect opens one client. early are bytes of the hub protocol that came with
// the handshake answer.
func (d *dialer) connect(ctx context.Context, user string) (c *client, early []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.clients.Timeout)
	defer cancel()
	if d.target.Application != "" {
		return d.connectAspNet(ctx, user)
	}
	if d.target.Peer != nil {
		return d.connectPeer(ctx)
	}
	header := http.Header{"User-Agent": {userAgent}}
	if !d.target.Floor {
		token, err := d.target.ClientToken(user)
		if err != nil {
			return nil, nil, err
		}
		header.Set("Authorization", "Bearer "+token)
	}
	query := url.Values{"hub": {d.target.Hub}}
	if d.clients.Negotiate && !d.target.Floor {
		id, err := d.negotiate(ctx, query, header)
		if err != nil {
			return nil, nil, fmt.Errorf("negotiate: %w", err)
		}
		query.Set("id", id)
	}
	conn, err := d.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	release := contextConn(ctx, conn)
	c = &client{conn: conn, records: recordCounter{binary: d.clients.Protocol == MessagePack}}
	r, err := d.upgrade(conn, "/client/", query, header)
	if err == nil {
		early, err = c.handshake(r, d.clients.Protocol)
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

func (d *dialer) open(ctx context.Context) (net.Conn, error) {
	conn, err := d.dial.DialContext(ctx, "tcp", d.hostPort)
	if err != nil || d.target.Endpoint.Scheme == "http" {
		return conn, err
	}
	config := d.target.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName = d.target.Endpoint.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

func (d *dialer) request(method, path string, query url.Values, header http.Header) *http.Request {
	u := *d.target.Endpoint
	u.Path, u.RawQuery = strings.TrimSuffix(u.Path, "/")+path, query.Encode()
	return &http.Request{Method: method, URL: &u, Host: u.Host, Header: header, ProtoMajor: 1, ProtoMinor: 1}
}

// negotiate asks for a connection.
func (d *dialer) negotiate(ctx context.Context, query url.Values, header http.Header) (id string, err error) {
	query.Set("negotiateVersion", "1")
	defer query.Del("negotiateVersion")
	return d.connectionToken(ctx, d.request(http.MethodPost, "/client/negotiate", query, header))
}

// connectionToken makes a negotiate request.
func (d *dialer) connectionToken(ctx context.Context, req *http.Request) (token string, err error) {
	body, err := d.ask(ctx, req)
	if err != nil {
		return "", err
	}
	var answer struct{ ConnectionToken, Error string }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	if answer.ConnectionToken == "" {
		return "", fmt.Errorf("no connection token in the answer (%q)", answer.Error)
	}
	return answer.ConnectionToken, nil
}

// ask makes a request on a TCP connection of its own, as browsers do, and returns the body of its
// answer.
func (d *dialer) ask(ctx context.Context, req *http.Request) ([]byte, error) {
	conn, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer contextConn(ctx, conn)()
	req.Close = true
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxNegotiateAnswer))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, printable(body))
	}
	return body, err
}

func (d *dialer) upgrade(conn net.Conn, path string, query url.Values, header http.Header) (*bufio.Reader, error) {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	header = header.Clone()
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-WebSocket-Version", "13")
	header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(key[:]))
	req := d.request(http.MethodGet, path, query, header)
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 1024)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 256))
		return nil, fmt.Errorf("upgrade: %s: %s", resp.Status, printable(body))
	}
	return r, nil
}
