package hubservertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver"
)

const (
	// connectTime is how long a client may take to connect if its context does not say.
	connectTime = 30 * time.Second
	// maxAnswer bounds the answers to negotiate requests, in bytes.
	maxAnswer = 64 << 10
)

// Options say who a client is and how it connects. The zero value is an anonymous client that
// speaks JSON.
type Options struct {
	// User is the client's user id.
	User string
	// Claims are what Context.Claims returns, besides those that the gateway adds.
	Claims hubserver.Claims
	// Query is added to the client's requests: Context.Query returns it.
	Query url.Values
	// Header is added to the client's requests: Context.Header returns it.
	Header http.Header
	// Protocol is the client's hub protocol, "json" or "messagepack". Empty means "json".
	Protocol string
	// On are handlers for messages from the first one on, by target: see Client.On.
	On map[string]any
}

// RefusedError says that a request of a client was refused before it was connected.
type RefusedError struct {
	// Status is the HTTP status code, and Text the body of the answer.
	Status int
	Text   string
}

// Error returns both.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the client was refused with status %d: %s", e.Status, e.Text)
}

// Connect connects a client to a hub of a started server. It fails the test if that does not
// succeed. The client is closed at the end of the test.
//
// Connect returns when the handshake is done, like the start function of other clients. The hub's
// OnConnected may still be running; calls of the client wait for it.
func (g *Gateway) Connect(hub *hubserver.Hub, options Options) *Client {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), connectTime)
	defer cancel()
	c, err := g.Dial(ctx, hub, options)
	if err != nil {
		g.t.Fatalf("hubservertest: connect: %v", err)
	}
	return c
}

// Dial is Connect for clients that may be refused. The error of a refused request is a
// *RefusedError.
func (g *Gateway) Dial(ctx context.Context, hub *hubserver.Hub, options Options) (*Client, error) {
	server, err := g.serverOf(hub)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/"+url.PathEscape(hub.Name())+"/negotiate?"+options.Query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	redirect, err := server.Negotiate(r, hub, hubserver.Identity{User: options.User, Claims: options.Claims})
	if err != nil {
		return nil, err
	}
	return g.follow(ctx, redirect, options)
}

// ConnectThrough connects a client as a browser does: it asks the negotiate endpoint of an
// application, and goes where that says. The address is what clients are given as URL, such as
// "/chat?user=ann"; the application is the handler that has "/chat/negotiate". Options must not
// have User and Claims, which the application decides. Everything else is as in Connect.
func (g *Gateway) ConnectThrough(application http.Handler, address string, options Options) *Client {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), connectTime)
	defer cancel()
	c, err := g.DialThrough(ctx, application, address, options)
	if err != nil {
		g.t.Fatalf("hubservertest: connect: %v", err)
	}
	return c
}

// DialThrough is ConnectThrough for clients that may be refused. The error of a refused request is
// a *RefusedError.
func (g *Gateway) DialThrough(ctx context.Context, application http.Handler, address string, options Options) (*Client, error) {
	if options.User != "" || options.Claims != nil {
		return nil, errors.New("the application says who the client is: options must not have User and Claims")
	}
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	at.Path = strings.TrimSuffix(at.Path, "/") + "/negotiate"
	at.RawQuery = joinQuery(at.RawQuery, options.Query.Encode(), "negotiateVersion=1")
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, at.String(), http.NoBody)
	addHeader(r.Header, options.Header)
	w := httptest.NewRecorder()
	application.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, &RefusedError{w.Code, strings.TrimSpace(w.Body.String())}
	}
	var redirect hubserver.Redirect
	if err := json.Unmarshal(w.Body.Bytes(), &redirect); err != nil {
		return nil, fmt.Errorf("answer of the application to negotiate: %w", err)
	}
	return g.follow(ctx, redirect, options)
}

// follow connects to where a negotiate endpoint has sent the client.
func (g *Gateway) follow(ctx context.Context, redirect hubserver.Redirect, options Options) (*Client, error) {
	protocol := options.Protocol
	if protocol == "" {
		protocol = hubprotocol.JSON
	}
	if !hubprotocol.Supported(protocol) {
		return nil, fmt.Errorf("hub protocol %q is not known", protocol)
	}
	at, err := url.Parse(redirect.URL)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Authorization": {"Bearer " + redirect.AccessToken}}
	addHeader(header, options.Header)
	id, token, err := g.negotiate(ctx, at, header)
	if err != nil {
		return nil, err
	}
	at.Scheme = "ws"
	at.RawQuery = joinQuery(at.RawQuery, "id="+url.QueryEscape(token))
	dialer := websocket.Dialer{NetDialContext: g.network.dial}
	socket, response, err := dialer.DialContext(ctx, at.String(), header)
	if err != nil {
		if response != nil {
			return nil, refused(response)
		}
		return nil, err
	}
	c := newClient(g.t, socket, id, protocol)
	for target, function := range options.On {
		c.On(target, function)
	}
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	g.t.Cleanup(c.Close)
	return c, nil
}

// negotiate asks the gateway for a connection: its id, and the token that stands for it.
func (g *Gateway) negotiate(ctx context.Context, at *url.URL, header http.Header) (id, token string, err error) {
	negotiate := *at
	negotiate.Path = strings.TrimSuffix(at.Path, "/") + "/negotiate"
	negotiate.RawQuery = joinQuery(at.RawQuery, "negotiateVersion=1")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, negotiate.String(), nil)
	if err != nil {
		return "", "", err
	}
	r.Header = header.Clone()
	client := http.Client{Transport: &http.Transport{DialContext: g.network.dial, DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return "", "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", "", refused(response)
	}
	defer response.Body.Close()
	var answer struct{ ConnectionID, ConnectionToken, Error string }
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&answer); err != nil {
		return "", "", fmt.Errorf("answer of the gateway to negotiate: %w", err)
	}
	if answer.Error != "" {
		return "", "", fmt.Errorf("negotiate: %s", answer.Error)
	}
	return answer.ConnectionID, answer.ConnectionToken, nil
}

func refused(response *http.Response) error {
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	return &RefusedError{response.StatusCode, string(bytes.TrimSpace(text))}
}

func addHeader(to, from http.Header) {
	for name, values := range from {
		for _, value := range values {
			to.Add(name, value)
		}
	}
}

func joinQuery(parts ...string) string {
	joined := ""
	for _, part := range parts {
		if joined != "" && part != "" {
			joined += "&"
		}
		joined += part
	}
	return joined
}
