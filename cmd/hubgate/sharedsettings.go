package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/store/shared"
)

// sharedSettings are the settings that all nodes of a cluster share, as this one knows them.
type sharedSettings struct {
	text *shared.Text
	// current asks the store for them.
	current func(context.Context) (shared.Version, error)

	mu  sync.Mutex
	had had
}

// had are the shared settings that a node has taken last.
type had struct {
	known  bool // the store has answered
	number uint64
	digest digest
	err    error  // why they are not in force
	times  uint64 // counts what was taken
}

// digest tells records with the same number apart: a store that begins anew counts from one again.
type digest [sha256.Size]byte

func digestOf(r *management.Record) digest {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // a Record has only what JSON has
	}
	return sha256.Sum256(text)
}

// state is what is known of them.
func (s *sharedSettings) state() admin.SharedSettings {
	before := s.last()
	state := admin.SharedSettings{Known: before.known, Number: before.number}
	if before.err != nil {
		state.Error = before.err.Error()
	}
	return state
}

func (s *sharedSettings) last() had {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.had
}

func (s *sharedSettings) note(next had) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next.known, next.times = true, s.had.times+1
	s.had = next
}

// isOld says that a record is none that all nodes share now, as the store knows. The error is ErrUnavailable: the store
// does not answer.
func (s *sharedSettings) isOld(number uint64, of digest) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), changeTime)
	defer cancel()
	now, err := s.current(ctx)
	if err != nil && now.Number == 0 {
		return false, storeError(err)
	}
	if err != nil || now.Number != number { // one that cannot be opened is another one
		return true, nil
	}
	r, err := recordOf(now)
	return err != nil || digestOf(&r) != of, nil
}

// newSharedSettings asks nothing of the store.
func newSharedSettings(c *config.Config, e *natsd.Engine, now, previous secret.Text) (*sharedSettings, error) {
	text, err := shared.New(shared.Options{
		JetStream: e.JetStream(), Prefix: c.NATS.Prefix, Replicas: e.Replicas(), Storage: e.Storage(),
		Keys: keysFor(natsd.PurposeSharedSettings, now, previous),
	})
	if err != nil {
		return nil, err
	}
	return &sharedSettings{text: text, current: text.Current}, nil
}

// followShared puts in force what the nodes share, until the server ends.
func (s *server) followShared() {
	if s.nodes.shared == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() { s.nodes.shared.text.Follow(ctx, s.sharedChanged) })
	s.built.add("shared settings", ignoreContext(func() {
		cancel()
		following.Wait()
	}))
}

// sharedChanged takes a new text. One that cannot be put in force changes nothing, and is taken too. None is taken while
// the store does not say whether the text is old.
func (s *server) sharedChanged(v shared.Version, err error) (taken bool) {
	var r management.Record
	if err == nil {
		r, err = recordOf(v)
	}
	if err != nil {
		s.nodes.shared.note(had{number: v.Number, err: err})
		s.sharedRefused(v.Number, err)
		return true
	}
	// Other errors are noted and logged.
	return !errors.Is(s.sharedRecord(r), management.ErrUnavailable)
}

func (s *server) sharedRefused(number uint64, err error) {
	s.log.Error("the settings that the nodes share have errors here: the old ones stay in force", "part", partCluster, "version", number, "error", err)
}

// sharedRecord puts in force what the nodes share, unless this node has it already. Numbers fall if the store begins
// anew, and may come again: a record that does not follow counts if the store says so, and is old else. While the store
// does not answer, what is in force stays: the error is ErrUnavailable.
func (s *server) sharedRecord(r management.Record) error {
	number, of := r.Revision-1, digestOf(&r)
	for {
		before := s.nodes.shared.last()
		if done, err := s.hasShared(&before, number, of); done || err != nil {
			return err
		}
		s.reloading.Lock()
		if s.nodes.shared.last().times == before.times {
			defer s.reloading.Unlock()
			return s.takeShared(&r, &before, of)
		}
		s.reloading.Unlock() // somebody else was faster: look again
	}
}

// hasShared says whether nothing is to be done for a record: this node has it, or it is old. It may ask the store, and is
// called without locks for that reason.
func (s *server) hasShared(before *had, number uint64, of digest) (bool, error) {
	switch {
	case !before.known || number > before.number:
		return false, nil
	case number < before.number && number == 0: // a store that has lost all has none: what is in force stays
		return true, nil
	case number == before.number && before.err != nil:
		return false, nil
	case number == before.number && of == before.digest:
		return true, nil
	}
	return s.nodes.shared.isOld(number, of)
}

// takeShared puts a record in force. Called with reloading held.
func (s *server) takeShared(r *management.Record, before *had, of digest) error {
	if !before.known {
		s.reloading.record.Restarts = r.Restarts // they were before this node
	}
	number := r.Revision - 1
	err := s.enforce(s.reloading.base, *r)
	s.nodes.shared.note(had{number: number, digest: of, err: err})
	switch {
	case err != nil:
		s.sharedRefused(number, err)
	case number != 0:
		s.log.Info("the settings that the nodes share are in force", "part", partCluster, "version", number)
	}
	return err
}

// Settings implements admin.Cluster.
func (v *clusterView) Settings(ctx context.Context) (admin.SharedText, error) {
	if v.shared == nil {
		return admin.SharedText{}, admin.ErrAlone
	}
	now, err := v.shared.Load(ctx)
	if err != nil {
		return admin.SharedText{}, err
	}
	text, err := asOptions(&now)
	return admin.SharedText{Number: now.Revision - 1, Text: text}, err
}

// changeTime bounds a change: a store without a majority does not answer.
const changeTime = 5 * time.Second

// ChangeSettings implements admin.Cluster.
func (v *clusterView) ChangeSettings(ctx context.Context, text []byte, after uint64) (uint64, error) {
	if v.shared == nil {
		return 0, admin.ErrAlone
	}
	err := v.try(text)
	var options json.RawMessage
	if err == nil {
		options, err = config.SharedObject(text)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", admin.ErrInvalid, err)
	}
	next, err := v.manage().Change(ctx, management.Editor{Name: "hubgate cluster settings"}, after+1, func(d *management.Document) error {
		d.Properties.Hubgate = options
		return nil
	})
	var wrong *management.InvalidError
	switch {
	case errors.Is(err, management.ErrConflict):
		err = fmt.Errorf("%w: somebody else has changed it since", admin.ErrConflict)
	case errors.As(err, &wrong):
		err = fmt.Errorf("%w: %w", admin.ErrInvalid, err)
	}
	return next.Revision - 1, err
}

// try says whether this node could put a text of options in force.
func (s *server) try(text []byte) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	next, err := s.reloading.base.WithShared(text)
	if err != nil {
		return err
	}
	after, err := next.Settings()
	if err != nil {
		return err
	}
	return settings.CheckChange(s.store.Current(), &after)
}
