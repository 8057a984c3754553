package main

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/flight"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/internal/trace"
	"github.com/hubgate/hubgate/internal/watch"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/upstream"
)

// observer tells the log and those who watch what happens. It is an Observer of the gateway; see
// watchedWebhooks and watchedServers for its other sides.
type observer struct {
	stream watch.Stream
	log    *slog.Logger
	counts *admin.Metrics
	// debug: the log wants a line for each send.
	debug   bool
	unheard *logsum.Lines[unheardSends]
	// who tells of clients to those who follow them; nil until it is there.
	who atomic.Pointer[presence.Endpoint]
	// account keeps what happens; nil keeps nothing.
	account *account
	// tracer makes spans of sends; nil makes none.
	tracer trace.Tracer
	// gateway is set before there are clients.
	gateway *gateway.Gateway
}

// unheardSends are sends without receivers that are alike for the log. The zero ones are various.
type unheardSends struct{ hub, to string }

func newObserver(log *slog.Logger, counts *admin.Metrics) *observer {
	o := &observer{log: log, counts: counts, debug: log.Enabled(context.Background(), slog.LevelDebug)}
	o.unheard = logsum.New(func(of unheardSends, times uint64) {
		log.Warn("messages for nobody", "hub", cmp.Or(of.hub, "(various)"), "to", cmp.Or(of.to, "(various)"), "times", times)
	})
	return o
}

// traced says whether somebody can see the ids of requests.
func (o *observer) traced() bool { return o.debug || o.account.on() || o.stream.Watched() }

// FollowSend implements gateway.Observer. Where nobody looks and nothing is
// recorded it costs two atomic loads; with the recorder, which is there by default, a few allocations for a send.
func (o *observer) FollowSend(cmd *gateway.Command) func(gateway.SendReport) {
	if o.tracer != nil && cmd.Span != "" {
		return fanOutSpan(o.tracer, cmd, o.followed(cmd))
	}
	return o.followed(cmd)
}

// followed is FollowSend without spans.
func (o *observer) followed(cmd *gateway.Command) func(gateway.SendReport) {
	if !o.debug && !o.stream.Watched() {
		return o.kept(cmd)
	}
	return o.followSend(cmd)
}

// kept follows a send for the account alone.
func (o *observer) kept(cmd *gateway.Command) func(gateway.SendReport) {
	if !o.account.on() {
		return nil
	}
	return func(r gateway.SendReport) { o.account.sent(cmd, &r) }
}

func (o *observer) followSend(cmd *gateway.Command) func(gateway.SendReport) {
	about := o.subject(cmd)
	watched := o.stream.Wants(watch.KindSend, &about)
	if !watched && !o.debug {
		return o.kept(cmd)
	}
	s := sendOf(cmd)
	return func(r gateway.SendReport) {
		if o.account.on() {
			o.account.sent(cmd, &r)
		}
		s.Fate = watch.Fate{Matched: r.Matched, Written: r.Written, Queued: r.Queued, Dropped: r.Dropped}
		if o.debug {
			o.log.LogAttrs(context.Background(), slog.LevelDebug, "message sent", append(sendAttrs(cmd),
				slog.String("method", s.Method), slog.Int("matched", r.Matched), slog.Int("written", r.Written),
				slog.Int("queued", r.Queued), slog.Int("dropped", r.Dropped))...)
		}
		if watched {
			o.stream.Publish(&watch.Event{Kind: watch.KindSend, What: watch.WhatSent, Subject: about, Send: s})
		}
	}
}

// Unheard implements gateway.Observer.
func (o *observer) Unheard(cmd *gateway.Command) {
	to := targetName(meantKind(cmd))
	o.counts.SendUnheard(to)
	if o.unheard.First(unheardSends{cmd.Hub, to}) {
		o.log.LogAttrs(context.Background(), slog.LevelWarn, "message for nobody", append(sendAttrs(cmd),
			slog.String("advice", "nobody is connected that it names; hubgate watch shows who is"))...)
	}
}

// Opened implements gateway.Observer.
func (o *observer) Opened(c *gateway.Conn) {
	o.account.connection(flight.WhatOpened, c, gateway.Cause{})
	o.connection(watch.WhatOpened, c, gateway.Cause{})
	if who := o.who.Load(); who != nil {
		who.Opened(c)
	}
}

// Closed implements gateway.Observer.
func (o *observer) Closed(c *gateway.Conn, cause gateway.Cause) {
	o.account.connection(flight.WhatClosed, c, cause)
	o.connection(watch.WhatClosed, c, cause)
	if who := o.who.Load(); who != nil {
		who.Closed(c, cause)
	}
}

// Lost implements gateway.AwayObserver.
func (o *observer) Lost(c *gateway.Conn, cause gateway.Cause) {
	o.account.connection(flight.WhatLost, c, cause)
}

// Returned implements gateway.AwayObserver.
func (o *observer) Returned(c *gateway.Conn) {
	o.account.connection(flight.WhatReturned, c, gateway.Cause{})
}

func (o *observer) connection(what watch.What, c *gateway.Conn, cause gateway.Cause) {
	if !o.stream.Watched() {
		return
	}
	if e := connectionEvent(what, c, cause); o.stream.Wants(e.Kind, &e.Subject) {
		o.stream.Publish(e)
	}
}

func connectionEvent(what watch.What, c *gateway.Conn, cause gateway.Cause) *watch.Event {
	id := c.Identity()
	e := &watch.Event{Kind: watch.KindConnection, What: what, Subject: clientSubject(id, ""), Connection: &watch.Connection{
		Transport: c.Transport().Name(), Remote: id.RemoteAddr,
		Reason: string(cause.Reason), Text: secret.Mask(cause.Text),
	}}
	// A client may go while its handshake is being read: until it has a session its protocol is not settled.
	if what != watch.WhatClosed || c.Session() != nil {
		e.Connection.Protocol = c.Protocol()
	}
	return e
}

func clientSubject(id *gateway.Identity, trace string) watch.Subject {
	return watch.Subject{Hub: id.Hub, User: id.User, ConnectionID: id.ID, Trace: trace}
}

// subject is whom a send is about: the one connection or user that it names.
func (o *observer) subject(cmd *gateway.Command) watch.Subject {
	about := watch.Subject{Hub: cmd.Hub, Trace: cmd.Trace}
	if len(cmd.Target.IDs) != 1 {
		return about
	}
	switch one := meantNames(cmd)[0]; meantKind(cmd) {
	case gateway.TargetUsers:
		about.User = one
	case gateway.TargetConnections:
		about.ConnectionID = one
		if c, _ := o.gateway.Lookup(one); c != nil && c.Identity().Hub == cmd.Hub {
			about.User = c.Identity().User
		}
	}
	return about
}

// maxLoggedNames bounds the names of receivers in one line, in bytes.
const maxLoggedNames = 256

// sendAttrs says where a send came from and whom it is for.
func sendAttrs(cmd *gateway.Command) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("by", string(cmp.Or(cmd.By, "node"))), slog.String("hub", cmd.Hub), slog.String("to", targetName(meantKind(cmd))),
	}
	if all := meantNames(cmd); len(all) > 0 {
		names := strings.Join(all[:min(len(all), watch.MaxNames)], ",")
		attrs = append(attrs, slog.String("names", names[:min(len(names), maxLoggedNames)]))
	}
	if cmd.Trace != "" {
		attrs = append(attrs, slog.String("trace", cmd.Trace))
	}
	return attrs
}

// The kinds of targets in log lines, metrics and events.
const (
	toAll         = "all"
	toConnections = "connections"
	toUsers       = "users"
	toGroups      = "groups"
)

func targetName(kind gateway.TargetKind) string {
	switch kind {
	case gateway.TargetConnections:
		return toConnections
	case gateway.TargetUsers:
		return toUsers
	case gateway.TargetGroups:
		return toGroups
	}
	return toAll
}

// watchedWebhooks is the observer as the upstream's Watcher.
type watchedWebhooks struct{ *observer }

func (w watchedWebhooks) Watches(client *gateway.Identity, trace string) bool {
	if !w.stream.Watched() {
		return false
	}
	about := clientSubject(client, trace)
	return w.stream.Wants(watch.KindWebhook, &about)
}

func (w watchedWebhooks) Happened(h *upstream.Happening) {
	e := &watch.Event{Kind: watch.KindWebhook, What: watch.WhatCalled, Subject: clientSubject(h.Client, h.Trace), Webhook: &watch.Webhook{
		Category: h.Category, Event: h.Event, URL: secret.Mask(h.URL), Result: string(h.Result), Status: h.Status,
		Error: secret.Mask(h.Detail), Took: h.Took,
		Request: shown(h.Request, false), Answer: shown(h.Answer, false),
	}}
	if h.Skip != "" {
		e.What, e.Webhook.Result = watch.WhatSkipped, string(h.Skip)
	}
	w.stream.Publish(e)
}

// shown is a body, or its beginning, as an event may show it. What looks like a secret is masked
// before the text is cut, so that none is cut in two and then not recognized.
func shown(body []byte, more bool) string {
	if len(body) > 2*watch.MaxBody {
		body, more = body[:2*watch.MaxBody], true
	}
	return watch.Body([]byte(secret.Mask(string(body))), more)
}

// watchedServers is the observer as the Observer of hub servers.
type watchedServers struct{ *observer }

func (w watchedServers) Opened(s servermode.ServerConnection) {
	w.account.server(flight.WhatOpened, s, "")
	w.publish(serverEvent(watch.WhatOpened, s))
}

func (w watchedServers) Closed(s servermode.ServerConnection, why servermode.End, clients int) {
	w.account.server(flight.WhatClosed, s, string(why))
	e := serverEvent(watch.WhatClosed, s)
	e.Server.Reason, e.Server.Clients = string(why), clients
	w.publish(e)
}

func (w watchedServers) publish(e *watch.Event) {
	if w.stream.Wants(e.Kind, &e.Subject) {
		w.stream.Publish(e)
	}
}

func serverEvent(what watch.What, s servermode.ServerConnection) *watch.Event {
	return &watch.Event{Kind: watch.KindServer, What: what, Subject: watch.Subject{Hub: s.Hub}, Server: &watch.Server{
		ID: s.ID, Kind: s.Kind, Agent: secret.Mask(s.Agent), Remote: s.Remote,
	}}
}
