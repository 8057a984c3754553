package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/internal/spawn"
)

const (
	adminToken   = "the-token-of-administrators-for-tests"
	subscription = "00000000-0000-0000-0000-000000000001"
	tenant       = "00000000-0000-0000-0000-000000000002"
	firstKey     = "the-gateways-own-access-key-of-32-bytes-or-more"
)

// gateway is the program under test.
type gateway struct {
	*spawn.Gateway
	ARM  string
	Cert string // file with the certificate of the resource API
}

func startGateway() (*gateway, error) {
	dir, err := os.MkdirTemp(os.Getenv("HUBGATE_WORK"), "arm")
	if err != nil {
		return nil, err
	}
	g := &gateway{Cert: filepath.Join(dir, "arm.pem")}
	cmd := spawn.Command(os.Getenv("HUBGATE_BIN"), []string{"serve", "--listen=127.0.0.1:0", "--admin-listen=off", "--drain-timeout=1s", "--data-dir=" + filepath.Join(dir, "data"),
		"--arm-listen=127.0.0.1:0", "--arm-test-certificate=" + g.Cert, "--access-key=" + firstKey}, []string{"HUBGATE_ADMIN_TOKEN=" + adminToken})
	cmd.Dir = dir
	if g.Gateway, err = spawn.Start(context.Background(), cmd, nil); err != nil {
		return nil, err
	}
	for line := range strings.Lines(g.Log()) {
		if strings.Contains(line, `msg="resource API"`) {
			g.ARM = spawn.Field(line, "at")
			return g, nil
		}
	}
	return nil, errors.Join(errors.New("the gateway serves no resource API: "+g.Log()), g.Stop())
}

// sign makes a token for the audience.
func sign(key, audience, user string) string {
	part := func(v any) string {
		text, _ := json.Marshal(v) // of texts and numbers
		return base64.RawURLEncoding.EncodeToString(text)
	}
	head := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{"aud": audience, "exp": time.Now().Add(time.Hour).Unix(), "nameid": user})
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// send is the status of a broadcast through REST, with a token that is signed with the key.
func (g *gateway) send(key string) (int, error) {
	at := g.URL + "/api/hubs/chat/:send?api-version=2022-06-01"
	r, err := http.NewRequest(http.MethodPost, at, strings.NewReader(`{"target":"hello","arguments":[]}`))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+sign(key, g.URL+"/api/hubs/chat/:send", ""))
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (g *gateway) wantSend(key string, status int) error {
	got, err := g.send(key)
	if err != nil {
		return err
	}
	return want("the status of a send", got, status)
}

// allowed is what negotiate says of a page of the origin.
func (g *gateway) allowed(key, origin string) (string, error) {
	r, err := http.NewRequest(http.MethodPost, g.URL+"/client/negotiate?negotiateVersion=1&hub=chat", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+sign(key, g.URL+"/client/?hub=chat", "ann"))
	r.Header.Set("Origin", origin)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	return resp.Header.Get("Access-Control-Allow-Origin"), resp.Body.Close()
}

// client is one client of the hub chat.
type client struct {
	conn    *websocket.Conn
	records [][]byte
}

// connect connects a client. status is that of the upgrade: 101, or that of the refusal.
func (g *gateway) connect(key string) (c *client, status int, err error) {
	at := strings.Replace(g.URL, "http", "ws", 1) + "/client/?hub=chat&access_token=" + url.QueryEscape(sign(key, g.URL+"/client/?hub=chat", "ann"))
	conn, resp, err := websocket.DefaultDialer.Dial(at, nil)
	if resp != nil {
		status = resp.StatusCode
	}
	if err != nil {
		return nil, status, err
	}
	c = &client{conn: conn}
	return c, status, conn.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e"))
}

// next is the next record but for pings.
func (c *client) next() (string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(60 * time.Second))
	for {
		for len(c.records) > 0 {
			record := string(c.records[0])
			c.records = c.records[1:]
			if record != "" && record != `{"type":6}` {
				return record, nil
			}
		}
		_, data, err := c.conn.ReadMessage()
		if err != nil {
			return "", err
		}
		c.records = bytes.Split(data, []byte{0x1e})
	}
}

// wantConnected connects a client and expects its first record to hold the text.
func (g *gateway) wantConnected(key, text string) (*client, error) {
	c, _, err := g.connect(key)
	if err != nil {
		return nil, err
	}
	record, err := c.next()
	if err == nil && !strings.Contains(record, text) {
		err = fmt.Errorf("the client was told %s, not %s", record, text)
	}
	if err != nil {
		_ = c.conn.Close()
		return nil, err
	}
	return c, nil
}

// wantRefused expects a client to be refused.
func (g *gateway) wantRefused(key string) error {
	c, status, err := g.connect(key)
	if err == nil {
		_ = c.conn.Close()
		return errors.New("the client was taken")
	}
	if status == 0 {
		return err
	}
	return nil
}

// serverless and withoutServer are the first words to a client, by the hub's mode.
const (
	serverless    = `{}`
	withoutServer = "No hub server is connected"
)

// wantMode connects a client to see which mode the hub has.
func (g *gateway) wantMode(key, text string) error {
	c, err := g.wantConnected(key, text)
	if err != nil {
		return err
	}
	return c.conn.Close()
}
