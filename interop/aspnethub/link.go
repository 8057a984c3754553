package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

const (
	handshakeWait = 15 * time.Second
	// silence is how long the gateway may be silent.
	silence = 30 * time.Second
	// pingEvery is the least time between two pings. A ping answers bytes of the gateway.
	pingEvery = 5 * time.Second
	// maxFrame bounds what the gateway sends, in bytes.
	maxFrame = 64 << 20
)

// link is one connection to the gateway: of a hub, or of the application.
type link struct {
	server   *server
	hub      string // as the gateway knows it
	socket   *websocket.Conn
	lastPing time.Time // owned by the reader

	mu sync.Mutex // held while writing
}

// write sends a message. An error ends the connection, which its reader notices.
func (l *link) write(m serviceprotocol.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.socket.WriteMessage(websocket.BinaryMessage, m.Append(nil))
}

// dial opens a connection for a hub of the gateway.
func (s *server) dial(ctx context.Context, hub string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeWait)
	defer cancel()
	address := *s.gateway.Server()
	address.Scheme = strings.Replace(address.Scheme, "http", "ws", 1)
	token, err := sign(s.gateway.AccessKey, audience(s.gateway)+auth.AspNetServerPath+"/?hub="+hub, jwt.MapClaims{"nameid": s.name})
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"Authorization":    {"Bearer " + token},
		"X-Asrs-Server-Id": {s.name},
		"Asrs-User-Agent":  {"Microsoft.Azure.SignalR.AspNet/1.25.1"},
		"X-Requested-With": {"XMLHttpRequest"},
	}
	socket, response, err := websocket.DefaultDialer.DialContext(ctx, address.String()+auth.AspNetServerPath+"/?hub="+url.QueryEscape(hub)+"&cid="+randomID(), header)
	if err != nil && response != nil {
		return nil, fmt.Errorf("%w: %s", err, response.Status)
	}
	if err != nil {
		return nil, err
	}
	return &link{server: s, hub: hub, socket: socket}, nil
}

// run shakes hands and works until the connection ends. ready is called in between.
func (l *link) run(ready func()) error {
	defer l.socket.Close()
	l.write(&serviceprotocol.HandshakeRequest{Version: serviceprotocol.Version})
	reader := serviceprotocol.NewReader(&stream{socket: l.socket}, maxFrame)
	m, err := next(reader)
	if err != nil {
		return err
	}
	response, ok := m.(*serviceprotocol.HandshakeResponse)
	if !ok || response.Error != "" {
		return fmt.Errorf("handshake answered by %v", m)
	}
	l.server.join(l)
	defer l.server.part(l)
	ready()
	for {
		m, err := next(reader)
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(l.lastPing) > pingEvery {
			l.lastPing = now
			l.write(&serviceprotocol.Ping{})
		}
		l.server.received(l, m)
	}
}

// next reads a message, which may be kept.
func next(reader *serviceprotocol.Reader) (serviceprotocol.Message, error) {
	body, err := reader.Next()
	if err != nil {
		return nil, err
	}
	return serviceprotocol.Parse(append([]byte(nil), body...))
}

// stream is the content of the gateway's messages, in sequence.
type stream struct {
	socket  *websocket.Conn
	message io.Reader
}

func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			if err := s.socket.SetReadDeadline(time.Now().Add(silence)); err != nil {
				return 0, err
			}
			_, message, err := s.socket.NextReader()
			if err != nil {
				return 0, err
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if err != io.EOF {
			return n, err
		}
		s.message = nil
		if n > 0 {
			return n, nil
		}
	}
}

// sign returns a token for an hour.
func sign(key auth.Secret, audience string, claims jwt.MapClaims) (string, error) {
	now := time.Now()
	claims["aud"], claims["iat"], claims["nbf"] = audience, now.Unix(), now.Unix()
	claims["exp"] = now.Add(auth.DefaultTokenLifetime).Unix()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key.Reveal()))
}

// audience is the beginning of every audience: the endpoint without port and path.
func audience(gateway auth.ConnectionString) string {
	return gateway.Endpoint.Scheme + "://" + gateway.Endpoint.Hostname()
}

func randomID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // does not fail
	return hex.EncodeToString(b)
}
