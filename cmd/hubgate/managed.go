package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/store/shared"
)

// managedFile holds the settings of a node alone, in its data directory.
const managedFile = "hubgate-settings.json"

// managed are the settings that are changed while the gateway runs, and what they are put in force on.
type managed struct {
	service *management.Service
	// kept says where they are, for people.
	kept string
	// guard says who may change them. tokenMade: its token is of this run, since nobody has set one.
	guard     *admin.Guard
	tokenMade bool
	// again closes what is connected, so that it comes again; nil before there is a gateway.
	again func()
}

// manage makes the service. What a node alone has kept is in force when it returns.
func (s *server) manage(hub *gateway.Gateway, servers *servermode.Backend) error {
	s.managed.again = func() {
		servers.Restart()
		hub.Each(func(c *gateway.Conn) { c.Close(restarted) })
	}
	store, err := s.settingsStore()
	if err != nil {
		return usage(err)
	}
	s.managed.service = management.New(management.Options{Store: store, Node: managedNode{s}})
	s.built.add("stopping", ignoreContext(s.store.Observe(func(old, next *settings.Settings) {
		if next.Access.Stopped && !old.Access.Stopped {
			s.managed.again()
		}
	})))
	if s.nodes.shared != nil {
		return nil // they are followed
	}
	last, err := store.Load(context.Background())
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.reloading.record.Restarts = last.Restarts
	if err := s.enforce(s.reloading.base, last); err != nil {
		return usage(fmt.Errorf("the settings that were changed while running cannot be put in force over the configuration: %w\n  move %s away, and the configuration alone is in force", err, s.managed.kept))
	}
	return nil
}

var restarted = gateway.Cause{Reason: gateway.CloseServiceReload, Text: "Service reloading, try reconnecting.", AllowReconnect: true}

// settingsStore is where settings are kept: in the store of all nodes, in a file of the data directory, or nowhere.
func (s *server) settingsStore() (management.Store, error) {
	switch dir := s.config.Data.Dir; {
	case s.nodes.shared != nil:
		s.managed.kept = "the store of all nodes"
		return s.nodes.shared, nil
	case dir != "":
		s.managed.kept = filepath.Join(dir, managedFile)
		return management.OpenFile(s.managed.kept)
	}
	s.managed.kept = ""
	return management.NewMemory(), nil
}

// managedNode is this node for the service.
type managedNode struct{ s *server }

// Check implements management.Node.
func (n managedNode) Check(r management.Record) error {
	n.s.reloading.Lock()
	defer n.s.reloading.Unlock()
	_, after, err := compile(n.s.reloading.base, &r)
	if err == nil {
		err = settings.CheckChange(n.s.store.Current(), &after)
	}
	return management.Refusal(err, &r.Document)
}

// Enforce implements management.Node.
func (n managedNode) Enforce(r management.Record) error {
	if n.s.nodes.shared != nil {
		return n.s.sharedRecord(r)
	}
	if n.s.managed.kept == "" {
		n.s.log.Warn("settings are kept in memory only: they end with this process (--data-dir keeps them)")
	}
	n.s.reloading.Lock()
	defer n.s.reloading.Unlock()
	return n.s.enforce(n.s.reloading.base, r)
}

// Document implements management.Node.
func (n managedNode) Document(set management.Document) management.Document {
	n.s.reloading.Lock()
	defer n.s.reloading.Unlock()
	_, made, err := compile(n.s.reloading.base, &management.Record{Document: set})
	if err != nil { // the files have changed since
		made = *n.s.store.Current()
	}
	return management.DocumentOf(&made, set)
}

// Keys implements management.Node.
func (n managedNode) Keys() management.Keys {
	keys := n.s.store.Current().Keys
	connect := func(key secret.Text) secret.Text {
		if key == "" {
			return ""
		}
		return secret.Text(connectionString(n.s.endpoints.URL, auth.Secret(key)))
	}
	return management.Keys{
		Primary: keys.Primary, Secondary: keys.Secondary,
		PrimaryConnectionString: connect(keys.Primary), SecondaryConnectionString: connect(keys.Secondary),
	}
}

// compile makes settings of what a node was given, with a record over it.
func compile(base *config.Config, r *management.Record) (*config.Config, settings.Settings, error) {
	next, err := base.WithShared(r.Document.Properties.Hubgate)
	if err != nil {
		return nil, settings.Settings{}, err
	}
	after, err := next.SettingsWith(withLiveTrace(r, next.Recorder.Live).Apply)
	return next, after, err
}

// withLiveTrace has live trace on in a record that does not say, if the configuration has it on.
func withLiveTrace(r *management.Record, on bool) *management.Record {
	p := &r.Document.Properties
	if _, says := p.Feature(management.FlagLiveTrace); !on || says || p.LiveTrace != nil && p.LiveTrace.Enabled != "" {
		return r
	}
	filled := *r
	filled.Document.Properties.LiveTrace = &management.LiveTrace{Enabled: "true"}
	if p.LiveTrace != nil {
		filled.Document.Properties.LiveTrace.Categories = p.LiveTrace.Categories
	}
	return &filled
}

// Load implements management.Store.
func (s *sharedSettings) Load(ctx context.Context) (management.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	v, err := s.text.Current(ctx)
	switch {
	case errors.Is(err, shared.ErrSealed):
		return management.Record{Revision: revisionOf(v.Number)}, fmt.Errorf("%w: %w; hubgate cluster settings set FILE --if-version %d puts others in their place", management.ErrUnreadable, err, v.Number)
	case err != nil:
		return management.Record{}, storeError(err)
	}
	return recordOf(v)
}

// Save implements management.Store.
func (s *sharedSettings) Save(ctx context.Context, r management.Record, after uint64) (management.Record, error) {
	text, err := management.EncodeRecord(r)
	if err != nil {
		return management.Record{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	v, err := s.text.Change(ctx, text, after-1)
	if err != nil {
		return management.Record{}, storeError(err)
	}
	return recordOf(v) // as all nodes will read it
}

// History implements management.Store.
func (s *sharedSettings) History(ctx context.Context) ([]management.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	kept, err := s.text.History(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	all := []management.Record{{Revision: 1}}
	for _, v := range kept {
		r, err := recordOf(v)
		if err != nil {
			return nil, err
		}
		all = append([]management.Record{r}, all...)
	}
	return all, nil
}

// revisionOf counts the configuration too, which has no number in the store.
func revisionOf(number uint64) uint64 { return number + 1 }

func recordOf(v shared.Version) (management.Record, error) {
	return management.DecodeRecord(v.Text, revisionOf(v.Number), config.SharedObject)
}

// storeError has the words of the package management.
func storeError(err error) error {
	switch {
	case errors.Is(err, shared.ErrConflict):
		return management.ErrConflict
	case errors.Is(err, shared.ErrTooLarge):
		return &management.InvalidError{Fields: []management.Field{{Reason: "the settings are too large: " + err.Error()}}}
	}
	if away, ok := errors.AsType[interface {
		error
		Unavailable() bool
	}](err); ok {
		err = errors.Unwrap(away) // it would be said twice
	}
	if err == nil {
		return management.ErrUnavailable
	}
	return fmt.Errorf("%w: %w", management.ErrUnavailable, err)
}

// asOptions is what the settings that nodes share hold of options, as a file has them.
func asOptions(r *management.Record) ([]byte, error) {
	return config.SharedText(json.RawMessage(r.Document.Properties.Hubgate))
}
