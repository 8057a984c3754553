package cluster_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// late is a request whose body has come, but whose end is heard of only when reading is interrupted. The
// HTTP server reads on by then, to see whether the client is gone, and is interrupted too.
type late struct {
	http.ResponseWriter
	io.ReadCloser
	r           *http.Request
	interrupted chan struct{}
	once        sync.Once
}

func (l *late) Unwrap() http.ResponseWriter { return l.ResponseWriter }

func (l *late) SetReadDeadline(t time.Time) error {
	err := http.NewResponseController(l.ResponseWriter).SetReadDeadline(t)
	if !t.IsZero() && t.Before(time.Now()) {
		<-l.r.Context().Done() // the server has been interrupted
		l.once.Do(func() { close(l.interrupted) })
	}
	return err
}

func (l *late) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	if err == io.EOF && n == 0 {
		<-l.interrupted
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}

// A client uses a connection again and again. What one request does to it must not harm the next one.
func TestForwardedRequestsDoNotHarmThoseThatFollow(t *testing.T) {
	var taken atomic.Int64
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		// The answer comes before the end of the body has.
		body := make([]byte, req.ContentLength)
		n, err := io.ReadFull(req.Body, body)
		if err == nil {
			taken.Add(int64(n))
		}
		w.WriteHeader(http.StatusAccepted)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/late" {
			l := &late{ResponseWriter: w, ReadCloser: req.Body, r: req, interrupted: make(chan struct{})}
			w, req.Body = l, l
		}
		if err := r.a.plane.Forward(w, req, "b"); err != nil {
			http.Error(w, "no node", http.StatusBadGateway)
		}
	}))
	defer server.Close()
	for _, path := range []string{"/late", "/next", "/late", "/next"} {
		res, err := server.Client().Post(server.URL+path, "", strings.NewReader("a record"))
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		require.Equal(t, http.StatusAccepted, res.StatusCode, "%s: an answer of the node that has the connection", path)
	}
	require.EqualValues(t, 4*len("a record"), taken.Load(), "every body was read")
}

func TestForwardedRequestsKeepTheirConnection(t *testing.T) {
	r := startRelay(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(body)
	})
	var connections sync.Map
	handler := r.server.Config.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		connections.Store(req.RemoteAddr, true)
		handler.ServeHTTP(w, req)
	}))
	defer server.Close()
	for range 300 {
		res, err := server.Client().Post(server.URL, "", strings.NewReader("a record"))
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, "a record", string(body))
	}
	count := 0
	connections.Range(func(any, any) bool { count++; return true })
	require.Equal(t, 1, count)
	require.Empty(t, r.failed)
}

// Who is gone has no answer; it must not be one that says that everything went well.
func TestForwardedRequestsOfThoseWhoAreGoneAreNotAnswered(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r := startRelay(t, func(_ http.ResponseWriter, req *http.Request) {
		leave()
		<-req.Context().Done()
	})
	came := make(chan any, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			came <- recover()
			panic(http.ErrAbortHandler)
		}()
		_ = r.a.plane.Forward(w, req, "b")
	}))
	defer server.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	_, err = server.Client().Do(req)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, http.ErrAbortHandler, <-came)
}
