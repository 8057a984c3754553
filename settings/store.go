package settings

import (
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// Store holds the settings in force. All its methods may be called
// concurrently.
type Store struct {
	current atomic.Pointer[Settings]

	mu        sync.Mutex
	observers []*observer
	changes   []change // made, but not yet told
	telling   bool     // somebody is telling the observers
}

type observer struct{ call func(old, new *Settings) }

type change struct{ old, new *Settings }

// NewStore returns a store with valid initial settings.
func NewStore(initial Settings) (*Store, error) {
	if err := initial.Validate(); err != nil {
		return nil, err
	}
	s := &Store{}
	own := initial.Clone()
	s.current.Store(&own)
	return s, nil
}

// Current returns the snapshot in force: one atomic load. Do not change it.
func (s *Store) Current() *Settings { return s.current.Load() }

// Swap puts next in force if it is valid, and [CheckChange] has nothing against
// it, and then tells the observers; with an error nothing has changed. Settings equal to the current ones change nothing
// and nobody is told.
//
// Observers are told one change at a time, in the order of the changes. When
// another Swap is telling them (also when an observer itself calls Swap), that
// one tells this change too and this call returns before.
func (s *Store) Swap(next Settings) error {
	if err := next.Validate(); err != nil {
		return err
	}
	own := next.Clone()
	s.mu.Lock()
	old := s.current.Load()
	if reflect.DeepEqual(*old, own) {
		s.mu.Unlock()
		return nil
	}
	if err := CheckChange(old, &own); err != nil {
		s.mu.Unlock()
		return err
	}
	s.current.Store(&own)
	s.changes = append(s.changes, change{old, &own})
	if s.telling {
		s.mu.Unlock()
		return nil
	}
	s.telling = true
	s.mu.Unlock()
	s.tell()
	return nil
}

// tell calls the observers without the lock until no change is left.
func (s *Store) tell() {
	done := false
	defer func() {
		if !done { // an observer panicked: let the next Swap go on
			s.mu.Lock()
			s.telling = false
			s.mu.Unlock()
		}
	}()
	for {
		s.mu.Lock()
		if len(s.changes) == 0 {
			s.telling, done = false, true
			s.mu.Unlock()
			return
		}
		next := s.changes[0]
		s.changes = slices.Delete(s.changes, 0, 1)
		observers := slices.Clone(s.observers)
		s.mu.Unlock()
		for _, o := range observers {
			o.call(next.old, next.new)
		}
	}
}

// Observe has call told of every later change, after the observers that are
// already there. It runs in the goroutine of a Swap and should be short. After
// cancel has returned no further change is told, but a call may be under way.
func (s *Store) Observe(call func(old, new *Settings)) (cancel func()) {
	o := &observer{call}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(s.observers, o)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observers = slices.DeleteFunc(s.observers, func(other *observer) bool { return other == o })
	}
}
