package restapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// pipes is a listener whose connections are in memory, and so in a synctest bubble.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial serves the handler and returns the caller's end of a connection.
func dial(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	listener := &pipes{make(chan net.Conn, 1), make(chan struct{})}
	server := &http.Server{Handler: handler}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ours, theirs := net.Pipe()
	listener.accepted <- theirs
	t.Cleanup(func() {
		_ = ours.Close()
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return ours
}

func head(t *testing.T, method, target string, lines ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + restToken(t, target) + "\r\n" +
		strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func TestSlowBodies(t *testing.T) {
	t.Run("a trickling message gets 408 and no delivery", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			hubs := &recorder{}
			options := f.options()
			options.Hubs = hubs
			c := dial(t, New(options))
			begin := time.Now()
			trickle := make(chan struct{})
			go func() {
				defer close(trickle)
				_, _ = io.WriteString(c, head(t, "POST", "/api/hubs/chat/:send", "Content-Type: application/json", "Content-Length: 1000"))
				for {
					if _, err := c.Write([]byte(" ")); err != nil {
						return
					}
					elapse(time.Second)
				}
			}()
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, 408, response.StatusCode)
			require.True(t, response.Close)
			require.Equal(t, defaultBodyTimeout, time.Since(begin))
			require.Equal(t, "BodyTooSlow", f.logged.take(t)[0]["reason"])
			require.Equal(t, counter{"Broadcast", 408}, f.counted.last())
			require.Equal(t, defaultBodyTimeout, f.counted.lasted())
			require.Nil(t, hubs.last)
			_, _ = io.Copy(io.Discard, c)
			<-trickle
		})
	})
	t.Run("a body that no operation reads holds the connection no longer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			c := dial(t, f.handler)
			begin := time.Now()
			_, err := io.WriteString(c, head(t, "DELETE", "/api/hubs/chat/users/u/groups", "Content-Length: 1000"))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, c)
			require.NoError(t, err)
			require.LessOrEqual(t, time.Since(begin), defaultBodyTimeout)
			require.Equal(t, counter{"RemoveUserFromAllGroups", 204}, f.counted.last())
		})
	})
	t.Run("the deadline ends with the body, not with the request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			options := f.options()
			options.Hubs = slowHubs{}
			c := dial(t, New(options))
			reader := bufio.NewReader(c)
			for range 2 { // and the connection is good for another one
				_, err := io.WriteString(c, head(t, "POST", "/api/hubs/chat/:send", "Content-Type: application/json", "Content-Length: 14")+`{"target":"m"}`)
				require.NoError(t, err)
				response, err := http.ReadResponse(reader, nil)
				require.NoError(t, err)
				require.Equal(t, 202, response.StatusCode)
				require.Equal(t, "0", response.Header.Get("Content-Length"))
				synctest.Wait()
				require.Equal(t, 2*defaultBodyTimeout, f.counted.lasted())
			}
		})
	})
}

// slowHubs takes longer than a body may.
type slowHubs struct{ Hubs }

func (slowHubs) Do(ctx context.Context, _ *gateway.Command) (gateway.Result, error) {
	select {
	case <-time.After(2 * defaultBodyTimeout):
		return gateway.Result{}, nil
	case <-ctx.Done():
		return gateway.Result{}, ctx.Err()
	}
}

func (slowHubs) Draining() bool { return false }

func TestOverTheWire(t *testing.T) {
	f := newFixture(t)
	f.connect("chat", "c", "u")
	server := httptest.NewServer(f.handler)
	defer server.Close()
	request := func(method, target string, body io.Reader) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, server.URL+target, body)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+restToken(t, r.URL.EscapedPath()))
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		response, err := server.Client().Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	t.Run("R38 answers of success are empty and say so", func(t *testing.T) {
		for target, status := range map[string]int{
			"POST /api/hubs/chat/:send": 202, "PUT /api/hubs/chat/groups/g/connections/c": 200, "GET /api/health": 200,
			"PUT /api/hubs/chat/users/u/groups/g": 200, "POST /api/v1/hubs/chat": 202, "DELETE /api/hubs/chat/users/u/groups/g": 204,
		} {
			method, path, _ := strings.Cut(target, " ")
			response := request(method, path, strings.NewReader(helloJSON))
			require.Equal(t, status, response.StatusCode, target)
			if status == 204 {
				require.NotContains(t, response.Header, "Content-Length")
			} else {
				require.Equal(t, "0", response.Header.Get("Content-Length"), target)
			}
			require.NotContains(t, response.Header, "Content-Type")
		}
	})
	t.Run("R19 chunked without Content-Length", func(t *testing.T) {
		response := request("POST", "/api/hubs/chat/:send", io.MultiReader(strings.NewReader(helloJSON)))
		require.Equal(t, 202, response.StatusCode)
	})
	t.Run("R18 413 also when chunked", func(t *testing.T) {
		response := request("POST", "/api/hubs/chat/:send", io.MultiReader(strings.NewReader(messageOf(1<<20+1))))
		require.Equal(t, 413, response.StatusCode)
		require.Equal(t, codeRequestInvalid, response.Header.Get("x-ms-error-code"))
		require.True(t, response.Close)
	})
	t.Run("R15 %2F survives the server", func(t *testing.T) {
		require.Equal(t, 200, request("PUT", "/api/hubs/chat/groups/a%2F100%25/connections/c", nil).StatusCode)
		require.Equal(t, 200, request("HEAD", "/api/v1/hubs/CHAT/groups/a%2F100%25", nil).StatusCode)
		require.Equal(t, 404, request("HEAD", "/api/v1/hubs/chat/groups/a%252F100%25", nil).StatusCode)
	})
	t.Run("R1 over the wire", func(t *testing.T) {
		response, err := http.Post(server.URL+"/api/hubs/chat/:send", "application/json", strings.NewReader(helloJSON))
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, 401, response.StatusCode)
		require.Equal(t, "0", response.Header.Get("Content-Length"))
		require.Equal(t, "Bearer", response.Header.Get("WWW-Authenticate"))
	})
}

// A caller that leaves in the middle of its message has sent none.
func TestCutOffBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		hubs := &recorder{}
		options := f.options()
		options.Hubs = hubs
		c := dial(t, New(options))
		_, err := io.WriteString(c, head(t, "POST", "/api/hubs/chat/:send", "Content-Type: application/json", "Content-Length: 1000")+`{"target":"m"}`)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		synctest.Wait()
		require.Equal(t, counter{"Broadcast", 400}, f.counted.last())
		require.Equal(t, "InvalidBody", f.logged.take(t)[0]["reason"])
		require.Nil(t, hubs.last)
	})
}
