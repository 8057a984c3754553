package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	maxBody  = 1 << 20
	maxCount = 1_000_000
	// queued frames per shard; a full queue makes POST /send wait.
	shardQueue = 256
)

// floor holds the clients, spread over as many shards as there are workers.
type floor struct {
	shards []*shard
	next   atomic.Uint64
	wg     sync.WaitGroup
}

// shard is the part of the clients that one worker writes to.
type shard struct {
	queue chan []byte

	mu      sync.Mutex
	members []*member
}

// member is one client. Its descriptor stays valid while it is in a shard; over TLS it is 0.
type member struct {
	conn  net.Conn
	fd    uintptr
	shard *shard
}

func newFloor(workers int) *floor {
	f := &floor{}
	for range workers {
		s := &shard{queue: make(chan []byte, shardQueue)}
		f.shards = append(f.shards, s)
		f.wg.Go(s.work)
	}
	return f
}

// close ends every client and waits for all goroutines. No request may be
// under way.
func (f *floor) close() {
	for _, s := range f.shards {
		close(s.queue)
		s.mu.Lock()
		members := slices.Clone(s.members)
		s.mu.Unlock()
		for _, m := range members {
			// Wakes the member's reader, which closes the connection.
			_ = socketOf(m.conn).CloseRead()
		}
	}
	f.wg.Wait()
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/client"):
		f.serveClient(w, r)
	case r.Method == http.MethodPost && r.URL.Path == "/send":
		f.serveSend(w, r)
	default:
		http.NotFound(w, r)
	}
}

// serveSend queues frames for every shard and answers before they are written,
// as a gateway does.
func (f *floor) serveSend(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	count := 1
	if c := r.URL.Query().Get("count"); c != "" {
		if count, err = strconv.Atoi(c); err != nil || count < 1 || count > maxCount {
			http.Error(w, "count must be a number from 1 to "+strconv.Itoa(maxCount), http.StatusBadRequest)
			return
		}
	}
	frame, err := invocationFrame(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for range count {
		for _, s := range f.shards {
			s.queue <- frame
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// invocationFrame makes the WebSocket message of one invocation out of a
// body {"target":...,"arguments":[...]}.
func invocationFrame(body []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(body), []byte("{"))
	if !ok {
		return nil, errors.New("the body must be a JSON object with target and arguments")
	}
	record := append([]byte(`{"type":1,`), rest...)
	return appendTextFrame(nil, append(record, recordSeparator)), nil
}

func (s *shard) work() {
	for frame := range s.queue {
		s.mu.Lock()
		for _, m := range s.members {
			m.write(frame)
		}
		s.mu.Unlock()
	}
}

// write is the delivery: one write(2). A socket without room is the exception
// and is waited for, so that every receiver gets every frame.
func (m *member) write(frame []byte) {
	if m.fd == 0 {
		_, _ = m.conn.Write(frame) // the reader notices an error and removes the member
		return
	}
	n, err := writeBare(m.fd, frame)
	if err == nil && n == len(frame) {
		return
	}
	if err != nil && !retryable(err) {
		return // the reader notices and removes the member
	}
	_, _ = m.conn.Write(frame[max(n, 0):])
}

// admit answers the handshake and makes the client a receiver in one step: it
// gets nothing before the answer and everything that is sent after it has it.
func (f *floor) admit(conn net.Conn, fd uintptr) *member {
	s := f.shards[f.next.Add(1)%uint64(len(f.shards))]
	m := &member{conn: conn, fd: fd, shard: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.write(handshakeAnswer)
	s.members = append(s.members, m)
	return m
}

// remove takes a member out before its descriptor may be closed and reused.
func (m *member) remove() {
	m.shard.mu.Lock()
	defer m.shard.mu.Unlock()
	m.shard.members = slices.DeleteFunc(m.shard.members, func(o *member) bool { return o == m })
}
