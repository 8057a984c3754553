package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// patience bounds every wait of these tests; none of them fails or passes on
// how long something took. It is a way out of a hang, also on a machine that does much else.
const patience = 90 * time.Second

// TestMain fails the run if a goroutine is left behind. Tests that wait, for elections and leases most of all, do so
// side by side, more of them than there are processors (unless -parallel says otherwise).
func TestMain(m *testing.M) {
	if os.Getenv(beProgram) != "" {
		main()
		return
	}
	if err := errors.Join(flag.Set("test.parallel", strconv.Itoa(sideBySide)), os.Setenv(secretVariable, "from-a-variable")); err != nil {
		panic(err)
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if left := leftovers(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// single is for tests in which no goroutines meet: CI runs them without the race detector, with which reading takes long.
func single(t *testing.T) {
	t.Helper()
	if raced && testing.Short() {
		t.Skip("no goroutines meet: it is for runs without -short")
	}
}

// leftovers waits for the goroutines that are just ending and returns the
// stacks of those that do not end.
func leftovers() string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for i, stack := range strings.Split(string(buf), "\n\n") {
			if i > 0 && !strings.Contains(stack, "testing.(*M)") && !strings.Contains(stack, "os/signal") && !ofNATS(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if ctx.Err() != nil {
			return strings.Join(left, "\n\n")
		}
		time.Sleep(10 * time.Millisecond) // to look stops all
	}
}

// ofNATS reports whether a goroutine was started by a NATS server. One that ends while it makes a stream
// leaves the goroutine of the stream's file. A server that was not ended is seen all the same: whoever
// looks after it has goroutines of its own.
func ofNATS(stack string) bool {
	return strings.Contains(stack, "created by github.com/nats-io/nats-server/v2/server")
}

// output keeps what a command writes.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	notify chan struct{}
}

func newOutput() *output { return &output{notify: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.notify)
	o.notify = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// want waits until the text was written.
func (o *output) want(t *testing.T, text string) {
	t.Helper()
	o.wantTimes(t, text, 1)
}

// wantTimes waits until the text was written so many times.
func (o *output) wantTimes(t *testing.T, text string, times int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		notify, have := o.notify, o.text.String()
		o.mu.Unlock()
		if strings.Count(have, text) >= times {
			return
		}
		select {
		case <-notify:
		case <-deadline:
			require.Failf(t, "not written", "%q, %d times, in %s", text, times, have)
		}
	}
}

// program is the whole program, running in this process.
type program struct {
	endpoints
	t         *testing.T
	out, logs *output
	cancel    context.CancelFunc
	ended     chan struct{}
	code      int
	// settings is the program's settings.json.
	settings string
	// pid and kill are of a process of its own.
	pid  int
	kill func()
	// adminToken is what api uses; "" is a token of the access key.
	adminToken string
	// revision is that of the last change by set.
	revision uint64
}

// start runs the program with free ports and a settings.json that can be
// rewritten, and waits until it serves. It is stopped with the test.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	settings := filepath.Join(t.TempDir(), settingsFileName)
	require.NoError(t, os.WriteFile(settings, []byte("{}"), 0o600))
	usual := []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "debug", "--settings", settings}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--clients-timeout") }) {
		usual = append(usual, "--clients-timeout=2m") // clients of tests do not even read while the test waits for something else
	}
	p := tryStart(t, append(usual, args...))
	if p.URL == "" {
		t.Fatalf("exit code %d: %s", p.code, p.logs)
	}
	return p
}

// dataDir is a folder for a store. A store that ends may write for a moment longer, which t.TempDir does not forgive.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hubgate-data-")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, patience, 10*time.Millisecond)
	})
	return dir
}

// tryStart runs the program in this process until it serves or has ended; then
// it has no URL. It is stopped with the test.
func tryStart(t *testing.T, args []string) *program {
	t.Helper()
	p := &program{t: t, out: newOutput(), logs: newOutput(), ended: make(chan struct{}), settings: settingsOf(args)}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	ready := make(chan endpoints, 1)
	go func() {
		defer close(p.ended)
		p.code = run(ctx, args, terminal{stdout: p.out, stderr: p.logs}, func(e endpoints) { ready <- e })
	}()
	t.Cleanup(func() {
		p.cancel()
		<-p.ended
	})
	select {
	case p.endpoints = <-ready:
	case <-p.ended:
	}
	return p
}

// stop asks the program to end and returns its exit code.
func (p *program) stop() int {
	p.cancel()
	<-p.ended
	return p.code
}

// command runs another verb to its end.
func command(args ...string) (code int, out, errText string) {
	stdout, stderr := newOutput(), newOutput()
	code = run(context.Background(), args, terminal{stdout: stdout, stderr: stderr}, nil)
	return code, stdout.String(), stderr.String()
}

func (p *program) connectionString() string { return connectionString(p.URL, auth.EmulatorKey) }

// rest makes one REST request with a token of the emulator's key; headers are more names and values.
func (p *program) rest(method, path, body string, headers ...string) (status int, answer string) {
	p.t.Helper()
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+path, time.Minute)
	require.NoError(p.t, err)
	return p.request(method, p.URL+path, body, append([]string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}, headers...)...)
}

// request makes one request; headers are names and values in turn.
func (p *program) request(method, url, body string, headers ...string) (status int, answer string) {
	p.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(p.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return resp.StatusCode, string(data)
}

func (p *program) get(url string) (status int, answer string) {
	p.t.Helper()
	return p.request(http.MethodGet, url, "")
}

// client is one SignalR client with the JSON protocol.
type client struct {
	t    *testing.T
	conn *websocket.Conn
	id   string
	// queued are records that came with others.
	queued []string
}

// connect opens a client, which is accepted.
func (p *program) connect(hub, user string) *client {
	p.t.Helper()
	c := p.dial(hub, auth.ClientTokenSpec{UserID: user})
	require.Equal(p.t, `{}`, c.handshake())
	return c
}

// dial opens a client that has not said anything.
func (p *program) dial(hub string, spec auth.ClientTokenSpec) *client {
	p.t.Helper()
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, hub, spec)
	require.NoError(p.t, err)
	return p.dialWith(hub, token, nil)
}

// dialWith negotiates and opens a WebSocket as browsers do: the token in a
// header first, then in the query.
func (p *program) dialWith(hub, token string, header http.Header) *client {
	p.t.Helper()
	status, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub="+hub, "", "Authorization", "Bearer "+token)
	require.Equal(p.t, http.StatusOK, status, answer)
	var negotiated struct{ ConnectionID, ConnectionToken string }
	require.NoError(p.t, json.Unmarshal([]byte(answer), &negotiated))
	u := "ws" + strings.TrimPrefix(p.URL, "http") + "/client/?hub=" + hub + "&id=" + negotiated.ConnectionToken + "&access_token=" + token
	conn, _, err := websocket.DefaultDialer.Dial(u, header)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	return &client{t: p.t, conn: conn, id: negotiated.ConnectionID}
}

// handshake asks for the JSON protocol and returns the answer.
func (c *client) handshake() string {
	c.t.Helper()
	c.send(`{"protocol":"json","version":1}`)
	return c.next()
}

func (c *client) send(record string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.WriteMessage(websocket.TextMessage, []byte(record+"\x1e")))
}

// next returns the next record that is no ping.
func (c *client) next() string {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience))) // pings make it no longer
	for {
		for len(c.queued) > 0 {
			record := c.queued[0]
			c.queued = c.queued[1:]
			if record != `{"type":6}` {
				return record
			}
		}
		_, data, err := c.conn.ReadMessage()
		require.NoError(c.t, err)
		c.queued = strings.Split(strings.TrimSuffix(string(data), "\x1e"), "\x1e")
	}
}

// leave ends the connection as the official clients do.
func (c *client) leave() {
	c.t.Helper()
	c.send(`{"type":7}`)
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil { // gorilla answers the Close frame
			require.True(c.t, websocket.IsCloseError(err, websocket.CloseNormalClosure), err)
			return
		}
	}
}

// invoke calls a method and returns the completion.
func (c *client) invoke(target, arguments string) string {
	c.t.Helper()
	c.send(`{"type":1,"invocationId":"i","target":"` + target + `","arguments":[` + arguments + `]}`)
	for {
		if record := c.next(); strings.Contains(record, `"type":3`) {
			return record
		}
	}
}

// wantClose waits for a Close record that allows to reconnect, or forbids it,
// and for the end.
func (c *client) wantClose(reconnect bool) {
	c.t.Helper()
	record := c.next()
	require.Contains(c.t, record, `"type":7`)
	require.Equal(c.t, reconnect, strings.Contains(record, `"allowReconnect":true`), record)
	require.Equal(c.t, websocket.CloseNormalClosure, c.wantEnd())
}

// wantEnd waits for the transport's end and returns the close code.
func (c *client) wantEnd() int {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	_, data, err := c.conn.ReadMessage()
	require.Error(c.t, err, "%s", data)
	var closed *websocket.CloseError
	require.ErrorAs(c.t, err, &closed)
	return closed.Code
}
