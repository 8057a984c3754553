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
// What is not valid changes nothing.
func (s *server) reload(args []string, first bool) {
	var again commands
	_, err := parseInto(&again, args, terminal{io.Discard, io.Discard})
	next := &again.Serve.Config
	var current settings.Settings
	if err == nil {
		current, err = next.Settings()
	}
	if err == nil {
		before := s.store.Current()
		if err = s.store.Swap(current); err == nil && s.store.Current() != before {
			s.log.Info("settings changed", "mode", current.Mode, "hubs", hubModes(current.Hubs), "templates", templateList(current.Upstream.Templates))
		}
	}
	if err != nil {
		s.log.Error("the configuration has errors: the old settings stay in force", "error", err)
		return
	}
	if names := s.config.NeedsRestart(next); len(names) > 0 && !first {
		s.log.Warn("changed, but only read when hubgate starts", "options", names)
	}
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
