package upstream

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

func TestInvocationAnswers(t *testing.T) {
	const framed = `{"type":3,"invocationId":"1","result":{"a":[1,2]}}` + "\x1e"
	chunked := func(body string) func(http.ResponseWriter, post) {
		return func(w http.ResponseWriter, _ post) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, body)
		}
	}
	broken := func(w http.ResponseWriter, _ post) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	// The server keeps the connection: nothing that it does ends a read.
	switches := func(w http.ResponseWriter, _ post) {
		conn, _, err := http.NewResponseController(w).Hijack()
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
	}
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter, post)
		result Result
		frame  string // what the client gets, or else:
		err    string // the Completion's error
	}{
		{"R69 C87 200 with a framed Completion", says(200, framed), ResultOK, framed, ""},
		{"R69 chunked", chunked(framed), ResultOK, framed, ""},
		{"R69 framing that is missing is added", says(200, strings.TrimSuffix(framed, "\x1e")), ResultOK, framed, ""},
		{"R69 error inside of 200", says(200, `{"type":3,"invocationId":"1","error":"boo"}`+"\x1e"), ResultOK, "", "boo"},
		{"R69 Completion of another invocation", says(200, `{"type":3,"invocationId":"2"}`+"\x1e"), ResultMalformed, "", "Invocation failed, error: The answer is the Completion of another invocation."},
		{"R69 no Completion", says(200, `<html>`), ResultMalformed, "", "Invocation failed, error: "},
		{"R69 two records", says(200, framed+framed), ResultMalformed, "", "Invocation failed, error: "},
		{"R70 C87 200 without a body", says(200, ""), ResultOK, `{"type":3,"invocationId":"1"}` + "\x1e", ""},
		{"R70 C87 204", says(204, ""), ResultOK, `{"type":3,"invocationId":"1"}` + "\x1e", ""},
		{"R70 chunked with zero bytes", chunked(""), ResultOK, `{"type":3,"invocationId":"1"}` + "\x1e", ""},
		{"R71 C87 404", says(404, framed), ResultStatus, "", "Invocation failed, status code 404"},
		{"R71 C87 500", says(500, ""), ResultStatus, "", "Invocation failed, status code 500"},
		{"R71 202 is no success", says(202, ""), ResultStatus, "", "Invocation failed, status code 202"},
		{"R71 302 is not followed", says(302, ""), ResultStatus, "", "Invocation failed, status code 302"},
		{"R71 answer that breaks off", broken, ResultBroken, "", "Invocation failed, error: unexpected EOF."},
		{"R71 connection that breaks off", func(http.ResponseWriter, post) { panic(http.ErrAbortHandler) }, ResultBroken, "", "Invocation failed, status code 500"},
		{"R71 101 takes over no connection", switches, ResultStatus, "", "Invocation failed, status code 101"},
		{"R72 17 MiB declared", says(200, strings.Repeat("x", 17<<20)), ResultTooLarge, "", "Invocation failed, response too large."},
		{"R72 17 MiB chunked", chunked(strings.Repeat("x", 17<<20)), ResultTooLarge, "", "Invocation failed, response too large."},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, c.answer)
			m := &books{}
			client := newConn("abc")
			s := newSession(start(t, toAll(h.URL), watched(m)), client)
			receive(t, s, invoke("1", "m"))
			if c.frame != "" {
				require.Equal(t, c.frame, string(want(t, client.sent)))
			} else {
				got := completion(t, client)
				require.Equal(t, "1", got.InvocationID)
				require.True(t, got.HasError)
				require.Contains(t, got.Error, c.err)
			}
			require.NoError(t, s.backend.Close(t.Context()))
			require.Equal(t, []Result{c.result}, m.results())
			require.Len(t, h.posts, 1, "R76 one request for an event")
			require.Empty(t, client.sent)
			require.Empty(t, client.closed)
		})
	}
}

func TestResponseLimitIsASetting(t *testing.T) {
	answer := `{"type":3,"invocationId":"1"}` + "\x1e"
	for limit, failure := range map[int64]string{int64(len(answer)): "", int64(len(answer) - 1): "Invocation failed, response too large."} {
		h := newHook(t, says(200, answer))
		cfg := toAll(h.URL)
		cfg.MaxResponseBytes = limit
		client := newConn("abc")
		receive(t, newSession(start(t, cfg), client), invoke("1", "m"))
		require.Equal(t, failure, completion(t, client).Error)
	}
}

// An answer that is announced as too large is not waited for.
func TestAnnouncedLength(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, p post) {
		w.Header().Set("Content-Length", strconv.Itoa(17<<20))
		_ = http.NewResponseController(w).Flush()
		silent(w, p)
	})
	client := newConn("abc")
	receive(t, newSession(start(t, toAll(h.URL)), client), invoke("1", "m"))
	t.Run("R72 17 MiB announced", func(t *testing.T) {
		require.Equal(t, "Invocation failed, response too large.", completion(t, client).Error)
	})
}

// A body that nobody needs and that does not end holds nobody up for the time of a webhook.
func TestUnneededBodiesAreNotWaitedFor(t *testing.T) {
	begins := func(status int) func(http.ResponseWriter, post) {
		return func(w http.ResponseWriter, p post) {
			w.Header().Set("Content-Type", "text/plain")
			says(status, "begun")(w, p)
			_ = http.NewResponseController(w).Flush()
			silent(w, p)
		}
	}
	t.Run("a failed invocation", func(t *testing.T) {
		client := newConn("abc")
		receive(t, newSession(start(t, toAll(newHook(t, begins(500)).URL)), client), invoke("1", "m"))
		require.Equal(t, "Invocation failed, status code 500", completion(t, client).Error)
	})
	t.Run("a send", func(t *testing.T) {
		m, h := &books{}, newHook(t, begins(200))
		s := newSession(start(t, toAll(h.URL), watched(m)), newConn("abc"))
		receive(t, s, send("first"))
		receive(t, s, send("second"))
		require.Equal(t, "first", want(t, h.posts).event())
		require.Equal(t, "second", want(t, h.posts).event())
		require.NoError(t, s.backend.Close(t.Context()))
		require.Equal(t, []Result{ResultOK, ResultOK}, m.results())
	})
	t.Run("a rejection", func(t *testing.T) {
		client := newConn("abc")
		connect(start(t, toAll(newHook(t, begins(401)).URL)), client)
		require.Equal(t, "begun", want(t, client.closed).Text)
	})
}

// Answers that nobody needs are read, so that their connection can be used again.
func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int32
	h := &hook{posts: make(chan post, 64), answer: func(w http.ResponseWriter, p post) {
		status, _ := strconv.Atoi(p.event())
		says(max(status, 200), strings.Repeat("x", 10_000))(w, p)
	}}
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	h.Start()
	t.Cleanup(h.Close)
	s := connect(start(t, toAll(h.URL)), newConn("abc"))
	for _, status := range []string{"200", "202", "404", "500"} {
		receive(t, s, send(status))
		receive(t, s, invoke("1", status))
	}
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	require.NoError(t, s.backend.Close(t.Context()))
	require.Len(t, h.posts, 10)
	require.EqualValues(t, 1, opened.Load())
}

func TestSendAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter, post)
		result Result
	}{
		{"R73 200 with a body", says(200, "whatever"), ResultOK},
		{"R73 202", says(202, ""), ResultOK},
		{"R73 500 leaves the client alone", says(500, "boo"), ResultStatus},
		{"R73 403 leaves the client alone", says(403, "boo"), ResultStatus},
		{"R73 an answer without an end", func(w http.ResponseWriter, p post) {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, ResultOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, c.answer)
			m := &books{}
			client := newConn("abc")
			s := newSession(start(t, toAll(h.URL), watched(m)), client)
			receive(t, s, send("m"))
			require.NoError(t, s.backend.Close(t.Context()))
			require.Equal(t, []Result{c.result}, m.results())
			require.Empty(t, client.sent)
			require.Empty(t, client.closed)
		})
	}
}

// Whatever an upstream says, the client gets exactly one Completion of its own
// invocation.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"type":3,"invocationId":"1","result":1}`+"\x1e"), false, int64(-1))
	f.Add(200, []byte(`{"type":3,"invocationId":"1"}`), false, int64(5))
	f.Add(200, []byte("\x09\x95\x03\x80\xa11\x03\x01"), true, int64(1<<40))
	f.Add(403, []byte("no\r\nway\xff"), false, int64(0))
	f.Add(200, []byte(nil), true, int64(0))
	f.Fuzz(func(t *testing.T, status int, body []byte, packed bool, length int64) {
		response := &http.Response{
			StatusCode: status, Status: string(body), ContentLength: length,
			Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(bytes.NewReader(body)),
		}
		e := &event{kind: kindMessage, invocation: "1", protocol: hubprotocol.JSON}
		if packed {
			e.protocol = hubprotocol.MessagePack
		}
		a := judge(response, e, 1<<10, &endpoint{})
		require.Contains(t, Results, a.result)
		frame := a.completion(e)
		_, record, rest, err := hubprotocol.Cut(e.protocol, frame, 1<<20)
		require.NoError(t, err)
		require.Empty(t, rest)
		m, err := hubprotocol.Parse(e.protocol, record)
		require.NoError(t, err)
		require.Equal(t, hubprotocol.Completion, m.Type)
		require.Equal(t, "1", m.InvocationID)
		require.Equal(t, a.text != "", m.HasError && a.frame == nil)

		reason := rejection(&http.Response{
			StatusCode: 403, Status: "403 " + string(body), Header: response.Header, Body: io.NopCloser(bytes.NewReader(body)),
		})
		require.NotEmpty(t, reason)
		require.LessOrEqual(t, len(reason), 3*maxReason)
		require.NoError(t, checkValue(reason))
	})
}
