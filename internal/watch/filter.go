package watch

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Filter selects events. An empty field takes every event, so the zero Filter takes all.
type Filter struct {
	Subject
	// Kinds are those taken.
	Kinds []Kind
}

// maxFilterBytes bounds each value of a filter.
const maxFilterBytes = 1024

// Takes reports whether an event of the kind about the subject passes. Hubs are compared without
// regard to letter case. An event about several users or connections is about none of them by name.
func (f *Filter) Takes(kind Kind, about *Subject) bool {
	switch {
	case len(f.Kinds) > 0 && !slices.Contains(f.Kinds, kind),
		f.Hub != "" && !strings.EqualFold(f.Hub, about.Hub),
		f.User != "" && f.User != about.User,
		f.ConnectionID != "" && f.ConnectionID != about.ConnectionID,
		f.Trace != "" && f.Trace != about.Trace:
		return false
	}
	return true
}

// The parameters of a filter in a query.
const (
	paramHub        = "hub"
	paramUser       = "user"
	paramConnection = "connection"
	paramTrace      = "trace"
	paramKind       = "kind"
)

// ParseFilter reads a filter from a query; kind may be there several times. The error is for who
// asked.
func ParseFilter(query url.Values) (Filter, error) {
	f := Filter{Subject: Subject{
		Hub: query.Get(paramHub), User: query.Get(paramUser),
		ConnectionID: query.Get(paramConnection), Trace: query.Get(paramTrace),
	}}
	for name, values := range query {
		switch name {
		case paramHub, paramUser, paramConnection, paramTrace:
			if len(values) > 1 || len(values[0]) > maxFilterBytes {
				return Filter{}, fmt.Errorf("%s must be given once, with at most %d bytes", name, maxFilterBytes)
			}
		case paramKind:
		default:
			return Filter{}, fmt.Errorf("there is no filter %.64q: there are hub, user, connection, trace and kind", name)
		}
	}
	for _, text := range query[paramKind] {
		kind := Kind(text)
		if !slices.Contains(Kinds, kind) {
			return Filter{}, fmt.Errorf("there is no kind %.64q: there are connection, send, webhook and server", text)
		}
		if !slices.Contains(f.Kinds, kind) {
			f.Kinds = append(f.Kinds, kind)
		}
	}
	return f, nil
}

// Query is the filter as ParseFilter reads it.
func (f *Filter) Query() url.Values {
	query := make(url.Values)
	for name, value := range map[string]string{
		paramHub: f.Hub, paramUser: f.User, paramConnection: f.ConnectionID, paramTrace: f.Trace,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for _, kind := range f.Kinds {
		query.Add(paramKind, string(kind))
	}
	return query
}
