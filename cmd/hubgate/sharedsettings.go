package main

import (
	"context"
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

	mu     sync.Mutex
	known  bool // the store has answered
	number uint64
	err    error // why they are not in force
}

// state is what is known of them.
func (s *sharedSettings) state() admin.SharedSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := admin.SharedSettings{Known: s.known, Number: s.number}
	if s.err != nil {
		state.Error = s.err.Error()
	}
	return state
}

func (s *sharedSettings) note(number uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.number, s.err = true, number, err
}

// isOld says that the settings with a number are none that all nodes share now, as the store knows. A store that has
// lost all has none: then what is in force stays. If the store does not answer, none are old.
func (s *sharedSettings) isOld(number uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), changeTime)
	defer cancel()
	now, err := s.text.Current(ctx)
	if err != nil && now.Number == 0 { // else it cannot be opened, but is there
		return false
	}
	return number == 0 || now.Number != number
}

// newSharedSettings asks nothing of the store.
func newSharedSettings(c *config.Config, e *natsd.Engine, now, previous secret.Text) (*sharedSettings, error) {
	keys := [][]byte{natsd.Key(now, natsd.PurposeSharedSettings)}
	if previous != "" {
		keys = append(keys, natsd.Key(previous, natsd.PurposeSharedSettings))
	}
	text, err := shared.New(shared.Options{JetStream: e.JetStream(), Prefix: c.NATS.Prefix, Replicas: e.Replicas(), Storage: e.Storage(), Keys: keys})
	return &sharedSettings{text: text}, err
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

// sharedChanged takes a new text. One that cannot be put in force changes nothing.
func (s *server) sharedChanged(v shared.Version, err error) {
	var r management.Record
	if err == nil {
		r, err = recordOf(v)
	}
	if err != nil {
		s.nodes.shared.note(v.Number, err)
		s.sharedRefused(v.Number, err)
		return
	}
	_ = s.sharedRecord(r) // it is noted and logged
}

func (s *server) sharedRefused(number uint64, err error) {
	s.log.Error("the settings that the nodes share have errors here: the old ones stay in force", "part", partCluster, "version", number, "error", err)
}

// sharedRecord puts in force what the nodes share, unless this node has it already. Numbers fall if the store begins
// anew; a lower one counts if the store says so, and is old else.
func (s *server) sharedRecord(r management.Record) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	number := r.Revision - 1
	before := s.nodes.shared.state()
	switch {
	case !before.Known:
	case number == before.Number && before.Error == "":
		return nil
	case number < before.Number && s.nodes.shared.isOld(number):
		return nil
	}
	if !before.Known {
		s.reloading.record.Restarts = r.Restarts // they were before this node
	}
	err := s.enforce(s.reloading.base, r)
	s.nodes.shared.note(number, err)
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
		return admin.SharedText{}, fmt.Errorf("%w: this node is alone and shares no settings", admin.ErrInvalid)
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
		return 0, fmt.Errorf("%w: this node is alone and shares no settings", admin.ErrInvalid)
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
