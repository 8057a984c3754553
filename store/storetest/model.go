package storetest

import (
	"slices"
	"time"
)

// model is a store that is obviously right: a slice per user, searched whole.
type model struct {
	keep  int
	now   func() time.Time
	users map[string][]modelEntry // oldest put first
}

type modelEntry struct {
	group string
	until time.Time
}

func newModel(keep int, now func() time.Time) *model {
	return &model{keep: keep, now: now, users: make(map[string][]modelEntry)}
}

func (m *model) delete(user, group string) {
	m.users[user] = slices.DeleteFunc(m.users[user], func(e modelEntry) bool { return e.group == group })
}

func (m *model) put(user, group string, ttl time.Duration) {
	m.delete(user, group)
	e := modelEntry{group: group}
	if ttl > 0 {
		e.until = m.now().Add(ttl)
	}
	m.users[user] = append(m.users[user], e)
	open := 0
	for _, e := range slices.Backward(m.users[user]) {
		if e.until.IsZero() {
			if open++; open > m.keep {
				m.delete(user, e.group)
				return
			}
		}
	}
}

func (m *model) list(user string) []string {
	var names []string
	for _, e := range m.users[user] {
		if e.until.IsZero() || m.now().Before(e.until) {
			names = append(names, e.group)
		}
	}
	slices.Sort(names)
	return names
}
