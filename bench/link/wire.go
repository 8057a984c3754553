package link

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Wire is the HTTP side of one client: it knows all of its sockets. All its methods may be called from anywhere.
type Wire struct {
	// Token goes with every request.
	Token string
	// HTTP makes requests on sockets that Cut ends.
	HTTP *http.Client

	transport *http.Transport
	url, id   string
	events    bool // requests ask for Server-Sent Events

	mu    sync.Mutex
	conns map[*socket]struct{}
	over  bool
}

// NewWire returns a wire without sockets.
func NewWire(token string) *Wire {
	w := &Wire{Token: token, conns: make(map[*socket]struct{})}
	w.transport = &http.Transport{DialContext: w.DialContext, DisableCompression: true}
	w.HTTP = &http.Client{Transport: w.transport}
	return w
}

// DialContext makes a socket that Cut ends.
func (w *Wire) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	s := &socket{Conn: c, wire: w}
	w.conns[s] = struct{}{}
	return s, nil
}

// socket is forgotten when it is closed.
type socket struct {
	net.Conn
	wire *Wire
}

func (s *socket) Close() error {
	s.wire.mu.Lock()
	delete(s.wire.conns, s)
	s.wire.mu.Unlock()
	return s.Conn.Close()
}

// Cut resets all sockets, and there will be no others.
func (w *Wire) Cut() {
	w.mu.Lock()
	w.over = true
	cut := slices.Collect(maps.Keys(w.conns))
	w.mu.Unlock()
	for _, s := range cut {
		if tcp, ok := s.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = s.Close()
	}
	w.HTTP.CloseIdleConnections()
}

func (w *Wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// ID is the id of the connection, once it was negotiated.
func (w *Wire) ID() string { return w.id }

// Request makes a request. The caller closes the body of the answer.
func (w *Wire) Request(ctx context.Context, method, address string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+w.Token)
	if w.events {
		r.Header.Set("Accept", "text/event-stream")
	}
	return w.HTTP.Do(r)
}

// Call makes a request whose answer is short. An answer other than 2xx is an error, and its text is in it.
func (w *Wire) Call(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	resp, err := w.Request(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s: %s", method, resp.Status, answer)
	}
	return answer, err
}

// post sends records.
func (w *Wire) post(records []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), AnswerTime)
	defer cancel()
	_, err := w.Call(ctx, http.MethodPost, w.url, records)
	return err
}
