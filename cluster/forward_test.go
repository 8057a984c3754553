package cluster_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
)

// relay is two nodes: what comes to the first one is answered by the second one's handler.
type relay struct {
	t      *testing.T
	net    *clustertest.Net
	a, b   *quiet
	server *httptest.Server
	// failed are errors of Forward.
	failed chan error
}

func startRelay(t *testing.T, handler http.HandlerFunc) *relay {
	t.Helper()
	r := &relay{t: t, net: clustertest.NewNet(1 << 20), failed: make(chan error, 100)}
	t.Cleanup(r.net.Wait)
	o := options("a", r.net.Carrier())
	o.Limits = cluster.DefaultLimits()
	o.Limits.Settle = 0
	r.a = startQuiet(t, o, nil)
	o.Tag, o.Carrier = "b", r.net.Carrier()
	r.b = startQuiet(t, o, nil)
	if handler != nil {
		r.b.plane.Handle(handler)
	}
	require.Eventually(t, func() bool { return len(r.a.plane.Stats().Peers) == 1 && r.a.plane.Ready() }, patience, time.Millisecond)
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.a.plane.Forward(w, req, "b"); err != nil {
			r.failed <- err
			http.Error(w, "no node", http.StatusBadGateway)
		}
	}))
	r.server.Config.ErrorLog = nil
	t.Cleanup(r.server.Close)
	return r
}

func (r *relay) do(req *http.Request) (*http.Response, string) {
	r.t.Helper()
	res, err := r.server.Client().Do(req)
	require.NoError(r.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(r.t, err)
	return res, string(body)
}

func (r *relay) get(path string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.server.URL+path, nil)
	require.NoError(r.t, err)
	return r.do(req)
}

func TestForwardedRequestsAreThoseThatCame(t *testing.T) {
	seen := make(chan *http.Request, 1)
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			panic(err)
		}
		w.Header().Add("X-Twice", "one")
		w.Header().Add("X-Twice", "two")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintf(w, "%d bytes", len(body))
		seen <- req
	})
	for _, c := range []struct {
		method, path, body string
	}{{"GET", "/client/?hub=chat&id=a%20b", ""}, {"POST", "//odd/%2Fpath?x", "hello"}, {"DELETE", "/", ""}, {"PUT", "/p", strings.Repeat("x", 1<<20)}} {
		req, err := http.NewRequest(c.method, r.server.URL+c.path, strings.NewReader(c.body))
		require.NoError(t, err)
		req.Host = "hub.example"
		req.Header.Add("X-One", "1")
		req.Header["X-Many"] = []string{"2", "3"}
		res, body := r.do(req)
		require.Equal(t, http.StatusTeapot, res.StatusCode)
		require.Equal(t, []string{"one", "two"}, res.Header["X-Twice"])
		require.Equal(t, fmt.Sprint(len(c.body), " bytes"), body)
		require.NotEmpty(t, res.Header.Get("Date"))
		require.Equal(t, fmt.Sprint(len(body)), res.Header.Get("Content-Length"), "as if it was answered here")
		got := <-seen
		require.Equal(t, c.method, got.Method)
		require.Equal(t, c.path, got.RequestURI)
		require.Equal(t, "hub.example", got.Host)
		require.Equal(t, []string{"2", "3"}, got.Header["X-Many"])
		require.EqualValues(t, len(c.body), got.ContentLength)
		require.Equal(t, 1, got.ProtoMajor)
		host, _, err := net.SplitHostPort(got.RemoteAddr)
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", host)
		require.Nil(t, got.TLS)
	}
	require.Empty(t, r.failed)
}

func TestForwardedBodiesOfAnySize(t *testing.T) {
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) })
	var wg sync.WaitGroup
	for i, size := range []int{0, 1, 4095, 32 << 10, 64<<10 + 1, 3 << 20} {
		wg.Go(func() {
			sent := make([]byte, size)
			_, _ = rand.Read(sent)
			var body io.Reader = bytes.NewReader(sent)
			if i%2 == 0 {
				body = struct{ io.Reader }{body} // chunked
			}
			res, err := r.server.Client().Post(r.server.URL, "", body)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(sent, got) {
				t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
			}
		})
	}
	wg.Wait()
}

// Requests that begin at the same time do not overtake each other on the way to the link, which would
// end the session of the two nodes.
func TestManyRequestsAreForwardedAtOnce(t *testing.T) {
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.RequestURI) })
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 200 {
				req := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d/%d", i, n), nil)
				w := httptest.NewRecorder()
				if err := r.a.plane.Forward(w, req, "b"); err != nil || w.Body.String() != req.RequestURI {
					t.Errorf("%s: %q, %v", req.RequestURI, w.Body, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What is flushed arrives while the answer goes on, and who goes away is noticed.
func TestForwardedStreams(t *testing.T) {
	next, ended := make(chan string), make(chan struct{})
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		defer close(ended)
		rc := http.NewResponseController(w)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = rc.Flush()
		for {
			select {
			case text := <-next:
				_, _ = io.WriteString(w, text)
				_ = rc.Flush()
			case <-req.Context().Done():
				return
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", r.server.URL, nil)
	require.NoError(t, err)
	res, err := r.server.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewReader(res.Body)
	for i := range 20 {
		next <- fmt.Sprintln("event", i)
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln("event", i), line)
	}
	cancel()
	<-ended
}

// Whoever reads slowly stops the one who writes, and nobody else.
func TestForwardedStreamsHaveFlowControl(t *testing.T) {
	var mu sync.Mutex
	written := 0
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/much" {
			return
		}
		rc := http.NewResponseController(w)
		piece := make([]byte, 10<<10)
		for {
			_ = rc.SetWriteDeadline(time.Now().Add(time.Minute))
			if _, err := w.Write(piece); err != nil {
				return
			}
			mu.Lock()
			written += len(piece)
			mu.Unlock()
		}
	})
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	before := -1
	for { // until the buffers of the system are full, too
		mu.Lock()
		now := written
		mu.Unlock()
		if now == before && now > 0 {
			break
		}
		before = now
		for range 20 { // meanwhile others are served
			res, _ := r.get("/little")
			require.Equal(t, 200, res.StatusCode)
		}
	}
	for _, p := range r.b.plane.Stats().Peers {
		require.Less(t, p.QueuedBytes, 256<<10)
	}
	require.NoError(t, conn.Close())
}

func TestForwardedAnswersThatAreNotTaken(t *testing.T) {
	failed := make(chan error, 1)
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		rc := http.NewResponseController(w)
		for {
			_ = rc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			if _, err := w.Write(make([]byte, 100<<10)); err != nil {
				failed <- err
				return
			}
		}
	})
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded)
	_, err = io.Copy(io.Discard, conn)
	_ = err // cut off in the middle, one way or the other
}

func TestForwardedRequestsThatBreakOff(t *testing.T) {
	var entered chan struct{}
	handler := func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/panic":
			panic("oops")
		case "/half":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/slow":
			entered <- struct{}{}
			<-req.Context().Done()
		case "/late":
			_, err := io.ReadAll(req.Body)
			entered <- struct{}{}
			if err == nil {
				panic("the body was whole")
			}
		}
	}
	r := startRelay(t, handler)
	entered = make(chan struct{})
	res, _ := r.get("/panic")
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.Error(t, <-r.failed)

	half, err := r.server.Client().Get(r.server.URL + "/half")
	require.NoError(t, err)
	_, err = io.ReadAll(half.Body)
	require.Error(t, err, "half an answer must not look whole")

	// A body that breaks off does not look whole either.
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	<-entered

	// The node is lost while it answers.
	done := make(chan int, 1)
	go func() {
		res, err := r.server.Client().Get(r.server.URL + "/slow")
		if err != nil {
			done <- 0
			return
		}
		_ = res.Body.Close()
		done <- res.StatusCode
	}()
	<-entered
	r.b.leave()
	require.Equal(t, http.StatusBadGateway, <-done)
	require.Error(t, <-r.failed)
	res, _ = r.get("/slow")
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.ErrorContains(t, <-r.failed, "b")
}

func TestANodeWithoutAHandler(t *testing.T) {
	r := startRelay(t, nil)
	res, _ := r.get("/")
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.Error(t, <-r.failed)
}

// A connection that is taken over is taken over on the node that it came to, with what came behind the
// request.
func TestForwardedUpgrades(t *testing.T) {
	ended := make(chan error, 2)
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			ended <- err
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		go func() {
			_, err := io.Copy(conn, buffered)
			ended <- errors.Join(err, conn.Close())
		}()
	})
	for _, last := range []string{"client", "node"} {
		conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
		require.NoError(t, err)
		in := bufio.NewReader(conn)
		for line := ""; line != "\r\n"; {
			line, err = in.ReadString('\n')
			require.NoError(t, err)
		}
		much := strings.Repeat("0123456789", 50_000)
		go func() { _, _ = io.WriteString(conn, much) }()
		got := make([]byte, len("early ")+len(much))
		_, err = io.ReadFull(in, got)
		require.NoError(t, err)
		require.True(t, string(got) == "early "+much)
		if last == "client" {
			require.NoError(t, conn.Close())
			<-ended
			continue
		}
		r.a.leave()
		_, err = io.Copy(io.Discard, in)
		require.NoError(t, err)
		require.Error(t, <-ended)
		_ = conn.Close()
	}
}

// A node that is about to end does not wait for polls and streams of events of other nodes: their answers end
// with what there is, as they would at the other node.
func TestForwardedRequestsEndBeforeTheirNode(t *testing.T) {
	begun := make(chan struct{}, 2)
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/short" {
			_, _ = io.WriteString(w, "short")
			return
		}
		if req.URL.Path == "/events" {
			_, _ = io.WriteString(w, "an event")
			http.NewResponseController(w).Flush()
		}
		begun <- struct{}{}
		<-req.Context().Done()
		_, _ = io.WriteString(w, ", and the rest")
	})
	answers := make(chan string, 2)
	for _, path := range []string{"/poll", "/events"} {
		go func() {
			res, body := r.get(path)
			answers <- fmt.Sprint(res.StatusCode, " ", body)
		}()
	}
	<-begun
	<-begun
	r.a.plane.EndForwarded()
	require.ElementsMatch(t, []string{"200 , and the rest", "200 an event, and the rest"}, []string{<-answers, <-answers})
	_, body := r.get("/short")
	require.Equal(t, "short", body, "what takes no time is forwarded to the end")
	go func() {
		res, body := r.get("/poll")
		answers <- fmt.Sprint(res.StatusCode, " ", body)
	}()
	require.Equal(t, "200 , and the rest", <-answers, "a poll that comes now is a short one")
	require.Empty(t, r.failed)
}

// The other node ends a connection while the client has sent more than it reads: nothing is left of the connection here.
func TestAForwardedUpgradeEndsWhileTheClientSends(t *testing.T) {
	r := startRelay(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		go func() {
			_, _ = io.ReadFull(conn, make([]byte, 1000)) // the client is at it
			_ = conn.Close()
		}()
	})
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	require.NoError(t, err)
	_, _ = io.WriteString(conn, strings.Repeat("x", 4<<20)) // it ends with an error when nobody reads on
	require.Eventually(t, func() bool { return cluster.OpenStreams(r.a.plane) == 0 && cluster.OpenStreams(r.b.plane) == 0 }, patience, time.Millisecond)
}
