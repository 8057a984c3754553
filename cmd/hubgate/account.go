package main

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/livetrace"
	"github.com/hubgate/hubgate/resourcelog"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/upstream"
)

// account keeps what happens: in the flight recorder, and for those who follow it by events of that form. It is
// the Recorder of the gateway. A nil account keeps nothing.
type account struct {
	ring     *flight.Recorder
	payloads bool
	// live and log are nil if they are not there.
	live *livetrace.Hub
	log  *resourcelog.Log
}

// notes are what an event is made of, so that making one allocates nothing.
type notes struct {
	event     flight.Event
	fate      flight.Fate
	receivers [flight.MaxNames]flight.Receiver
}

var notePool = sync.Pool{New: func() any { return new(notes) }}

// note returns an empty event, to be given to keep.
func note(kind flight.Kind, what flight.What, about flight.Subject) *notes {
	n := notePool.Get().(*notes)
	n.event = flight.Event{Kind: kind, What: what, Subject: about}
	return n
}

// keep keeps the event. The notes must not be used afterwards.
func (a *account) keep(n *notes) {
	n.event.Time = time.Now()
	a.ring.Record(&n.event)
	if a.followed() {
		copied := n.copied()
		if a.live != nil {
			a.live.Event(copied)
		}
		if a.log != nil {
			a.log.Event(copied)
		}
	}
	*n = notes{}
	notePool.Put(n)
}

// copied is the event for those who keep it: the notes are used again.
func (n *notes) copied() *flight.Event {
	e := n.event
	e.Names = slices.Clone(e.Names[:min(len(e.Names), flight.MaxNames)])
	e.Receivers = slices.Clone(e.Receivers)
	if e.Fate != nil {
		fate := *e.Fate
		e.Fate = &fate
	}
	return &e
}

// followed says whether somebody has events besides the ring.
func (a *account) followed() bool { return a.log != nil || a.live != nil && a.live.Listening() }

// readsMessages says whether somebody besides the ring has events of messages.
func (a *account) readsMessages() bool {
	return a != nil && (a.log != nil && a.log.Wants(azurelog.Messaging) || a.live != nil && a.live.Wants(azurelog.Messaging))
}

// recorder is the ring, nil if there is none.
func (a *account) recorder() *flight.Recorder {
	if a == nil {
		return nil
	}
	return a.ring
}

// forGateway is the account as the Recorder of the gateway, nil without one.
func (a *account) forGateway() gateway.Recorder {
	if a == nil {
		return nil
	}
	return a
}

// forWebhooks is what webhooks tell, nil without an account, and forREST what REST does.
func (a *account) forWebhooks() func(*upstream.Happening) {
	if a == nil {
		return nil
	}
	return a.webhook
}

func (a *account) forREST() func(*restapi.Answered) {
	if a == nil {
		return nil
	}
	return a.request
}

func (a *account) on() bool { return a != nil && (a.ring != nil || a.followed()) }

func clientNote(what flight.What, c *gateway.Conn, cause gateway.Cause) *notes {
	id := c.Identity()
	n := note(flight.KindConnection, what, subjectOf(id, ""))
	n.event.Transport, n.event.Remote = c.Transport().Name(), id.RemoteAddr
	n.event.Reason, n.event.Text = string(cause.Reason), secret.Mask(cause.Text)
	if what != flight.WhatClosed || c.Session() != nil { // see connectionEvent
		n.event.Protocol = c.Protocol()
	}
	return n
}

func subjectOf(id *gateway.Identity, trace string) flight.Subject {
	return flight.Subject{Hub: id.Hub, User: id.User, Connection: id.ID, Trace: trace}
}

func (a *account) connection(what flight.What, c *gateway.Conn, cause gateway.Cause) {
	if a.on() {
		a.keep(clientNote(what, c, cause))
	}
}

// sent keeps a send whose fan-out is over.
func (a *account) sent(cmd *gateway.Command, r *gateway.SendReport) {
	n := commandNote(flight.KindSend, flight.WhatSent, cmd)
	n.event.By = string(cmp.Or(cmd.By, "node"))
	n.event.Method, n.event.Bytes = cmd.Frames.Target(), cmd.Frames.Size()
	n.fate = flight.Fate{Matched: r.Matched, Written: r.Written, Queued: r.Queued, Dropped: r.Dropped}
	n.event.Fate = &n.fate
	n.event.Reason = dropsOf(r)
	for i := range r.Receivers {
		n.receivers[i] = receiverOf(&r.Receivers[i])
	}
	n.event.Receivers = n.receivers[:len(r.Receivers)]
	if a.payloads {
		n.event.Payload = payload(messageOf(cmd.Frames).Arguments)
	}
	a.keep(n)
}

// dropsOf is why receivers did not get a message: the first reason that there is.
func dropsOf(r *gateway.SendReport) string {
	switch {
	case r.Dropped == 0:
		return ""
	case r.Slow > 0:
		return string(gateway.DropSlowClient)
	case r.Closed > 0:
		return string(gateway.DropConnectionClosed)
	case r.NoPayload > 0:
		return string(gateway.DropNoPayloadForProtocol)
	}
	return string(gateway.DropFault)
}

func receiverOf(r *gateway.ReceiverReport) flight.Receiver {
	id := r.Conn.Identity()
	to := flight.Receiver{Connection: id.ID, User: id.User, Fate: flight.Queued, Reason: string(r.Dropped)}
	switch {
	case r.Written:
		to.Fate = flight.Written
	case r.Dropped != "":
		to.Fate = flight.Dropped
	}
	return to
}

func payload(text string) string {
	if len(text) > flight.MaxPayload {
		return flight.Cut(text, flight.MaxPayload) + "…"
	}
	return text
}

// commandNote says who asked for what.
func commandNote(kind flight.Kind, what flight.What, cmd *gateway.Command) *notes {
	n := note(kind, what, flight.Subject{Hub: cmd.Hub, Group: cmd.Group, Trace: cmd.Trace})
	e := &n.event
	e.By, e.To = string(cmd.By), targetName(meantKind(cmd))
	e.Names = meantNames(cmd)
	if len(e.Names) > flight.MaxNames {
		e.More = len(e.Names) - flight.MaxNames
	}
	if len(e.Names) == 1 {
		switch e.To {
		case toUsers:
			e.User = e.Names[0]
		case toConnections:
			e.Connection = e.Names[0]
		case toGroups:
			e.Group = e.Names[0]
		}
	}
	return n
}

var verbWords = map[gateway.Verb]flight.What{
	gateway.VerbJoin: flight.WhatJoin, gateway.VerbLeave: flight.WhatLeave, gateway.VerbLeaveAll: flight.WhatLeaveAll, gateway.VerbClose: flight.WhatClose,
}

// FollowVerb implements gateway.Recorder.
func (a *account) FollowVerb(cmd *gateway.Command) func(gateway.Result, error) {
	what, ok := verbWords[cmd.Verb]
	if !ok || !a.on() {
		return nil
	}
	return func(r gateway.Result, err error) {
		n := commandNote(flight.KindCommand, what, cmd)
		if n.event.By == "" && cmd.From != "" {
			n.event.By = "node"
		}
		n.fate.Matched = r.Matched
		n.event.Fate = &n.fate
		n.event.Reason, n.event.Text = string(cmd.Cause.Reason), secret.Mask(cmd.Cause.Text)
		if err != nil {
			n.event.Text = err.Error()
		}
		a.keep(n)
	}
}

// Received implements gateway.Recorder.
func (a *account) Received(c *gateway.Conn, r gateway.Record, target []byte, taken bool) {
	if !a.on() {
		return
	}
	n := note(flight.KindMessage, flight.WhatReceived, subjectOf(c.Identity(), ""))
	n.event.Type, n.event.Bytes = int(r.Type), len(r.Frame)
	n.event.Method = string(target[:min(len(target), maxNotedMethod)])
	if !taken {
		n.event.What, n.event.Reason = flight.WhatRefused, string(gateway.CloseThrottled)
	}
	if a.payloads && r.Message != nil {
		n.event.Payload = payload(shown(upstream.Readable(c.Protocol(), r.Body), false))
	}
	a.keep(n)
}

// maxNotedMethod bounds the names of methods, in bytes.
const maxNotedMethod = 128

// Delivered implements gateway.Recorder.
func (a *account) Delivered(c *gateway.Conn, bytes int, trace string, r gateway.SendReport) {
	if !a.on() {
		return
	}
	n := note(flight.KindDelivery, flight.WhatDelivered, subjectOf(c.Identity(), trace))
	n.fate = flight.Fate{Matched: r.Matched, Written: r.Written, Queued: r.Queued, Dropped: r.Dropped}
	n.event.Fate, n.event.Bytes, n.event.Reason = &n.fate, bytes, dropsOf(&r)
	a.keep(n)
}

// webhook keeps what came of an event of a client.
func (a *account) webhook(h *upstream.Happening) {
	if !a.on() {
		return
	}
	what, result := flight.WhatCalled, string(h.Result)
	if h.Skip != "" {
		what, result = flight.WhatSkipped, string(h.Skip)
	}
	n := note(flight.KindWebhook, what, subjectOf(h.Client, h.Trace))
	n.event.Method, n.event.Reason, n.event.Text = h.Category+"/"+h.Event, result, secret.Mask(h.Detail)
	n.event.Status, n.event.Took, n.event.URL = h.Status, h.Took, secret.Mask(h.URL)
	a.keep(n)
}

func (a *account) server(what flight.What, s servermode.ServerConnection, why string) {
	if !a.on() {
		return
	}
	n := note(flight.KindServer, what, flight.Subject{Hub: s.Hub, Connection: s.ID})
	n.event.Server, n.event.Remote, n.event.Reason = s.Kind, s.Remote, why
	a.keep(n)
}

// request keeps a request to the REST API.
func (a *account) request(r *restapi.Answered) {
	if !a.on() {
		return
	}
	n := note(flight.KindRequest, flight.WhatAnswered, flight.Subject{Hub: r.Hub, User: r.User, Connection: r.Connection, Group: r.Group, Trace: r.Trace})
	e := &n.event
	e.By, e.Method, e.Status, e.Took = "rest", r.Operation, r.Status, r.Took
	e.URL, e.Reason, e.Text = r.Request.Method+" "+r.Request.URL.Path, string(r.Reason), secret.Mask(r.Text)
	e.Remote, _, _ = net.SplitHostPort(r.Request.RemoteAddr)
	a.keep(n)
}

// refusals is a handler for loggers of the parts that clients and hub servers come to: it keeps what is refused, on
// every level of the log.
type refusals struct {
	slog.Handler
	account *account
	hub     string
}

// noteRefusals returns a logger whose lines about refusals are kept.
func noteRefusals(log *slog.Logger, a *account) *slog.Logger {
	if a == nil {
		return log
	}
	return slog.New(&refusals{Handler: log.Handler(), account: a})
}

func (h *refusals) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo && h.account.on() || h.Handler.Enabled(ctx, level)
}

func (h *refusals) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case transport.LogRefused:
		h.keep(flight.KindConnection, r)
	case servermode.LogRefused:
		h.keep(flight.KindServer, r)
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h *refusals) keep(kind flight.Kind, r slog.Record) {
	if !h.account.on() {
		return
	}
	n := note(kind, flight.WhatRefused, flight.Subject{Hub: h.hub})
	e := &n.event
	r.Attrs(func(a slog.Attr) bool {
		text := a.Value.String()
		switch a.Key {
		case "reason":
			e.Reason = text
		case "hub":
			e.Hub = text
		case "remote":
			e.Remote = text
		case "path":
			e.URL = text
		case "detail", "err":
			e.Text = secret.Mask(text)
		case "status":
			e.Status = int(a.Value.Int64())
		}
		return true
	})
	h.account.keep(n)
}

func (h *refusals) WithAttrs(attributes []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attributes)
	for _, a := range attributes {
		if a.Key == "hub" {
			with.hub = a.Value.String()
		}
	}
	return &with
}

func (h *refusals) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	return &with
}
