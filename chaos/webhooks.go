package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// webhooks is the application of a Serverless hub. It counts what it hears of each connection.
type webhooks struct {
	checker *checker
	calls   *calls
	server  *http.Server
	url     string

	mu    sync.Mutex
	lives map[string]*life
	// outlived are connections whose end others tell of while they live on, out of reach.
	outlived map[string]bool
	// repeated: the scenario itself looks at ends that are told twice, or alone.
	repeated bool
}

// life is what was heard of one connection.
type life struct {
	connected, disconnected int
	began                   time.Time // when connected came
	host                    string    // the node that said so
	first, ended            time.Time // when disconnected came, and when it came last
	// teller is the node that said disconnected first: where the client was last, or who did it for that node.
	teller string
}

func startWebhooks(c *checker, calls *calls) (*webhooks, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &webhooks{checker: c, calls: calls, url: "http://" + l.Addr().String(), lives: make(map[string]*life)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{node}/{hub}/connections/{event}", w.connection)
	mux.HandleFunc("POST /{node}/{hub}/messages/{event}", w.message)
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := w.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.violate("harness", "webhooks: "+err.Error())
		}
	}()
	return w, nil
}

// nodeVariable is the variable in which each gateway has its name, so that its webhooks say from whom they are.
const nodeVariable = "CHAOS_NODE"

// flags are those of gateways.
func (w *webhooks) flags() []string {
	return []string{"--upstream", w.url + "/{@env:" + nodeVariable + "}/{hub}/{category}/{event}", "--upstream-allowed-env", nodeVariable}
}

func (w *webhooks) close() { _ = w.server.Close() }

func (w *webhooks) connection(_ http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Asrs-Connection-Id")
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.lives[id]
	if one == nil {
		one = new(life)
		w.lives[id] = one
	}
	switch r.PathValue("event") {
	case "connected":
		one.connected++
		one.began, one.host = time.Now(), r.PathValue("node")
		if one.connected > 1 || one.disconnected > 0 {
			w.checker.violate("events", fmt.Sprintf("connected of %s came behind %+v", id, *one))
		}
	case "disconnected":
		one.disconnected++
		one.ended = time.Now()
		if one.disconnected == 1 {
			one.first, one.teller = one.ended, r.PathValue("node")
		}
		// An end that is told twice is looked at when all have gone: its node may just have died.
		if !w.repeated && (one.connected != 1 || one.disconnected > 2) {
			w.checker.violate("events", fmt.Sprintf("disconnected of %s: %+v", id, *one))
		}
	}
}

func (w *webhooks) message(out http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Asrs-Connection-Id")
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway has gone
	}
	var m struct{ Arguments []int }
	if err := json.Unmarshal([]byte(strings.TrimSuffix(string(text), "\x1e")), &m); err != nil || len(m.Arguments) != 1 {
		w.checker.violate("harness", fmt.Sprintf("a webhook that is no call: %q", text))
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	one := w.lives[id]
	if (one == nil || one.connected != 1 || one.disconnected > 0) && !w.outlived[id] {
		w.checker.violate("events", fmt.Sprintf("a call of %s outside of its life: %+v", id, one))
	}
	w.mu.Unlock()
	w.calls.receive(id, m.Arguments[0])
}

// outlive permits calls of connections whose end was told: they are in a part of the cluster that knows nothing of it.
func (w *webhooks) outlive(ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outlived = make(map[string]bool)
	for _, id := range ids {
		w.outlived[id] = true
	}
}

// mayRepeat leaves it to the scenario to look at ends that are told twice, or without a beginning.
func (w *webhooks) mayRepeat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.repeated = true
}

// all is what was heard of all connections.
func (w *webhooks) all() map[string]life {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[string]life, len(w.lives))
	for id, one := range w.lives {
		all[id] = *one
	}
	return all
}

// open are the connections that were heard of and have not ended.
func (w *webhooks) open() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, one := range w.lives {
		if one.connected > 0 && one.disconnected == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// life is what was heard of a connection; zero if nothing.
func (w *webhooks) life(id string) life {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.lives[id]; one != nil {
		return *one
	}
	return life{}
}

// count is how many connections came and ended.
func (w *webhooks) count() (connected, disconnected int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.lives {
		connected += one.connected
		disconnected += one.disconnected
	}
	return connected, disconnected
}
