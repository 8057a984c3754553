package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/hubserver"
)

// control serves what the suite asks of the server outside of calls: sends, groups, client
// results, the log of clients, and its end.
func control(mux *http.ServeMux, t *testHub, stop func()) {
	clients, groups := t.hub.Clients(), t.hub.Groups()
	mux.HandleFunc("GET /ctl/events", t.listEvents)
	mux.HandleFunc("POST /ctl/broadcast", sending(func(*http.Request) sender { return clients.All() }))
	mux.HandleFunc("POST /ctl/user/{user}", sending(func(r *http.Request) sender { return clients.OfUser(r.PathValue("user")) }))
	mux.HandleFunc("POST /ctl/group/{group}", sending(func(r *http.Request) sender { return clients.InGroup(r.PathValue("group")) }))
	mux.HandleFunc("POST /ctl/client/{id}", sending(func(r *http.Request) sender { return clients.Client(r.PathValue("id")) }))
	mux.HandleFunc("POST /ctl/send", func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Target    string
			Arguments []any
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, clients.All().Send(r.Context(), m.Target, m.Arguments...))
	})
	mux.HandleFunc("PUT /ctl/group/{group}/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, groups.Add(r.Context(), r.PathValue("id"), r.PathValue("group")))
	})
	mux.HandleFunc("DELETE /ctl/group/{group}/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, groups.Remove(r.Context(), r.PathValue("id"), r.PathValue("group")))
	})
	mux.HandleFunc("POST /ctl/ask/{id}", t.askOutside)
	mux.HandleFunc("POST /ctl/stop", func(http.ResponseWriter, *http.Request) { stop() })
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

type sender interface {
	Send(ctx context.Context, target string, arguments ...any) error
}

// sending sends ?method=&message= to whom the request names.
func sending(receivers func(*http.Request) sender) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		answer(w, receivers(r).Send(r.Context(), query.Get("method"), query.Get("message")))
	}
}

func (t *testHub) listEvents(w http.ResponseWriter, _ *http.Request) {
	t.mu.Lock()
	list, err := json.Marshal(append([]event{}, t.events...))
	t.mu.Unlock()
	if err != nil {
		answer(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that has gone needs no answer.
	_, _ = w.Write(list)
}

// askOutside answers with what the client answers to ?method=&arg=, within ?seconds=.
func (t *testHub) askOutside(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	seconds, err := strconv.Atoi(query.Get("seconds"))
	if err != nil {
		seconds = 10
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(seconds)*time.Second)
	defer cancel()
	text, err := hubserver.Invoke[string](ctx, t.hub.Clients().Client(r.PathValue("id")), query.Get("method"), query.Get("arg"))
	var failed *hubserver.ResultError
	if errors.As(err, &failed) {
		err = errors.New(failed.Text)
	}
	if err != nil {
		answer(w, err)
		return
	}
	// A client that has gone needs no answer.
	_, _ = w.Write([]byte(text))
}
