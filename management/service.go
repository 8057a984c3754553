package management

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Service is the settings in force, their history and the keys. All methods may be called concurrently.
type Service struct {
	opts Options
	mu   sync.Mutex // of changes
}

// Options describe a Service.
type Options struct {
	// Store keeps the settings; nil keeps them in memory.
	Store Store
	// Node is the gateway; nil is one that takes everything.
	Node Node
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New returns a Service. Nothing is asked of the store.
func New(opts Options) *Service {
	if opts.Store == nil {
		opts.Store = NewMemory()
	}
	if opts.Node == nil {
		opts.Node = new(fakeNode)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Service{opts: opts}
}

// Current returns the version in force. The error is ErrUnavailable.
func (s *Service) Current(ctx context.Context) (Version, error) {
	r, err := s.opts.Store.Load(ctx)
	if err != nil {
		return Version{}, err
	}
	return s.version(r), nil
}

// Anything follows whatever is in force, instead of a revision.
const Anything = 0

// maxTries bounds how often a change that follows [Anything] begins again.
const maxTries = 8

// Change calls edit with what is set, unmasked, and puts in force what edit made of it. It has to follow the
// revision after, or Anything: then edit may be called again. The error is that of edit, an *InvalidError,
// ErrConflict or ErrUnavailable; then nothing has changed. A change of nothing gives the version in force, without
// the changes that once led to it.
func (s *Service) Change(ctx context.Context, who Editor, after uint64, edit func(*Document) error) (Version, error) {
	return s.change(ctx, who, after, func(next *Record) error { return edit(&next.Document) })
}

func (s *Service) change(ctx context.Context, who Editor, after uint64, edit func(*Record) error) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for try := 0; ; try++ {
		v, err := s.changeOnce(ctx, who, after, edit)
		if after != Anything || try == maxTries || !errors.Is(err, ErrConflict) {
			return v, err
		}
	}
}

func (s *Service) changeOnce(ctx context.Context, who Editor, after uint64, edit func(*Record) error) (Version, error) {
	now, next, err := s.prepare(ctx, who, after, edit)
	if err != nil {
		return Version{}, err
	}
	if len(next.Changes) == 0 {
		v := s.version(now)
		v.Changes = nil
		return v, nil
	}
	stored, err := s.opts.Store.Save(ctx, next, now.Revision)
	if err != nil {
		return Version{}, err
	}
	return s.version(stored), s.opts.Node.Enforce(stored)
}

// Try does all that Change does but put the change in force: it returns the version in force, or the error that
// Change would return.
func (s *Service) Try(ctx context.Context, who Editor, after uint64, edit func(*Document) error) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, next, err := s.prepare(ctx, who, after, func(next *Record) error { return edit(&next.Document) })
	if err == nil {
		_, err = EncodeRecord(next) // a store takes no larger one
	}
	if err != nil {
		return Version{}, err
	}
	return s.version(now), nil
}

// prepare returns the record in force, and the one that edit makes of it, checked.
func (s *Service) prepare(ctx context.Context, who Editor, after uint64, edit func(*Record) error) (now, next Record, err error) {
	now, err = s.opts.Store.Load(ctx)
	if replaces := errors.Is(err, ErrUnreadable) && after == now.Revision; err != nil && !replaces {
		return now, next, err
	}
	if after != Anything && after != now.Revision {
		return now, next, ErrConflict
	}
	next = now.clone()
	if err := edit(&next); err != nil {
		return now, next, err
	}
	shown := s.opts.Node.Document(now.clone().Document)
	if err := next.Document.unmask(&shown); err != nil {
		return now, next, err
	}
	if err := s.check(who, &next); err != nil {
		return now, next, err
	}
	next.Changes = changesOf(&now, &next)
	next.Time, next.By, next.Note = s.opts.Now().UTC(), who.Name, who.Note
	return now, next, nil
}

// maxNote bounds a note, in characters.
const maxNote = 500

func (s *Service) check(who Editor, next *Record) error {
	if len([]rune(who.Note)) > maxNote {
		return invalid("note", "has more than 500 characters")
	}
	if err := next.Document.validate(); err != nil {
		return err
	}
	return s.opts.Node.Check(*next)
}

// History returns the versions that are kept, the latest first, the configuration last.
func (s *Service) History(ctx context.Context) ([]Version, error) {
	records, err := s.opts.Store.History(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Version, 0, len(records))
	for _, r := range records {
		all = append(all, s.version(r))
	}
	return all, nil
}

// Rollback puts the document of an earlier version in force again, as a new version. Keys and the name in the
// resource API stay as they are.
// Revision 1 unsets everything. As Change it follows the revision after, or Anything. The error is ErrNotFound or one of Change.
func (s *Service) Rollback(ctx context.Context, who Editor, after, to uint64) (Version, error) {
	records, err := s.opts.Store.History(ctx)
	if err != nil {
		return Version{}, err
	}
	for _, r := range records {
		if r.Revision == to {
			old := r.clone()
			return s.change(ctx, who, after, func(next *Record) error {
				name := next.Document.Resource
				next.Document = old.clone().Document
				next.Document.Resource = name
				return nil
			})
		}
	}
	return Version{}, ErrNotFound
}

// Keys returns the access keys in force. Its result is secret.
func (s *Service) Keys(context.Context) (Keys, error) { return s.opts.Node.Keys(), nil }

// RegenerateKey replaces an access key, on all nodes. Requests with the former one are refused from then on;
// connections stay. It returns the keys in force.
func (s *Service) RegenerateKey(ctx context.Context, who Editor, kind KeyKind) (Keys, error) {
	_, err := s.change(ctx, who, Anything, func(next *Record) error { return next.renew(kind, s.opts.Node.Keys()) })
	return s.opts.Node.Keys(), err
}

// Restart closes all clients and server connections, on all nodes. They may come back at once.
func (s *Service) Restart(ctx context.Context, who Editor) error {
	_, err := s.change(ctx, who, Anything, func(next *Record) error {
		next.Restarts++
		return nil
	})
	return err
}
