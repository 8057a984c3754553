package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/management"
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
	log, flush := sumRefusals(log)
	defer flush()
	s, err := newServer(&c.Config, log)
	if err != nil {
		return err
	}
	helpers := s.startHelpers(env.args)
	u := &s.live.load().source.Upstream
	log.Info("webhooks", "from", u.Source, "templates", templateList(u.Templates))
	log.Info("serving", "url", s.endpoints.URL, "admin", s.endpoints.Admin, "version", version(), "pid", os.Getpid(), "listen", s.endpoints.Address)
	if c.Clustered() {
		listen := ""
		if at := s.nodes.engine.Address(); at != nil {
			listen = at.String()
		}
		log.Info("cluster", "part", partCluster, "node", c.Network.Node, "listen", listen, "peers", c.Cluster.Peer, "nats", c.NATS.URL, "voters", c.Cluster.Voter)
	}
	s.warn()
	if c.Log.Format == "text" { // else whoever reads this parses it
		err = printBanner(env.stdout, s)
	}
	if env.ready != nil {
		env.ready(s.endpoints)
	}
	if err == nil {
		select {
		case <-env.ctx.Done():
			err = s.announceEnd(c.Network.DrainDelay)
			log.Info("draining", "timeout", c.Network.DrainTimeout)
		case err = <-s.web.failed:
		}
	}
	helpers.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(env.ctx), c.Network.DrainTimeout)
	defer cancel()
	err = errors.Join(err, s.stop(ctx))
	if !helpers.wait(helperPatience) {
		log.Warn("files cannot be read: not waiting for them")
	}
	flush()
	if err != nil {
		log.Error("stopped", "error", err)
		return err
	}
	log.Info("stopped")
	return nil
}

// announceEnd says by the health checks that the node shuts down, and goes on for the delay: balancers
// have to notice. It returns early, with the error, if a listener fails.
func (s *server) announceEnd(delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	s.nodes.hub.Load().AnnounceDrain()
	s.log.Info("shutting down: health checks say so", "delay", delay)
	select {
	case <-time.After(delay):
		return nil
	case err := <-s.web.failed:
		return err
	}
}

// helperPatience is how long the end waits for helpers when all else has ended.
const helperPatience = time.Second

// helpers are the goroutines beside the server. Each ends soon after stop, unless
// a file that it reads is somewhere that does not answer.
type helpers struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// startHelpers follows files and signals.
func (s *server) startHelpers(args []string) *helpers {
	ctx, stop := context.WithCancel(context.Background())
	h := &helpers{stop: stop}
	h.wg.Go(func() { s.watchSettings(ctx, args) })
	if s.web.cert != nil {
		h.wg.Go(func() { s.watchFiles(ctx, "certificate", s.web.cert.watched(), s.web.cert.reload) })
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	s.built.add("signals", ignoreContext(func() { signal.Stop(hangups) }))
	h.wg.Go(func() { s.followHangups(ctx, hangups, args) })
	return h
}

// wait says whether all helpers have ended within the time.
func (h *helpers) wait(most time.Duration) bool {
	ended := make(chan struct{})
	go func() {
		h.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-time.After(most):
		return false
	}
}

// followHangups reads the configuration and the certificate again at each SIGHUP,
// which service managers send for a reload and terminals when they close.
func (s *server) followHangups(ctx context.Context, hangups <-chan os.Signal, args []string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		s.log.Info("reading configuration and certificates again")
		s.reload(args, false)
		if log := s.seen.account.log; log != nil {
			log.Reopen()
		}
		if s.web.cert != nil {
			s.web.cert.reload()
		}
	}
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
	s.reloading.Lock()
	defer s.reloading.Unlock()
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
	if names := s.reloading.config.NeedsRestart(parsed); len(names) > 0 && !first {
		s.log.Warn("changed, but only read when hubgate starts", "options", names)
	}
}

// apply judges what was parsed with the options in force that are read only at
// the start, and puts the rest in force.
func (s *server) apply(parsed *config.Config) error {
	base, err := s.reloading.base.Reload(parsed)
	if err != nil {
		return err
	}
	return s.enforce(base, s.reloading.record)
}

// enforce puts in force what this node was given, and over it what was changed while it runs. It is called
// with s.reloading held.
func (s *server) enforce(base *config.Config, record management.Record) error {
	next, after, err := compile(base, &record)
	if err != nil {
		return err
	}
	before := s.store.Current()
	if err := s.store.Swap(after); err != nil {
		return err
	}
	changed := s.reloading.config.Changed(next, before, &after)
	again := record.Restarts > s.reloading.record.Restarts
	s.reloading.config, s.reloading.base, s.reloading.record = next, base, record
	if len(changed) == 0 { // then by what has no option
		changed = settings.Differences(before.Digests(nil), after.Digests(nil))
	}
	if len(changed) > 0 {
		s.log.Info("settings changed", "changed", changed, "mode", after.Mode, "hubs", hubModes(after.Hubs), "templates", templateList(after.Upstream.Templates))
		if !slices.Equal(before.Upstream.Templates, after.Upstream.Templates) {
			s.warnTemplates(&after.Upstream)
		}
	}
	if again {
		s.log.Info("restart: all clients and hub servers are told to come again", "by", record.By)
		s.managed.again()
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
