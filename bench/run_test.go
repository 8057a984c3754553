package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// fakeGateway serves the few requests that a run makes. Its faults are what a
// run must notice.
type fakeGateway struct {
	duplicate bool // every message is delivered twice
	lose      bool // the first client gets no message
	hangUp    bool // a message ends the first client
	refuse    bool // no call succeeds
	silent    bool // no call is answered

	mu         sync.Mutex
	clients    []*fakeClient
	negotiated int
}

type fakeClient struct {
	conn   *websocket.Conn
	user   string
	binary bool
}

const restToken = "rest"

func (g *fakeGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, isClient := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer client:")
	switch {
	case isClient && r.Method == http.MethodPost && r.URL.Path == "/client/negotiate" && r.URL.Query().Get("negotiateVersion") == "1":
		g.mu.Lock()
		g.negotiated++
		g.mu.Unlock()
		fmt.Fprintf(w, `{"negotiateVersion":1,"connectionId":"c","connectionToken":"token-%s"}`, user)
	case isClient && r.URL.Path == "/client/" && r.URL.Query().Get("hub") == "bench":
		g.serveClient(w, r, user)
	case strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+restToken+":http://") && r.URL.Query().Get("api-version") != "":
		g.serveSend(w, r)
	default:
		http.Error(w, "nothing to see here", http.StatusUnauthorized)
	}
}

func (g *fakeGateway) serveClient(w http.ResponseWriter, r *http.Request, user string) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	_, request, err := conn.ReadMessage()
	if err != nil {
		return
	}
	c := &fakeClient{conn: conn, user: user, binary: bytes.Contains(request, []byte("messagepack"))}
	g.mu.Lock()
	g.clients = append(g.clients, c)
	// The answer comes with a ping in one message.
	c.write([]byte("{}\x1e"), c.ping())
	g.mu.Unlock()
	for {
		_, record, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if !g.silent && bytes.Contains(record, []byte("echo")) {
			c.write(g.answer(c, record))
		}
	}
}

// answer returns what a call of echo is answered with.
func (g *fakeGateway) answer(c *fakeClient, record []byte) []byte {
	if g.refuse {
		return []byte("{\"type\":3,\"invocationId\":\"1\",\"error\":\"no\"}\x1e")
	}
	argument := record[bytes.Index(record, []byte(markerPrefix)):]
	if c.binary {
		body := append([]byte("\x95\x03\x80\xa11\x03\xda"), 0, 128)
		body = append(body, argument[:128]...)
		return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
	}
	return fmt.Appendf(nil, "{\"type\":3,\"invocationId\":\"1\",\"result\":%q}\x1e", argument[:128])
}

func (c *fakeClient) ping() []byte {
	if c.binary {
		return []byte{2, 0x91, 6}
	}
	return []byte("{\"type\":6}\x1e")
}

func (c *fakeClient) write(records ...[]byte) {
	kind := websocket.TextMessage
	if c.binary {
		kind = websocket.BinaryMessage
	}
	_ = c.conn.WriteMessage(kind, bytes.Join(records, nil))
}

// invocation frames a text argument in the client's protocol.
func (c *fakeClient) invocation(text string) []byte {
	if !c.binary {
		return fmt.Appendf(nil, "{\"type\":1,\"target\":\"bench\",\"arguments\":[%q]}\x1e", text)
	}
	body := []byte("\x96\x01\x80\xc0\xa5bench\x91\xda")
	body = binary.BigEndian.AppendUint16(body, uint16(len(text)))
	body = append(append(body, text...), 0x90)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}

func (g *fakeGateway) serveSend(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var message struct{ Arguments []string }
	if json.Unmarshal(body, &message) != nil || len(message.Arguments) != 1 {
		http.Error(w, "bad message", http.StatusBadRequest)
		return
	}
	user := ""
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/hubs/bench/users/"); ok {
		user = strings.TrimSuffix(rest, "/:send")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.clients {
		record := c.invocation(message.Arguments[0])
		switch {
		case user != "" && user != c.user || g.lose && i == 0:
		case g.hangUp && i == 0:
			c.write([]byte("{\"type\":7,\"error\":\"go away\"}\x1e"))
			_ = c.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1011, "fault"))
		case g.duplicate:
			c.write(record, record)
		default:
			c.write(record)
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

func options(t *testing.T, handler http.Handler) Options {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	endpoint, err := url.Parse(srv.URL)
	require.NoError(t, err)
	return Options{
		Target: Target{
			Endpoint: endpoint, Hub: "bench",
			ClientToken: func(user string) (string, error) { return "client:" + user, nil },
			RESTToken:   func(resource string) (string, error) { return restToken + ":" + resource, nil },
		},
		Clients: Clients{Count: 5, Protocol: JSON, Timeout: 10 * time.Second},
		Load:    Load{Kind: Broadcast, Payload: 128, InFlight: 1, Count: 10, Warmup: 2},
	}
}

func TestBroadcast(t *testing.T) {
	t.Parallel()
	for _, protocol := range []Protocol{JSON, MessagePack} {
		for _, inFlight := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d in flight", protocol, inFlight), func(t *testing.T) {
				g := &fakeGateway{}
				o := options(t, g)
				o.Clients.Protocol, o.Clients.Negotiate, o.Clients.Parallel = protocol, true, 2
				o.Load.InFlight = inFlight
				report, err := Run(t.Context(), o)
				require.NoError(t, err)
				require.Equal(t, 10, report.Load.Messages)
				require.EqualValues(t, 50, report.Load.Deliveries)
				require.Equal(t, 5, g.negotiated)
				require.Positive(t, report.Load.Latency.P50)
				require.GreaterOrEqual(t, report.Load.Latency.Max, report.Load.Latency.P999)
			})
		}
	}
}

// Clients of one node, and messages that are sent to another one of the same cluster.
func TestMessagesGoToAnotherNode(t *testing.T) {
	g := &fakeGateway{}
	var sent atomic.Int64
	sends := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		g.ServeHTTP(w, r)
	}))
	t.Cleanup(sends.Close)
	o := options(t, g)
	var err error
	o.Target.REST, err = url.Parse(sends.URL)
	require.NoError(t, err)
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.EqualValues(t, 50, report.Load.Deliveries)
	require.EqualValues(t, o.Load.Count+o.Load.Warmup, sent.Load())
}

func TestSendToUsersReachesOneClientEach(t *testing.T) {
	o := options(t, &fakeGateway{})
	o.Load.Kind = ToUsers
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.EqualValues(t, 10, report.Load.Deliveries)
}

func TestEachClientCallsAgainAndAgain(t *testing.T) {
	for _, protocol := range []Protocol{JSON, MessagePack} {
		for name, change := range map[string]func(*Load){
			"a count":                  func(*Load) {},
			"fewer calls than clients": func(l *Load) { l.Count, l.Warmup = 3, 0 },
			"as many as fit in a time": func(l *Load) { l.Count, l.Duration = 0, 50*time.Millisecond },
		} {
			t.Run(string(protocol)+", "+name, func(t *testing.T) {
				o := options(t, &fakeGateway{})
				o.Clients.Protocol, o.Load.Kind, o.Load.Count = protocol, Echo, 100
				change(&o.Load)
				report, err := Run(t.Context(), o)
				require.NoError(t, err)
				require.EqualValues(t, report.Load.Messages, report.Load.Deliveries)
				if o.Load.Count > 0 {
					require.Equal(t, o.Load.Count, report.Load.Messages)
				}
				require.Positive(t, report.Load.Latency.P50)
			})
		}
	}
}

func TestIdleClientsAndDuration(t *testing.T) {
	o := options(t, &fakeGateway{})
	o.Load = Load{Kind: Nothing, Idle: time.Millisecond}
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Nil(t, report.Load)

	o = options(t, &fakeGateway{})
	o.Load.Count, o.Load.Duration = 0, time.Millisecond
	report, err = Run(t.Context(), o)
	require.NoError(t, err)
	require.Positive(t, report.Load.Messages)
}

func TestRateBoundsTheMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{start: time.Now(), count: 5, rate: 100}
		for n := range 5 {
			require.True(t, p.more(t.Context()))
			require.Equal(t, time.Duration(n)*10*time.Millisecond, time.Since(p.start))
		}
		require.False(t, p.more(t.Context()))

		p = pace{start: time.Now(), duration: 95 * time.Millisecond, rate: 100}
		n := 0
		for p.more(t.Context()) {
			n++
		}
		require.Equal(t, 10, n)
	})
}

func TestMessagesAreSentAnewWhileTheServerIsBusy(t *testing.T) {
	g := &fakeGateway{}
	var busy atomic.Int64
	busy.Store(3)
	o := options(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/:send") && busy.Add(-1) >= 0 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		g.ServeHTTP(w, r)
	}))
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 3, report.Load.Refused)
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Contains(t, text.String(), "refused      3 times")
}

func TestOwnProcessIsMeasured(t *testing.T) {
	o := options(t, &fakeGateway{})
	o.PID = os.Getpid()
	report, err := Run(t.Context(), o)
	if runtime.GOOS != "linux" {
		require.ErrorContains(t, err, "unsupported")
		return
	}
	require.NoError(t, err)
	require.Positive(t, report.Memory.PerConnection)
	require.GreaterOrEqual(t, report.Memory.Peak, report.Memory.After)
	require.GreaterOrEqual(t, report.Load.ServerCPU, time.Duration(0), "some kernels count in hundredths of a second")
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Contains(t, text.String(), "delivered    50 ")
}

func TestMemoryThatWentDownIsNotCalledAdded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after uint64
		want  string
	}{
		{"more than before", 30 << 20, "at the end: each of 20 connections added 512.0 KB (the whole process, shared out among them: 1536.0 KB)\n"},
		{"less than before", 10 << 20, "at the end: not more than before, too few connections to tell what one takes\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := Report{Clients: Clients{Count: 15, Stalled: 5}, Memory: MemoryReport{Before: 20 << 20, Connected: 20 << 20}}
			report.Memory.finish(Sample{Resident: tt.after}, 20)
			require.GreaterOrEqual(t, report.Memory.PerConnectionAdded, 0.0)
			var text bytes.Buffer
			require.NoError(t, report.WriteText(&text))
			require.Contains(t, text.String(), tt.want)
		})
	}
}

func TestStalledClientIsSeenClosed(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	o := options(t, g)
	o.Clients.Stalled, o.Clients.Timeout = 1, 5*time.Second
	o.Load.Kind, o.Load.Count = ToUsers, 3
	report, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, StalledReport{Count: 1}, report.Stalled)

	// A gateway that gives the stalled one up.
	g = &fakeGateway{}
	o = options(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.ServeHTTP(w, r)
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, c := range g.clients {
			if c.user == userName(5) {
				c.conn.Close()
			}
		}
	}))
	o.Clients.Stalled, o.Clients.Parallel = 1, 1
	o.Load.Kind = ToUsers
	report, err = Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, StalledReport{Count: 1, Closed: 1}, report.Stalled)
}

func TestFaultsMakeTheRunFail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		gateway *fakeGateway
		change  func(*Options)
		want    string
	}{
		{"duplicate", &fakeGateway{duplicate: true}, nil, "expected"},
		{"lost delivery", &fakeGateway{lose: true}, func(o *Options) { o.Clients.Timeout = 5 * time.Second }, "1 deliveries did not arrive within 5s"},
		{"lost client", &fakeGateway{hangUp: true}, nil, `closed by the server with code 1011: fault {"type":7,"error":"go away"}`},
		{"refused client", &fakeGateway{}, func(o *Options) { o.Target.Hub = "other" }, "401 Unauthorized: nothing to see here"},
		{"refused negotiation", &fakeGateway{}, func(o *Options) {
			o.Clients.Negotiate = true
			o.Target.ClientToken = func(string) (string, error) { return "wrong", nil }
		}, "negotiate: 401 Unauthorized"},
		{"refused send", &fakeGateway{}, func(o *Options) {
			o.Target.RESTToken = func(string) (string, error) { return "wrong", nil }
		}, "send: 401 Unauthorized"},
		{"refused call", &fakeGateway{refuse: true}, func(o *Options) { o.Load.Kind = Echo }, `a call failed: {"type":3,"invocationId":"1","error":"no"}`},
		{"lost answer", &fakeGateway{silent: true}, func(o *Options) { o.Load.Kind, o.Clients.Timeout = Echo, time.Second }, "2 deliveries did not arrive within 1s"},
		{"missing process", &fakeGateway{}, func(o *Options) { o.PID = 1 << 30 }, "process"},
		{"no clients", &fakeGateway{}, func(o *Options) { o.Clients.Count = 0 }, "clients: 1 to"},
		{"short payload", &fakeGateway{}, func(o *Options) { o.Load.Payload = MinPayload - 1 }, "payload"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(t, tt.gateway)
			if tt.change != nil {
				tt.change(&o)
			}
			_, err := Run(t.Context(), o)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestCancelledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t, &fakeGateway{})
	o.Load = Load{Kind: Nothing, Idle: time.Hour}
	o.Progress = writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("idle")) {
			cancel()
		}
		return len(p), nil
	})
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
