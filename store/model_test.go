package store

import (
	"slices"
	"time"
	"unsafe"
)

// model is a store that is obviously right: a slice per user, searched whole.
type model struct {
	keep  int
	users map[string][]modelEntry // oldest put first
}

type modelEntry struct {
	group string
	until time.Time
}

func newModel(keep int) *model { return &model{keep: keep, users: make(map[string][]modelEntry)} }

func (m *model) delete(user, group string) {
	m.users[user] = slices.DeleteFunc(m.users[user], func(e modelEntry) bool { return e.group == group })
}

func (m *model) put(user, group string, ttl time.Duration) {
	m.delete(user, group)
	e := modelEntry{group: group}
	if ttl > 0 {
		e.until = time.Now().Add(ttl)
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
		if e.until.IsZero() || time.Now().Before(e.until) {
			names = append(names, e.group)
		}
	}
	slices.Sort(names)
	return names
}

// sharesMemory reports whether part lies inside whole's memory.
func sharesMemory(whole, part string) bool {
	start := uintptr(unsafe.Pointer(unsafe.StringData(whole)))
	at := uintptr(unsafe.Pointer(unsafe.StringData(part)))
	return at >= start && at < start+uintptr(len(whole))
}
