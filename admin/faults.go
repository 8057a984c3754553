package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/hubgate/hubgate/management"
)

// Faults are those that operators inject into hubs. The methods are called concurrently.
type Faults interface {
	// List returns those in force.
	List() []Fault
	// Set puts one in force; Hits and Until of what it is given say nothing. An error is a *Refused.
	Set(f Fault) (Fault, error)
	// Clear ends those of the hub and the kind, "" for all, and says how many. An error is a *Refused.
	Clear(hub, kind string) (int, error)
}

// Fault is one fault. Delay, Every and For are Go's durations as text, "" for none.
type Fault struct {
	Hub   string    `json:"hub"`
	Kind  string    `json:"kind"`
	Share float64   `json:"share"`
	Delay string    `json:"delay,omitempty"`
	Every string    `json:"every,omitempty"`
	For   string    `json:"for,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Hits  uint64    `json:"hits"`
}

// FaultList is the answer to a question for faults, FaultsCleared that to a wish to end some.
type (
	FaultList struct {
		Faults []Fault `json:"faults"`
	}
	FaultsCleared struct {
		Cleared int `json:"cleared"`
	}
)

// Refused is the error of a request that is not carried out.
type Refused struct {
	Status int
	// Field is what of the request is wrong, "" if it is not one field.
	Field, Text string
}

func (e *Refused) Error() string { return e.Text }

// WatchFaults makes f what /api/faults shows and changes, and hubgate_faults_injected_total what count returns, by
// kind.
func (a *Admin) WatchFaults(f Faults, count func() map[string]uint64) {
	a.pages.HandleFunc("GET /api/faults", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, FaultList{append([]Fault{}, f.List()...)})
	}))
	a.pages.HandleFunc("POST /api/faults", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, r *http.Request) { setFault(f, w, r) }))
	a.pages.HandleFunc("DELETE /api/faults", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		ended, err := f.Clear(q.Get("hub"), q.Get("kind"))
		if err != nil {
			refuseFault(w, err)
			return
		}
		answerJSON(w, FaultsCleared{ended})
	}))
	a.watchByLabel("faults_injected_total", "How often injected faults have hit, by kind.", "kind", nil, count)
}

const maxFaultBytes = 4096

func setFault(f Faults, w http.ResponseWriter, r *http.Request) {
	var spec Fault
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFaultBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&spec)
	if err != nil {
		apiError(w, http.StatusBadRequest, "BadRequest", "The request is no fault: "+err.Error()+".", nil)
		return
	}
	set, err := f.Set(spec)
	if err != nil {
		refuseFault(w, err)
		return
	}
	answerJSON(w, set)
}

func refuseFault(w http.ResponseWriter, err error) {
	refused, ok := errors.AsType[*Refused](err)
	if !ok {
		refused = &Refused{Status: http.StatusInternalServerError, Text: err.Error()}
	}
	var fields []management.Field
	if refused.Field != "" {
		fields = append(fields, management.Field{Path: refused.Field, Reason: refused.Text})
	}
	apiError(w, refused.Status, "Refused", refused.Text, fields)
}
