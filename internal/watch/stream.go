package watch

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxWatchers is how many may watch at a time.
	MaxWatchers = 16
	// MaxRate is how many events about sends and webhooks a second are made at most. Each costs
	// who makes it some microseconds. Clients and hub servers come and go more rarely, and whoever
	// missed one would show a wrong list of them.
	MaxRate = 2000
	// maxWaiting is how many events wait for one watcher at most.
	maxWaiting = 1024
)

var (
	// ErrTooManyWatchers refuses a watcher beyond MaxWatchers.
	ErrTooManyWatchers = errors.New("as many watch already as can")
	// ErrEnded says that the stream has ended: the gateway shuts down.
	ErrEnded = errors.New("the gateway is shutting down")
)

// Stream brings events to those who watch. While nobody does, producers pay one atomic load. The
// zero Stream is ready for use. All methods may be called concurrently.
type Stream struct {
	// Node is that of all events; it does not change once somebody watches.
	Node     string
	watching atomic.Int32

	mu       sync.Mutex // guards what follows; held for moments only
	watchers []*Watcher
	own      int // of them, those of Watch
	seq      uint64
	rate     rate
	ended    bool
}

// rate counts the events of one second.
type rate struct {
	second time.Time
	events int
}

// Watcher gets the events that pass its filter. Next is for one goroutine.
type Watcher struct {
	stream *Stream
	filter Filter
	ready  chan struct{} // holds one while there is something to take
	own    bool          // it is one of Watch

	// guarded by the stream's mu
	waiting []*Event
	lost    map[Loss]uint64
	ended   bool
}

// Watched reports whether anybody watches. It is what producers ask first.
func (s *Stream) Watched() bool { return s.watching.Load() > 0 }

// Wants reports whether an event of the kind about the subject should be made and published: some
// watcher takes it, and not too many were made within this second.
func (s *Stream) Wants(kind Kind, about *Subject) bool {
	if !s.Watched() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := false
	for _, w := range s.watchers {
		wanted = wanted || w.filter.Takes(kind, about)
	}
	if !wanted || kind == KindConnection || kind == KindServer {
		return wanted
	}
	if now := time.Now(); now.Sub(s.rate.second) >= time.Second {
		s.rate = rate{second: now}
	}
	if s.rate.events >= MaxRate {
		for _, w := range s.watchers {
			if w.filter.Takes(kind, about) {
				w.lose(LossRate, 1)
			}
		}
		return false
	}
	s.rate.events++
	return true
}

// Publish brings an event, whose Seq and Time it sets, to the watchers whose filters take it. It
// never waits: a watcher with too many events that wait loses this one, and is told.
func (s *Stream) Publish(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	e.Seq, e.Time, e.Node = s.seq, time.Now(), s.Node
	for _, w := range s.watchers {
		switch {
		case !w.filter.Takes(e.Kind, &e.Subject):
		case len(w.waiting) >= maxWaiting:
			w.lose(LossSlow, 1)
		default:
			w.waiting = append(w.waiting, e)
			w.wake()
		}
	}
}

// Watch begins to watch. Stop ends it. Errors: ErrTooManyWatchers, ErrEnded.
func (s *Stream) Watch(filter Filter) (*Watcher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own >= MaxWatchers && !s.ended {
		return nil, ErrTooManyWatchers
	}
	w, err := s.watch(filter)
	if err == nil {
		w.own = true
		s.own++
	}
	return w, err
}

// WatchFor is Watch for another node, which bounds how many watch there.
func (s *Stream) WatchFor(filter Filter) (*Watcher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch(filter)
}

// watch is called with mu held.
func (s *Stream) watch(filter Filter) (*Watcher, error) {
	if s.ended {
		return nil, ErrEnded
	}
	w := &Watcher{stream: s, filter: filter, ready: make(chan struct{}, 1)}
	s.watchers = append(s.watchers, w)
	s.watching.Add(1)
	return w, nil
}

// Close ends the stream: watchers get what waits for them, then ErrEnded. Calls after the first do
// nothing.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, w := range s.watchers {
		w.ended = true
		w.wake()
	}
}

// Filter is what the watcher watches.
func (w *Watcher) Filter() *Filter { return &w.filter }

// Next waits for events, for as long as patience says, and appends them to dst, in their order.
// What was lost comes first, as events of KindLost. None at all is no error. Errors: ErrEnded, the
// context's.
func (w *Watcher) Next(ctx context.Context, patience time.Duration, dst []*Event) ([]*Event, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.ready:
	case <-timer.C:
	case <-ctx.Done():
		return dst, ctx.Err()
	}
	taken, ended := w.take(dst)
	if ended && len(taken) == len(dst) {
		return dst, ErrEnded
	}
	if ended {
		w.wake() // there is an end to be told
	}
	return taken, nil
}

func (w *Watcher) take(dst []*Event) (taken []*Event, ended bool) {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	for _, why := range Losses {
		if n := w.lost[why]; n > 0 {
			dst = append(dst, &Event{
				Time: time.Now(), Kind: KindLost, What: WhatLost, Lost: &Lost{Reason: why, Events: n},
			})
		}
	}
	clear(w.lost)
	dst = append(dst, w.waiting...)
	clear(w.waiting)
	w.waiting = w.waiting[:0]
	return dst, w.ended
}

// Put brings an event that another node has told of to this watcher alone. It does not wait.
func (w *Watcher) Put(e *Event) {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	if len(w.waiting) >= maxWaiting {
		w.lose(LossSlow, 1)
		return
	}
	w.waiting = append(w.waiting, e)
	w.wake()
}

// Present returns events about what is there that pass the filter, so many at most. It is asked for after the
// beginning, so that whatever changes meanwhile comes behind them.
func (w *Watcher) Present(there iter.Seq[*Event], most int) (events []*Event) {
	more := uint64(0)
	for e := range there {
		switch {
		case !w.filter.Takes(e.Kind, &e.Subject):
		case len(events) == most:
			more++
		default:
			e.Time, e.Node = time.Now(), w.stream.Node
			events = append(events, e)
		}
	}
	if more > 0 {
		w.Lose(LossTooManyPresent, more)
	}
	return events
}

// Lose tells the watcher of events that it does not get.
func (w *Watcher) Lose(why Loss, events uint64) {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	w.lose(why, events)
}

// lose wakes nobody: losses come in thousands, and are told with the next event, or when patience ends.
func (w *Watcher) lose(why Loss, events uint64) {
	if w.lost == nil {
		w.lost = make(map[Loss]uint64)
	}
	w.lost[why] += events
}

func (w *Watcher) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Stop ends the watching. Calls after the first do nothing.
func (w *Watcher) Stop() {
	s := w.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.watchers {
		if one == w {
			last := len(s.watchers) - 1
			s.watchers[i] = s.watchers[last]
			s.watchers[last] = nil
			s.watchers = s.watchers[:last]
			s.watching.Add(-1)
			if w.own {
				s.own--
			}
			return
		}
	}
}
