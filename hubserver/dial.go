package hubserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
)

// userAgent is the product name that the gateway is told.
const userAgent = "hubgate-hubserver/1.0"

// hubKey is the name by which the gateway knows a hub.
func (s *Server) hubKey(h *Hub) string {
	name := strings.ToLower(h.name)
	if s.ApplicationName != "" {
		return strings.ToLower(s.ApplicationName) + "_" + name
	}
	return name
}

// dialer opens the connections of one hub.
type dialer struct {
	server   *Server
	gateway  auth.ConnectionString
	hub      string
	serverID string
}

// dial opens a WebSocket. A target is only given for connections that were asked for.
func (d *dialer) dial(ctx context.Context, cid, target string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeWait)
	defer cancel()
	address := *d.gateway.Server()
	address.Scheme = strings.Replace(address.Scheme, "http", "ws", 1)
	query := "hub=" + url.QueryEscape(d.hub) + "&cid=" + cid
	if target != "" {
		query += "&target=" + url.QueryEscape(target)
	}
	token, err := signServer(d.gateway, d.hub, d.serverID)
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"Authorization":    {"Bearer " + token},
		"X-Asrs-Server-Id": {d.serverID},
		"Asrs-User-Agent":  {userAgent + " (" + runtime.Version() + "; " + runtime.GOOS + "; " + runtime.GOARCH + ")"},
	}
	client := websocket.Dialer{Proxy: http.ProxyFromEnvironment, TLSClientConfig: d.server.TLSClientConfig,
		NetDialContext: d.server.DialContext, ReadBufferSize: keptBuffer, WriteBufferSize: 16 << 10}
	if d.server.DialContext != nil {
		client.Proxy = nil
	}
	socket, response, err := client.DialContext(ctx, address.String()+auth.ServerPath+"/?"+query, header)
	if err != nil && response != nil {
		return nil, fmt.Errorf("dial gateway: %w: %s", err, response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("dial gateway: %w", err)
	}
	return socket, nil
}

// signServer returns the token of one of the hub's connections. Its audience has the host of
// the endpoint without a port, wherever the connection really goes (H5).
func signServer(gateway auth.ConnectionString, hub, serverID string) (string, error) {
	now := time.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud":    audienceBase(gateway) + auth.ServerPath + "/?hub=" + hub,
		"nameid": serverID,
		"nbf":    now.Unix(),
		"iat":    now.Unix(),
		"exp":    now.Add(auth.DefaultTokenLifetime).Unix(),
	}).SignedString([]byte(gateway.AccessKey.Reveal()))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// audienceBase is the beginning of every audience: scheme and host of the endpoint.
func audienceBase(gateway auth.ConnectionString) string {
	host := gateway.Endpoint.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return gateway.Endpoint.Scheme + "://" + host
}

// newID returns 128 random bits in hexadecimal.
func newID() string {
	random := make([]byte, 16)
	// crypto/rand.Read does not fail.
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

// newServerID returns a name that says which machine it is.
func newServerID() string {
	machine, err := os.Hostname()
	if err != nil {
		machine = "hubserver"
	}
	return machine + "_" + newID()
}
