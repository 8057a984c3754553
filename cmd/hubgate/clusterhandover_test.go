package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// stateful is a client with stateful reconnect as it goes from node to node.
type stateful struct {
	*client
	connectionToken, token string
	// got are the texts of the messages that it has, by number.
	got  []string
	next uint64
	said int
}

func connectStateful(t *testing.T, p *program) *stateful {
	t.Helper()
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{UserID: "ann"})
	require.NoError(t, err)
	status, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat&useStatefulReconnect=true", "", "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusOK, status, answer)
	var n negotiatedAt
	require.NoError(t, json.Unmarshal([]byte(answer), &n))
	s := &stateful{connectionToken: n.ConnectionToken, token: token, next: 1}
	s.client = dialAt(t, p, "chat", n.ConnectionToken, token)
	s.id = n.ConnectionID
	s.send(`{"protocol":"json","version":2}`)
	require.Equal(t, "{}", s.client.next())
	s.send(`{"type":6}`)
	return s
}

// reads reads until it has so many messages, or the socket ends, which it reports.
func (s *stateful) reads(until int) (ended bool) {
	for len(s.got) < until {
		_ = s.conn.SetReadDeadline(time.Now().Add(patience))
		_, data, err := s.conn.ReadMessage()
		if err != nil {
			require.False(s.t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "a parked client gets no Close frame")
			return true
		}
		for record := range strings.SplitSeq(string(data), "\x1e") {
			s.takes(record)
		}
	}
	return false
}

// last is what it gets now, or why nothing: for tests that fail.
func (s *stateful) last() string {
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Second))
	_, data, err := s.conn.ReadMessage()
	return fmt.Sprintf("%q, %v", data, err)
}

func (s *stateful) takes(record string) {
	var m struct {
		Type       int
		SequenceID uint64
		Arguments  []string
	}
	if record == "" {
		return
	}
	require.NoError(s.t, json.Unmarshal([]byte(record), &m), record)
	switch m.Type {
	case 9:
		s.next = m.SequenceID
	case 7:
		s.t.Errorf("it is closed: %s", record)
	case 1:
		if s.next == uint64(len(s.got))+1 {
			s.got = append(s.got, m.Arguments[0])
		}
		require.LessOrEqual(s.t, s.next, uint64(len(s.got)), "messages are missing")
		s.next++
	}
}

// comesBack dials a node, and says again what it has said.
func (s *stateful) comesBack(p *program) {
	s.t.Helper()
	id := s.id
	s.client = dialAt(s.t, p, "chat", s.connectionToken, s.token)
	s.id = id
	s.send(`{"type":9,"sequenceId":1}`)
	for i := range s.said {
		s.send(fmt.Sprintf(`{"type":1,"target":"said","arguments":["%d"]}`, i))
	}
}

// logsIfFailed shows what the program has logged if the test fails.
func (p *program) logsIfFailed() {
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Log(p.logs)
		}
	})
}

// N44: each of three programs is restarted, and a client with stateful reconnect notices nothing: it keeps
// its id and its groups, gets each message once and in order, and the application is told nothing.
func TestN44RollingRestart(t *testing.T) {
	t.Parallel()
	hook := newHook(t, answers("hook"))
	three := startTrio(t, hook.upstream()...)
	for _, p := range three.each() {
		p.logsIfFailed()
	}
	nodes := map[string]*program{"a": three.a, "b": three.b, "c": three.c}
	s := connectStateful(t, three.a)
	require.Equal(t, "/connections/connected", (<-hook.calls).URL.Path)
	three.b.change(http.MethodPut, "groups/room/connections/"+s.id)
	var sent []string
	send := func(p *program, path string) {
		text := fmt.Sprint("message ", len(sent))
		p.sendTo(path, text)
		sent = append(sent, text)
	}
	at, next := "a", map[string]string{"a": "b", "b": "c", "c": "a"}
	for range 3 {
		to := next[at]
		send(nodes[to], "groups/room/:send")
		require.False(t, s.reads(len(sent)))
		stopped := make(chan int)
		old := nodes[at]
		go func() { stopped <- old.stop() }()
		require.True(t, s.reads(1<<20), "its WebSocket ends")
		send(nodes[to], "connections/"+s.id+"/:send")
		s.comesBack(nodes[to])
		s.said++
		s.send(fmt.Sprintf(`{"type":1,"target":"said","arguments":["%d"]}`, s.said-1))
		require.False(t, s.reads(len(sent)))
		require.Zero(t, <-stopped)
		call := <-hook.calls
		require.Equal(t, "/messages/said", call.URL.Path)
		require.Equal(t, s.id, call.Header.Get("X-ASRS-Connection-Id"))
		nodes[at] = start(t, append([]string{"--node=" + at, "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c",
			"--cluster-peer=" + nodes[to].clusterStatus().Address}, hook.upstream()...)...)
		nodes[at].logsIfFailed()
		nodes[at].seesPeers(2)
		nodes[at].isReady() // the next one is not restarted before
		at = to
	}
	send(nodes["b"], "groups/room/:send")
	require.False(t, s.reads(len(sent)))
	require.Equal(t, sent, s.got)
	require.Empty(t, hook.calls, "neither connected nor disconnected")
}
