package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/hubgate/hubgate/internal/flight"
)

// Traces is where what has happened is searched, on all nodes.
type Traces interface {
	// Search returns an error if as many searches run as may.
	Search(ctx context.Context, q *flight.Query) (flight.Answer, error)
}

// WatchTrace makes t what is searched.
func (a *Admin) WatchTrace(t Traces) { a.traces.Store(&t) }

// looking lets a request through that may use the live view, or manage the gateway: what is shown is of the same kind.
func (a *Admin) looking(handle http.HandlerFunc) http.HandlerFunc {
	return a.viewing(func(_ *View, w http.ResponseWriter, r *http.Request) { handle(w, r) }, func(w http.ResponseWriter, view, guard error) {
		if guard == nil {
			guard = &refusedError{status: http.StatusUnauthorized, text: view.Error()}
		}
		new(Guard).Refuse(w, guard)
	})
}

// serveTrace is GET /api/trace. The query is that of flight.ParseQuery.
func (a *Admin) serveTrace(w http.ResponseWriter, r *http.Request) {
	t := a.traces.Load()
	if t == nil {
		text(w, http.StatusServiceUnavailable, "The gateway is starting.\n")
		return
	}
	q, err := flight.ParseQuery(r.URL.Query(), time.Now())
	if err != nil {
		text(w, http.StatusBadRequest, err.Error()+"\n")
		return
	}
	found, err := (*t).Search(r.Context(), &q)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		text(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	answerJSON(w, found)
}
