// Package logsum keeps a log readable when the same thing happens again and again: the first
// time is a line at once, and what follows within a minute is one more line with its number.
package logsum

import (
	"sync"
	"time"
)

const (
	// Every is the least time between two lines about the same thing.
	Every = time.Minute
	// maxKeys bounds what is remembered. What comes beyond it within a minute is summed up as
	// one, under the zero key: keys may come from names that clients choose.
	maxKeys = 128
)

// Lines sums up what happens by its key. Make one with New; Close ends it. All methods may be
// called concurrently.
type Lines[K comparable] struct {
	write  func(key K, times uint64)
	mu     sync.Mutex
	lines  map[K]*line
	closed bool
}

// line is something that happened within the last minute.
type line struct {
	times uint64 // since the last line about it
	timer *time.Timer
}

// New returns Lines that call write for each line: with times 0 for the first of a kind that is
// noted, and then with how often it happened since the line before. The zero key stands for all that do not
// fit. Write is never called twice at a time and must not call back.
func New[K comparable](write func(key K, times uint64)) *Lines[K] {
	return &Lines[K]{write: write, lines: make(map[K]*line)}
}

// Note says that something happened. It writes a line if nothing of the kind happened in the
// last minute, and else costs no allocation.
func (l *Lines[K]) Note(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if counted, first := l.note(key); first {
		l.write(counted, 0)
	}
}

// First says that something happened, as Note does, but leaves the first line of its kind to the
// caller, who knows more about this one time: true asks for it.
func (l *Lines[K]) First(key K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, first := l.note(key)
	return first
}

// note counts. It returns the key under which it did, and whether that is new.
func (l *Lines[K]) note(key K) (counted K, first bool) {
	if l.closed {
		return key, false
	}
	known := l.lines[key]
	if known == nil && len(l.lines) >= maxKeys {
		var others K
		key = others
		known = l.lines[key]
	}
	if known != nil {
		known.times++
		return key, false
	}
	one := new(line)
	one.timer = time.AfterFunc(Every, func() { l.due(key, one) })
	l.lines[key] = one
	return key, true
}

// due writes what was summed up, or forgets what did not happen again.
func (l *Lines[K]) due(key K, one *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if one.times == 0 {
		delete(l.lines, key)
		return
	}
	l.flush(key, one)
	one.timer.Reset(Every)
}

func (l *Lines[K]) flush(key K, one *line) {
	if one.times > 0 {
		l.write(key, one.times)
		one.times = 0
	}
}

// Close writes what is summed up so far. Later notes are ignored.
func (l *Lines[K]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for key, one := range l.lines {
		one.timer.Stop()
		l.flush(key, one)
	}
	clear(l.lines)
}
