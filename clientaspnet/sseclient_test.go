package clientaspnet

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// eventClient is a client's event stream with expectations.
type eventClient struct {
	t      *testing.T
	c      *testClient
	header http.Header
	body   io.Closer
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// events opens an event stream by connect or reconnect, with the token in the query as browsers have it.
func (c *testClient) events(command, more string) *eventClient {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(cancel)
	res, err := c.f.begin(ctx, request{path: command, query: c.query("serverSentEvents", more) + "&access_token=" + c.token,
		header: map[string]string{"Accept": "text/event-stream"}})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = res.Body.Close() })
	require.Equal(c.t, 200, res.StatusCode)
	s := &eventClient{c.t, c, res.Header, res.Body, bufio.NewReader(res.Body), cancel}
	require.Equal(c.t, "initialized", s.data())
	return s
}

// data is that of the next event.
func (s *eventClient) data() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	require.NoError(s.t, err)
	empty, err := s.lines.ReadString('\n')
	require.NoError(s.t, err)
	require.Equal(s.t, "\r\n", empty, "an event is one line")
	data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r\n"), "data: ")
	require.True(s.t, ok, "%q", line)
	return data
}

// next is the next frame.
func (s *eventClient) next() string {
	s.t.Helper()
	frame := s.data()
	s.c.saw(frame)
	return frame
}

func (s *eventClient) wantInit() {
	s.t.Helper()
	require.Equal(s.t, `{"C":"0","S":1,"M":[]}`, s.next())
}

func (s *eventClient) want(text string) {
	s.t.Helper()
	require.Equal(s.t, `[`+message(text)+`]`, messages(s.t, s.next()))
}

func (s *eventClient) wantEnd() {
	s.t.Helper()
	rest, err := io.ReadAll(s.lines)
	require.NoError(s.t, err)
	require.Empty(s.t, string(rest))
}

func (s *eventClient) cut() {
	s.cancel()
	_ = s.body.Close()
}
