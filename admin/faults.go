package admin

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/management"
)

// Faults are those that operators inject into hubs. The methods are called concurrently.
type Faults interface {
	// List returns those in force.
	List() []Fault
	// Set puts one in force; Hits and Until of what it is given say nothing. An error is a *Refused.
	Set(f Fault) (Fault, error)
	// Clear ends those of the hub and the kind, "" for all, on all nodes, and returns how many this one had: all nodes
	// have the same. By is who asks. It waits for no node. An error is a *Refused.
	Clear(hub, kind, by string) (ended int, err error)
}

// Fault is one fault. Delay, Every and For are Go's durations as text, "" for none. Hits are those of all nodes, with the
// share of each in Nodes.
type Fault struct {
	Hub   string    `json:"hub"`
	Kind  string    `json:"kind"`
	Share float64   `json:"share"`
	Delay string    `json:"delay,omitempty"`
	Every string    `json:"every,omitempty"`
	For   string    `json:"for,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Hits  uint64    `json:"hits"`
	// By is who has put it in force.
	By string `json:"by,omitempty"`

	Nodes []NodeHits `json:"nodes,omitempty"`
}

// NodeHits is how often a fault has hit at a node.
type NodeHits struct {
	Node string `json:"node"`
	Hits uint64 `json:"hits"`
}

// FaultList is the answer to a question for faults, FaultsCleared that to a wish to end some, with how
// many the node that was asked had. Missing are nodes that did
// not say which faults they have.
type (
	FaultList struct {
		Faults  []Fault     `json:"faults"`
		Missing []NodeError `json:"missing,omitempty"`
	}
	FaultsCleared struct {
		Cleared int `json:"cleared"`
	}
)

// Refused is the error of a request that is not carried out.
type Refused struct {
	Status int
	// Field is what of the request is wrong, "" if it is not one field. Text follows it in a sentence.
	Field, Text string
}

// Error names the field and says what is wrong.
func (e *Refused) Error() string { return strings.TrimSpace(e.Field + " " + e.Text) }

// WatchFaults makes f what /api/faults shows and changes, and hubgate_faults_injected_total what count returns, by
// kind.
func (a *Admin) WatchFaults(f Faults, count func() map[string]uint64) {
	a.nodes.show(shownFaults, func() (any, error) { return f.List(), nil })
	a.pages.HandleFunc("GET /api/faults", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, r *http.Request) {
		answerJSON(w, faultsOfAll(gather[[]Fault](r.Context(), &a.nodes, shownFaults)))
	}))
	a.pages.HandleFunc("POST /api/faults", a.Managed(func(_ *Management, name string, w http.ResponseWriter, r *http.Request) {
		setFault(f, name, w, r)
	}))
	a.pages.HandleFunc("DELETE /api/faults", a.Managed(func(_ *Management, name string, w http.ResponseWriter, r *http.Request) {
		clearFaults(f, name, w, r)
	}))
	a.watchByLabel("faults_injected_total", "How often injected faults have hit, by kind.", "kind", nil, count)
}

// shownFaults is the name of the question for them.
const shownFaults = "faults"

// faultsOfAll adds up what the nodes have: a fault is the same at all of them. Its end is the latest.
func faultsOfAll(nodes []shownBy[[]Fault]) FaultList {
	all := FaultList{Faults: []Fault{}}
	for _, n := range nodes {
		if n.Err != nil {
			all.Missing = append(all.Missing, NodeError{n.Node, n.Err.Error()})
		}
		for _, f := range n.What {
			i := slices.IndexFunc(all.Faults, func(have Fault) bool { return have.Hub == f.Hub && have.Kind == f.Kind })
			if i < 0 {
				i, all.Faults = len(all.Faults), append(all.Faults, f)
				all.Faults[i].Hits = 0
			}
			sum := &all.Faults[i]
			sum.Hits += f.Hits
			if f.Until.After(sum.Until) {
				sum.Until = f.Until
			}
			sum.Nodes = append(sum.Nodes, NodeHits{n.Node, f.Hits})
		}
	}
	for i := range all.Faults {
		slices.SortFunc(all.Faults[i].Nodes, func(a, b NodeHits) int { return cmp.Compare(a.Node, b.Node) })
	}
	slices.SortFunc(all.Faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Hub, b.Hub), cmp.Compare(a.Kind, b.Kind)) })
	return all
}

const maxFaultBytes = 4096

func setFault(f Faults, by string, w http.ResponseWriter, r *http.Request) {
	spec := Fault{Share: 1} // if nothing is said of it
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFaultBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&spec)
	if err != nil {
		apiError(w, http.StatusBadRequest, "BadRequest", "The request is no fault: "+err.Error()+".", nil)
		return
	}
	spec.By = by
	set, err := f.Set(spec)
	if err != nil {
		refuseFault(w, err)
		return
	}
	answerJSON(w, set)
}

func clearFaults(f Faults, by string, w http.ResponseWriter, r *http.Request) {
	ended, err := f.Clear(r.URL.Query().Get("hub"), r.URL.Query().Get("kind"), by)
	if err != nil {
		refuseFault(w, err)
		return
	}
	answerJSON(w, FaultsCleared{ended})
}

func refuseFault(w http.ResponseWriter, err error) {
	refused, ok := errors.AsType[*Refused](err)
	if !ok {
		refused = &Refused{Status: http.StatusInternalServerError, Text: err.Error()}
	}
	if refused.Field == "" {
		apiError(w, refused.Status, "Refused", refused.Text, nil)
		return
	}
	apiError(w, refused.Status, "Refused", "The fault was refused: nothing has changed.", []management.Field{{Path: refused.Field, Reason: refused.Text}})
}
