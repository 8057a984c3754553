package flight

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Query says which events are asked for: those that match all that is given. Texts are what CutText leaves of them,
// since events keep no more.
type Query struct {
	// Hub is compared without regard to letter case.
	Hub        string `json:"hub,omitempty"`
	User       string `json:"user,omitempty"`
	Connection string `json:"connection,omitempty"`
	Group      string `json:"group,omitempty"`
	Trace      string `json:"trace,omitempty"`
	// Since and Until bound the time, the first inclusive.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	Kinds []Kind    `json:"kinds,omitempty"`
	// Limit is how many events are returned at most: the last ones.
	Limit int `json:"limit,omitempty"`
}

// Limits of queries.
const (
	DefaultLimit = 200
	MaxLimit     = 5000
	maxValue     = 1024 // bytes of each value
)

// Known is what belongs to the user or the connection of a query: sends that name it are found too. It is found in
// the ring, and among what is connected now.
type Known struct {
	Hubs        []string `json:"hubs,omitempty"`
	Users       []string `json:"users,omitempty"`
	Connections []string `json:"connections,omitempty"`
	// Groups are hub and name, with a line feed between.
	Groups []string `json:"groups,omitempty"`
}

// maxKnown bounds each list of Known.
const maxKnown = 1000

// Add adds what another node knows, or what is connected. Names are cut as those of events are; for groups InGroup
// does it.
func (k *Known) Add(other *Known) {
	for _, one := range []struct {
		to   *[]string
		from []string
	}{{&k.Hubs, other.Hubs}, {&k.Users, other.Users}, {&k.Connections, other.Connections}} {
		for _, name := range one.from {
			add(one.to, CutText(name))
		}
	}
	for _, name := range other.Groups {
		add(&k.Groups, name)
	}
}

func add(list *[]string, name string) {
	if name != "" && len(*list) < maxKnown && !slices.Contains(*list, name) {
		*list = append(*list, name)
	}
}

// InGroup is an entry of Known.Groups.
func InGroup(hub, group string) string {
	return strings.ToLower(CutText(hub)) + "\n" + CutText(group)
}

// Personal says whether the query is about somebody, so that Known matters.
func (q *Query) Personal() bool { return q.User != "" || q.Connection != "" }

// sets are the lists of Known, to look names up in.
type sets struct{ hubs, users, connections, groups map[string]bool }

// sets returns them; those of nil are empty.
func (k *Known) sets() *sets {
	if k == nil {
		k = new(Known)
	}
	return &sets{setOf(k.Hubs), setOf(k.Users), setOf(k.Connections), setOf(k.Groups)}
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// learn adds a name to a list and its set.
func learn(list *[]string, set map[string]bool, name string) {
	if name != "" && len(*list) < maxKnown && !set[name] {
		set[name] = true
		*list = append(*list, name)
	}
}

// Know adds what the ring knows of those whom the query is about. It looks at all that is kept, whatever the time of
// the query is: whoever is sent to has joined before. If ctx ends, it adds only what it has seen.
func (r *Recorder) Know(ctx context.Context, q *Query, k *Known) {
	if r == nil || !q.Personal() {
		return
	}
	s := k.sets()
	r.each(ctx, time.Time{}, func(e *Event) {
		if e.Kind == KindConnection && q.about(e) {
			learn(&k.Hubs, s.hubs, e.Hub)
			learn(&k.Users, s.users, e.User)
			learn(&k.Connections, s.connections, e.Connection)
		}
	})
	r.each(ctx, time.Time{}, func(e *Event) {
		if e.Kind == KindCommand && e.What == WhatJoin && (e.To == "users" && q.User != "" && slices.Contains(e.Names, q.User) || e.To == "connections" && anyOf(e.Names, s.connections)) {
			learn(&k.Groups, s.groups, InGroup(e.Hub, e.Group))
		}
	})
}

// about says whether an event of a client is of one whom the query is about.
func (q *Query) about(e *Event) bool {
	return (q.Hub == "" || strings.EqualFold(q.Hub, e.Hub)) && (q.User == "" || q.User == e.User) && (q.Connection == "" || q.Connection == e.Connection)
}

func anyOf(names []string, of map[string]bool) bool {
	return slices.ContainsFunc(names, func(name string) bool { return of[name] })
}

// takes says whether an event is asked for.
func (q *Query) takes(e *Event, k *sets) bool {
	switch {
	case len(q.Kinds) > 0 && !slices.Contains(q.Kinds, e.Kind),
		q.Hub != "" && !strings.EqualFold(q.Hub, e.Hub) && e.Hub != "",
		q.Trace != "" && q.Trace != e.Trace,
		!q.Since.IsZero() && e.Time.Before(q.Since),
		!q.Until.IsZero() && e.Time.After(q.Until),
		q.Group != "" && q.Group != e.Group && !(e.To == "groups" && slices.Contains(e.Names, q.Group)):
		return false
	}
	return !q.Personal() || q.concerns(e, k)
}

// concerns says whether an event is about those whom the query is about: by name, or as one of those whom a
// send was for.
func (q *Query) concerns(e *Event, k *sets) bool {
	if q.Connection != "" && e.Connection != "" {
		return e.Connection == q.Connection
	}
	if q.User != "" && e.User != "" {
		return e.User == q.User
	}
	for i := range e.Receivers {
		if r := &e.Receivers[i]; q.Connection != "" && r.Connection == q.Connection || q.Connection == "" && r.User == q.User {
			return true
		}
	}
	if e.Connection != "" && k.connections[e.Connection] {
		return true
	}
	if e.Kind != KindSend && e.Kind != KindCommand {
		return false
	}
	switch e.To {
	case "all":
		return k.hubs[e.Hub]
	case "users":
		return slices.Contains(e.Names, q.User) || e.More > 0 || anyOf(e.Names, k.users)
	case "connections":
		return anyOf(e.Names, k.connections) || e.More > 0 && k.hubs[e.Hub]
	case "groups":
		for _, group := range e.Names {
			if k.groups[InGroup(e.Hub, group)] {
				return true
			}
		}
		return e.More > 0 && k.hubs[e.Hub]
	}
	return false
}

// Search returns the events that are asked for, the oldest first, and whether there are more that are older than
// the first one. It keeps few more events than it returns at a time. If ctx ends, events are missing.
func (r *Recorder) Search(ctx context.Context, q *Query, k *Known) (found []Event, more bool) {
	if r == nil {
		return nil, false
	}
	s := k.sets()
	most := q.limit()
	r.each(ctx, q.Since, func(e *Event) {
		if !q.takes(e, s) {
			return
		}
		if found = append(found, *e); len(found) > 2*most {
			found, more = last(found, most), true
		}
	})
	return last(found, most), more || len(found) > most
}

// last orders events by their times, and returns the last ones.
func last(events []Event, most int) []Event {
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return append(events[:0], events[max(0, len(events)-most):]...)
}

func (q *Query) limit() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}

// Merge joins the findings of nodes, in the order of their times, and keeps the last ones within the query's limit.
func (q *Query) Merge(lists ...[]Event) (all []Event, more bool) {
	all = slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	if most := q.limit(); len(all) > most {
		return all[len(all)-most:], true
	}
	return all, false
}

// ParseQuery reads a query from a URL. Its texts are cut as those of events are. Times are RFC 3339, or a duration such as 10m, which is so long ago.
// The error is for who asked.
func ParseQuery(values url.Values, now time.Time) (q Query, err error) {
	texts := map[string]*string{"hub": &q.Hub, "user": &q.User, "connection": &q.Connection, "group": &q.Group, "trace": &q.Trace}
	times := map[string]*time.Time{"since": &q.Since, "until": &q.Until}
	for name, given := range values {
		if name == "kind" {
			continue
		}
		if len(given) > 1 || len(given[0]) > maxValue {
			return q, fmt.Errorf("%s must be given once, with at most %d bytes", name, maxValue)
		}
		switch {
		case texts[name] != nil:
			*texts[name] = CutText(given[0])
		case times[name] != nil:
			if *times[name], err = parseTime(given[0], now); err != nil {
				return q, fmt.Errorf("%s: %w", name, err)
			}
		case name == "limit":
			if q.Limit, err = strconv.Atoi(given[0]); err != nil || q.Limit < 1 || q.Limit > MaxLimit {
				return q, fmt.Errorf("limit must be a number from 1 to %d", MaxLimit)
			}
		default:
			return q, fmt.Errorf("there is no parameter %.64q: there are hub, user, connection, group, trace, since, until, kind and limit", name)
		}
	}
	for _, text := range values["kind"] {
		kind := Kind(text)
		if !slices.Contains(Kinds, kind) {
			return q, fmt.Errorf("there is no kind %.64q: there are %v", text, Kinds)
		}
		if !slices.Contains(q.Kinds, kind) {
			q.Kinds = append(q.Kinds, kind)
		}
	}
	return q, nil
}

var errTime = errors.New("must be a time such as 2026-01-31T12:00:00Z or 12:00, or how long ago, such as 10m")

// parseTime reads a time, a time of the day (the last one in UTC), or how long ago.
func parseTime(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 { // what other nodes could not be told
			return time.Time{}, errTime
		}
		return t, nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			day := now.UTC().Truncate(24 * time.Hour)
			at := day.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second)
			if at.After(now) {
				at = at.Add(-24 * time.Hour)
			}
			return at, nil
		}
	}
	return time.Time{}, errTime
}

// Query is the query as ParseQuery reads it.
func (q *Query) Query() url.Values {
	values := make(url.Values)
	for name, value := range map[string]string{"hub": q.Hub, "user": q.User, "connection": q.Connection, "group": q.Group, "trace": q.Trace} {
		if value != "" {
			values.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			values.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for _, kind := range q.Kinds {
		values.Add("kind", string(kind))
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	return values
}
