package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/settings"
)

// serveCommand runs the gateway.
type serveCommand struct{ config.Config }

// Run serves until the environment's context ends, then drains.
func (c *serveCommand) Run(env *environment) error {
	log, err := newLogger(env.stderr, c.Log)
	if err != nil {
		return err
	}
	s, err := newServer(&c.Config, log)
	if err != nil {
		return err
	}
	var helpers sync.WaitGroup
	watching, stopWatching := context.WithCancel(env.ctx)
	helpers.Go(func() { s.watchSettings(watching, env.args) })
	helpers.Go(func() { giveMemoryBack(watching) })
	if s.cert != nil {
		helpers.Go(func() { s.watchFiles(watching, "certificate", s.cert.watched(), s.cert.reload) })
	}
	log.Info("serving", "url", s.endpoints.URL, "admin", s.endpoints.Admin, "version", version(), "pid", os.Getpid())
	err = printBanner(env.stdout, s)
	if env.ready != nil {
		env.ready(s.endpoints)
	}
	if err == nil {
		select {
		case <-env.ctx.Done():
			log.Info("draining", "timeout", c.Network.DrainTimeout)
		case err = <-s.failed:
		}
	}
	stopWatching()
	helpers.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(env.ctx), c.Network.DrainTimeout)
	defer cancel()
	if err = errors.Join(err, s.stop(ctx)); err != nil {
		log.Error("stopped", "error", err)
		return err
	}
	log.Info("stopped")
	return nil
}

// watchSettings applies settings.json and the configuration file when they
// change, until ctx ends.
func (s *server) watchSettings(ctx context.Context, args []string) {
	first := true
	s.watchFiles(ctx, "configuration", s.config.Watched(), func() {
		s.reload(args, first)
		first = false
	})
}

func (s *server) watchFiles(ctx context.Context, what string, paths []string, changed func()) {
	if err := config.Watch(ctx, paths, changed); err != nil {
		s.log.Error("changes of files are not noticed any more", "what", what, "error", err)
	}
}

// reload parses the same arguments again and puts in force what may change.
// What is not valid, or looks like a file that is only half written, changes nothing.
func (s *server) reload(args []string, first bool) {
	var again commands
	_, err := parseInto(&again, args, terminal{io.Discard, io.Discard})
	parsed := &again.Serve.Config
	if err == nil {
		err = s.apply(parsed)
	}
	if err != nil {
		s.log.Error("the configuration has errors: the old settings stay in force", "error", err)
		return
	}
	if names := s.config.NeedsRestart(parsed); len(names) > 0 && !first {
		s.log.Warn("changed, but only read when hubgate starts", "options", names)
	}
}

// apply judges what was parsed with the options in force that are read only at
// the start, and puts the rest in force.
func (s *server) apply(parsed *config.Config) error {
	next, err := s.config.Reload(parsed)
	if err != nil {
		return err
	}
	after, err := next.Settings()
	if err != nil {
		return err
	}
	before := s.store.Current()
	if err := s.store.Swap(after); err != nil {
		return err
	}
	changed := s.config.Changed(next, before, &after)
	s.config = next
	if len(changed) > 0 {
		s.log.Info("settings changed", "changed", changed, "mode", after.Mode, "hubs", hubModes(after.Hubs), "templates", templateList(after.Upstream.Templates))
	}
	return nil
}

// hubModes is the modes of single hubs as hub=mode, sorted.
func hubModes(hubs map[string]settings.Hub) []string {
	list := make([]string, 0, len(hubs))
	for name, hub := range hubs {
		list = append(list, name+"="+string(hub.Mode))
	}
	slices.Sort(list)
	return list
}

// templateList is the templates as they may be logged: slog does not ask the
// elements of a list for their log value.
func templateList(templates []settings.Template) []string {
	list := make([]string, 0, len(templates))
	for _, t := range templates {
		list = append(list, t.LogValue().String())
	}
	return list
}
