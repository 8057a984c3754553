package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// handshake is the first record of a client. Whatever comes back shows that the way is open: an answer, or an error
// because no hub server is there.
const handshake = `{"protocol":"json","version":1}` + "\x1e"

const (
	causeUpgrade  = "Something on the way does not pass the WebSocket upgrade. Clients fall back to slower transports, or fail if they skip negotiate."
	cureUpgrade   = "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\". Others: docs/proxies.md."
	causeBuffered = "Something on the way collects the answer instead of passing it on. Messages by this transport come late, or never."
	cureBuffered  = "nginx: proxy_buffering off; and no gzip for it. Others: docs/proxies.md."
)

// webSocket opens one, and expects an answer to the handshake.
func (x *examination) webSocket(ctx context.Context) {
	s, err := x.take(ctx)
	if err != nil {
		x.find(checkWebSocket, Failed, err.Error(), "Negotiate works only sometimes: behind the URL there may be gateways that do not know each other.", "See docs/cluster.md.")
		return
	}
	u := x.clientURL("", url.Values{"id": {s.id}, "access_token": {s.token}})
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	ctx, cancel := x.soon(ctx)
	defer cancel()
	dialer := websocket.Dialer{TLSClientConfig: x.TLS, Proxy: http.ProxyFromEnvironment}
	conn, resp, err := dialer.DialContext(ctx, u.String(), nil)
	if err != nil {
		text := withoutURL(err).Error()
		if resp != nil {
			text = fmt.Sprintf("the upgrade was answered with status %d", resp.StatusCode)
		}
		x.find(checkWebSocket, Failed, text, causeUpgrade, cureUpgrade)
		return
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(deadline) // fails only with the connection, which Read says too
	err = conn.WriteMessage(websocket.TextMessage, []byte(handshake))
	if err == nil {
		_, _, err = conn.ReadMessage()
	}
	if err != nil {
		x.find(checkWebSocket, Failed, "open, but nothing came: "+err.Error(), "Something on the way passes the upgrade, but not what follows.", "Look for a proxy that inspects or collects WebSocket frames: docs/proxies.md.")
		return
	}
	x.ok(checkWebSocket, "upgraded, and the handshake was answered")
}

// serverSentEvents opens a stream, and expects the answer to the handshake in it while it stays open.
func (x *examination) serverSentEvents(ctx context.Context) {
	s, err := x.take(ctx)
	if err != nil {
		x.find(checkEvents, Failed, err.Error(), "Negotiate works only sometimes.", "See docs/cluster.md.")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*x.Patience)
	defer cancel()
	u := x.clientURL("", url.Values{"id": {s.id}})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		x.find(checkEvents, Failed, err.Error(), "", "")
		return
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Accept", "text/event-stream")
	opened := make(chan eventStream, 1)
	go func() {
		resp, err := x.client.Do(r)
		opened <- eventStream{resp, err}
	}()
	// A proxy that collects everything does not even pass the header on before there is enough.
	e, inTime := within(opened, x.Patience)
	if !inTime {
		cancel()
		if e = <-opened; e.resp != nil {
			e.resp.Body.Close()
		}
		x.find(checkEvents, Failed, fmt.Sprintf("not even the header came within %v", x.Patience), causeBuffered, cureBuffered)
		return
	}
	if e.err != nil {
		x.find(checkEvents, Failed, withoutURL(e.err).Error(), "The stream was not opened.", "Look at the proxy's log.")
		return
	}
	defer e.resp.Body.Close()
	if e.resp.StatusCode != http.StatusOK {
		x.find(checkEvents, Failed, fmt.Sprintf("status %d", e.resp.StatusCode), "The connection was not found: behind the URL there may be gateways that do not know each other.", "Join them to a cluster: docs/cluster.md.")
		return
	}
	x.readEvents(ctx, s, u, e.resp.Body)
}

type eventStream struct {
	resp *http.Response
	err  error
}

func (x *examination) readEvents(ctx context.Context, s seat, u *url.URL, stream io.ReadCloser) {
	got := make(chan error, 1)
	go func() { got <- firstData(stream) }()
	status, _, body, err := x.do(ctx, http.MethodPost, u, s.token, handshake)
	if err != nil || status != http.StatusOK {
		stream.Close()
		<-got
		x.find(checkEvents, Failed, fmt.Sprintf("the POST of the client was refused: status %d %s%v", status, firstLine(body), orNothing(err)), "Something on the way does not pass POST, or sends it to another gateway.", "docs/proxies.md; several gateways have to be a cluster.")
		return
	}
	err, inTime := within(got, x.Patience)
	switch {
	case !inTime:
		stream.Close()
		<-got
		x.find(checkEvents, Failed, fmt.Sprintf("an event was not passed on within %v", x.Patience), causeBuffered, cureBuffered)
	case err != nil:
		x.find(checkEvents, Failed, "the stream ended: "+err.Error(), "Something on the way cuts answers that last.", "Raise the proxy's timeouts for answers: docs/proxies.md.")
	default:
		x.ok(checkEvents, "an event was passed on at once")
	}
}

// firstData reads until the first event with data.
func firstData(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") && len(lines.Text()) > len("data:") {
			return nil
		}
	}
	return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// longPolling polls three times: the first answer is empty, the second has the answer to the handshake.
func (x *examination) longPolling(ctx context.Context) {
	s, err := x.take(ctx)
	if err != nil {
		x.find(checkPolling, Failed, err.Error(), "Negotiate works only sometimes.", "See docs/cluster.md.")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*x.Patience)
	defer cancel()
	u := x.clientURL("", url.Values{"id": {s.id}})
	step := func(method, body string) (string, string) {
		status, _, text, err := x.do(ctx, method, u, s.token, body)
		if err != nil {
			return "", err.Error()
		}
		if status/100 != 2 {
			return "", fmt.Sprintf("status %d: %s", status, firstLine(text))
		}
		return string(text), ""
	}
	_, problem := step(http.MethodGet, "")
	if problem == "" {
		_, problem = step(http.MethodPost, handshake)
	}
	answer := ""
	if problem == "" {
		answer, problem = step(http.MethodGet, "")
	}
	_, _ = step(http.MethodDelete, "")
	switch {
	case problem != "":
		x.find(checkPolling, Failed, problem, "Requests of one client go to gateways that do not know each other, or the proxy cuts polls that wait.", "Join the gateways to a cluster, and let the proxy wait for at least two minutes: docs/proxies.md.")
	case answer == "":
		x.find(checkPolling, Failed, "the poll was empty", "Something on the way answers polls itself, from a cache.", "Let the proxy cache nothing below /client/.")
	default:
		x.ok(checkPolling, "a message came with the poll")
	}
}

// within waits for a value, but not longer than the time.
func within[T any](from <-chan T, most time.Duration) (value T, inTime bool) {
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case value = <-from:
		return value, true
	case <-over.C:
		return value, false
	}
}

func orNothing(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
