package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Deliveries are the events that are kept until webhooks have them. Its methods are called concurrently.
type Deliveries interface {
	// Stats are this node's, and cost little. Without an outbox everything is zero.
	Stats() DeliveryStats
	// On reports whether there is an outbox: without one the others are not called.
	On() bool
	// Letters returns dead letters from a number on, the oldest first; Letter one of them, with its body.
	Letters(ctx context.Context, from uint64, most int) ([]Delivery, error)
	Letter(ctx context.Context, number uint64) (Delivery, error)
	// Waiting returns what all nodes still have to deliver, and whether there is more.
	Waiting(ctx context.Context, most int) (list []Delivery, more bool, err error)
	// Resend has the event of a dead letter delivered again.
	Resend(ctx context.Context, number uint64) error
}

// DeliveryStats are of one node.
type DeliveryStats struct {
	// Waiting is how many events it has to deliver, Bytes their size, Unstored those of them that are not
	// stored yet.
	Waiting, Bytes, Unstored int
	// Events is what happened to them in the store, Dead the dead letters by reason.
	Events, Dead map[string]uint64
	// Retries are attempts after the first one, Repeats those whose receiver may have the event already.
	Retries, Repeats uint64
	// CircuitsOpen is how many origins are not called now because they fail, CircuitsOpened how often that
	// began.
	CircuitsOpen   int
	CircuitsOpened uint64
}

// Delivery is an event that waits, or a dead letter.
type Delivery struct {
	// Number names a dead letter; 0 for an event that waits.
	Number uint64 `json:"number,omitempty"`
	// Node has an event that waits, by the incarnation of the node.
	Node       string    `json:"node,omitempty"`
	Event      string    `json:"event"`
	Connection string    `json:"connection"`
	Hub        string    `json:"hub"`
	User       string    `json:"user,omitempty"`
	Category   string    `json:"category"`
	Name       string    `json:"name"`
	Since      time.Time `json:"since"`
	// Attempts is how often it was tried in vain, as far as the node has noted it.
	Attempts int `json:"attempts,omitempty"`
	// What follows is of dead letters.
	Died   time.Time `json:"died,omitzero"`
	Reason string    `json:"reason,omitempty"`
	Result string    `json:"result,omitempty"`
	Status int       `json:"status,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Answer string    `json:"answer,omitempty"`
	// Body is that of the event, as text; only of one that is asked for by itself.
	Body string `json:"body,omitempty"`
	// Resendable: the event is kept whole.
	Resendable bool `json:"resendable,omitempty"`
}

// DeliveryList is a page of them. Next is where the next page begins, 0 if there is none.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       uint64     `json:"next,omitempty"`
	More       bool       `json:"more,omitempty"`
}

// ErrNoDelivery is the error for a dead letter that is not there.
var ErrNoDelivery = errors.New("there is no such dead letter: it was delivered, or forgotten because of its age or number")

// WatchDeliveries makes d what is shown of deliveries.
func (a *Admin) WatchDeliveries(d Deliveries) {
	a.deliveries.Store(&d)
	a.node.watchDeliveries(d)
}

const (
	// deliveryTime bounds a question for deliveries.
	deliveryTime = 30 * time.Second
	// maxDeliveries is the most that one answer has.
	maxDeliveries = 1000
)

var errNoOutbox = errors.New("this node keeps no events: it was started without --upstream-outbox")

func (a *Admin) routeDeliveries() {
	a.pages.HandleFunc("GET /deliveries", a.delivering(serveLetters))
	a.pages.HandleFunc("GET /deliveries/waiting", a.delivering(serveWaiting))
	a.pages.HandleFunc("GET /deliveries/{number}", a.delivering(serveLetter))
	a.pages.HandleFunc("POST /deliveries/{number}/resend", a.delivering(serveResend))
}

// delivering serves those who may see what the live view shows.
func (a *Admin) delivering(serve func(ctx context.Context, d Deliveries, r *http.Request) (any, error)) http.HandlerFunc {
	return a.live(func(_ *View, w http.ResponseWriter, r *http.Request) {
		d := a.deliveries.Load()
		if d == nil || !(*d).On() {
			text(w, http.StatusNotFound, errNoOutbox.Error()+"\n")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), deliveryTime)
		defer cancel()
		answer, err := serve(ctx, *d, r)
		switch {
		case errors.Is(err, ErrNoDelivery):
			text(w, http.StatusNotFound, err.Error()+"\n")
		case err != nil:
			text(w, http.StatusServiceUnavailable, err.Error()+"\n")
		default:
			answerJSON(w, answer)
		}
	})
}

// number reads a parameter, 0 if there is none.
func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func mostOf(r *http.Request) int {
	if n := number(r.URL.Query().Get("limit")); n > 0 {
		return int(min(n, maxDeliveries))
	}
	return 100
}

func serveLetters(ctx context.Context, d Deliveries, r *http.Request) (any, error) {
	most := mostOf(r)
	list, err := d.Letters(ctx, number(r.URL.Query().Get("from")), most)
	page := DeliveryList{Deliveries: append([]Delivery{}, list...)}
	if len(list) == most {
		page.Next = list[most-1].Number + 1
	}
	return page, err
}

func serveWaiting(ctx context.Context, d Deliveries, r *http.Request) (any, error) {
	list, more, err := d.Waiting(ctx, mostOf(r))
	return DeliveryList{Deliveries: append([]Delivery{}, list...), More: more}, err
}

func serveLetter(ctx context.Context, d Deliveries, r *http.Request) (any, error) {
	return d.Letter(ctx, number(r.PathValue("number")))
}

func serveResend(ctx context.Context, d Deliveries, r *http.Request) (any, error) {
	return struct{}{}, d.Resend(ctx, number(r.PathValue("number")))
}

var (
	descOutboxWaiting  = desc("outbox_waiting", "Events that this node keeps until a webhook has them.")
	descOutboxBytes    = desc("outbox_waiting_bytes", "Bytes of the events that this node keeps.")
	descOutboxUnstored = desc("outbox_unstored", "Events that wait to be stored. Their clients are not read any further.")
	descOutboxEvents   = desc("outbox_events_total", "What happened to events in the store, by event.", "event")
	descOutboxDead     = desc("outbox_dead_letters_total", "Events that became dead letters, by reason.", "reason")
	descOutboxRetries  = desc("outbox_retries_total", "Attempts to deliver an event after the first one.")
	descOutboxRepeats  = desc("outbox_repeats_total", "Attempts to deliver an event that its receiver may have already. A header says so.")
	descOutboxOpen     = desc("outbox_circuits_open", "Origins that are not called now because they fail.")
	descOutboxOpened   = desc("outbox_circuits_opened_total", "Times that an origin was not called any more because it failed.")
)

// deliveries writes the metrics of an outbox. They are series without one too.
func (s sink) deliveries(d Deliveries) {
	v := d.Stats()
	for reason, count := range v.Dead {
		s.counter(descOutboxDead, float64(count), reason)
	}
	for event, count := range v.Events {
		s.counter(descOutboxEvents, float64(count), event)
	}
	s.gauge(descOutboxWaiting, float64(v.Waiting))
	s.gauge(descOutboxBytes, float64(v.Bytes))
	s.gauge(descOutboxUnstored, float64(v.Unstored))
	s.counter(descOutboxRetries, float64(v.Retries))
	s.counter(descOutboxRepeats, float64(v.Repeats))
	s.gauge(descOutboxOpen, float64(v.CircuitsOpen))
	s.counter(descOutboxOpened, float64(v.CircuitsOpened))
}
