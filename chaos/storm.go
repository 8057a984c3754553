package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/hubgate/hubgate/bench/link"
)

// storm is many clients that lose their sockets at the same moment and all come back at once. They are as lean as
// can be, and dial the nodes in turns: through a balancer in this process each would take three more descriptors.
type storm struct {
	stage   *stage
	clients []*stormClient
	tries   atomic.Int64
}

// stormClient is one of them.
type stormClient struct {
	name string
	mu   sync.Mutex
	ws   *websocket.Conn
}

// stormSize is how many there are.
func (m *machine) stormSize() int {
	if m.long {
		return 10_000
	}
	return 600
}

// stormTime bounds the way of all into the cluster.
const stormTime = 3 * time.Minute

// reconnecting has everybody come back at once, twice. Then each must get what is sent to all.
func reconnecting(ctx context.Context, s *stage) error {
	w := &storm{stage: s}
	for i := range s.machine.stormSize() {
		w.clients = append(w.clients, &stormClient{name: fmt.Sprintf("storm%d", i)})
	}
	living, leave := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer leave()
	context.AfterFunc(living, w.cut)
	for i, c := range w.clients {
		all.Go(func() { w.run(living, i, c) })
	}
	s.extra = len(w.clients)
	start := time.Now()
	for round := range 3 {
		if err := until(ctx, stormTime, func() bool { return len(s.checker.living()) >= s.plan.clients+s.extra }); err != nil {
			return fmt.Errorf("%d clients are connected: %w", len(s.checker.living())-s.plan.clients, err)
		}
		s.report.note("%d clients are connected %v after all began at once, with %d attempts in all", s.extra, time.Since(start).Round(time.Millisecond), w.tries.Load())
		if err := s.flow(ctx, 2); err != nil {
			return err
		}
		if round < 2 {
			start = time.Now()
			w.cut()
		}
	}
	s.crowd.quiet()
	s.crowd.sending.Wait()
	s.checker.patient()
	s.checker.settle(ctx, settleTime)
	s.checkCounts(ctx)
	s.extra = 0
	return nil
}

// cut resets all sockets.
func (w *storm) cut() {
	for _, c := range w.clients {
		c.mu.Lock()
		if c.ws != nil {
			if tcp, ok := c.ws.NetConn().(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.ws.Close()
		}
		c.mu.Unlock()
	}
}

// run comes back whenever the connection ends.
func (w *storm) run(ctx context.Context, i int, c *stormClient) {
	random := w.stage.random(1000 + i)
	for ctx.Err() == nil {
		w.tries.Add(1)
		if err := w.visit(ctx, w.stage.cluster.nodes[random.IntN(len(w.stage.cluster.nodes))], c); err != nil {
			w.stage.tally.count("connection attempts of the storm that failed")
			w.stage.rest(ctx, random)
		}
	}
}

// stormDialer takes little memory.
var stormDialer = websocket.Dialer{HandshakeTimeout: stormTime, ReadBufferSize: 1 << 10, WriteBufferSize: 256, WriteBufferPool: &sync.Pool{}}

// visit is one stay. A nil error is one that began.
func (w *storm) visit(ctx context.Context, n *node, c *stormClient) error {
	user := "u-" + c.name
	token, err := w.stage.token(user)
	if err != nil {
		return err
	}
	address := n.address() + "/client/?hub=" + hubName
	id, connectionToken, err := negotiate(ctx, "http://"+strings.Replace(address, "/client/", "/client/negotiate", 1)+"&negotiateVersion=1", token)
	if err != nil {
		return err
	}
	ws, _, err := stormDialer.DialContext(ctx, "ws://"+address+"&id="+url.QueryEscape(connectionToken), http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return err
	}
	defer ws.Close()
	link.AnswerPings(ws)
	c.mu.Lock()
	c.ws = ws
	c.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
		return err
	}
	_, answer, err := ws.ReadMessage()
	rest, good := strings.CutPrefix(string(answer), "{}\x1e")
	if err != nil || !good {
		return errors.Join(err, errTooLong)
	}
	r := w.stage.checker.enter(identity{client: c.name, id: id, user: user, owner: n.name})
	defer r.end()
	for data := []byte(rest); err == nil; _, data, err = ws.ReadMessage() {
		for record := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x1e"), "\x1e") {
			if record != "" {
				w.stage.record(r, []byte(record))
			}
		}
	}
	return nil
}

// stormRequests are negotiations, on few sockets.
var stormRequests = http.Client{Timeout: stormTime, Transport: &http.Transport{MaxConnsPerHost: 50, MaxIdleConnsPerHost: 50}}

func negotiate(ctx context.Context, address, token string) (id, connectionToken string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return "", "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := stormRequests.Do(r)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	var answer struct{ ConnectionID, ConnectionToken, Error string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", "", err
	}
	if answer.ConnectionToken == "" {
		return "", "", fmt.Errorf("negotiate: %s %s", resp.Status, answer.Error)
	}
	return answer.ConnectionID, answer.ConnectionToken, nil
}
