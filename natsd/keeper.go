package natsd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"
)

const (
	// storeCheck is how often a node looks whether its store still runs.
	storeCheck = 10 * time.Second
	// storeRetry is how often it tries to start one that stopped.
	storeRetry = time.Second
	// storeRoom is how much space a store that stopped waits for.
	storeRoom = 8 << 20
	// companionTime bounds how long a lone voter is helped on its feet: an
	// election takes up to nine seconds.
	companionTime = 15 * time.Second
)

// keep looks after the routes and the store until Close.
func (e *Engine) keep() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	if e.opts.Cluster != nil {
		e.keeper.Go(func() { e.keepMesh(ctx) })
	}
	e.keeper.Go(func() {
		for {
			wait := min(e.keepRoutes(ctx), e.keepStore(ctx))
			select {
			case <-ctx.Done():
				return
			case <-e.log.store:
			case <-e.routes.mesh.found:
			case <-time.After(wait):
			}
		}
	})
}

// settleSoon gives a voter without a store some time to find its place, so that
// one that is refused does not start. Who else is there may be seen later only.
func (e *Engine) settleSoon(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	tick := time.NewTicker(settlePause)
	defer tick.Stop()
	for {
		if settled, err := e.settle(ctx, looking); settled || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-looking.Done():
			return nil
		}
	}
}

// keepRoutes dials what the names of peers stand for now, and nodes that only others hear. It returns when to
// look again.
func (e *Engine) keepRoutes(ctx context.Context) time.Duration {
	if e.opts.Cluster == nil {
		return lookEvery
	}
	urls, changed := e.routes.change(ctx)
	if changed && ctx.Err() == nil {
		if err := e.reload(urls); err != nil {
			e.log.report(TroubleServer, "the addresses of other nodes were not taken: "+err.Error())
		}
	}
	if len(e.opts.Cluster.Peers) > 0 && e.server().NumRemotes() == 0 {
		return lookSoon
	}
	return lookEvery
}

// reload gives the running server other routes. A store that stopped starts again by it.
func (e *Engine) reload(urls []*url.URL) error {
	o, err := e.serverOptions(urls, e.opts.voter() && (e.opts.Cluster == nil || e.dir.hasStore()))
	if err != nil {
		return err
	}
	if err := e.server().ReloadOptions(o); err != nil {
		return err
	}
	return e.reachStore()
}

// storeQuestions are the subjects of questions to the store.
const storeQuestions = "$JS.API.>"

// reachStore has a server without a store pass on questions to those that have one, as it does from its start.
// After other options it would not any more.
func (e *Engine) reachStore() error {
	if e.server().JetStreamEnabled() {
		return nil
	}
	account, err := e.server().LookupAccount(nodeAccount)
	if err != nil {
		return err
	}
	system := e.server().SystemAccount()
	if err := system.AddServiceExport(storeQuestions, nil); err != nil {
		return err
	}
	return account.AddServiceImport(system, storeQuestions, storeQuestions)
}

// keepStore looks for the place of a voter without a store, and starts a store
// again that stopped because its disk was full. It returns when to look again.
func (e *Engine) keepStore(ctx context.Context) time.Duration {
	switch {
	case !e.opts.voter():
		return storeCheck
	case e.opts.Cluster != nil && !e.dir.hasStore():
		if _, err := e.settle(ctx, ctx); err != nil && ctx.Err() == nil {
			e.log.report(TroubleStore, err.Error())
			return storeCheck
		}
		return settlePause
	case !e.server().Running():
		if err := e.startStore(ctx); err != nil && ctx.Err() == nil {
			e.log.report(TroubleStore, "the server does not start again: "+err.Error())
		}
		return storeRetry
	case e.storeStopped():
		return e.restartStore()
	}
	e.noteRecords()
	if err := e.helpLoneVoter(ctx); err != nil && ctx.Err() == nil {
		e.log.report(TroubleStore, "the store of the only voter did not start: "+err.Error())
	}
	return storeCheck
}

// restartStore starts a store that stopped, if there is room for it.
func (e *Engine) restartStore() time.Duration {
	if err := e.room(); err != nil {
		return storeRetry
	}
	if e.server().JetStreamEnabled() {
		if err := e.server().ShutdownJetStream(); err != nil {
			e.log.report(TroubleStore, "the store cannot be stopped: "+err.Error())
		}
	}
	e.log.storeAgain()
	if err := e.reload(e.routes.current()); err != nil || !e.server().JetStreamEnabled() {
		e.log.report(TroubleStore, fmt.Sprint("the store does not start again: ", err))
		return storeRetry
	}
	e.opts.Log.Info("engine: the store works again", "directory", e.dir.path)
	return storeCheck
}

// storeStopped reports whether the server gave its store up, or cannot write to it any more.
func (e *Engine) storeStopped() bool { return !e.server().JetStreamEnabled() || e.log.storeBroken() }

// room tries whether the directory takes some megabytes.
func (e *Engine) room() error {
	f, err := os.CreateTemp(e.dir.path, ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	block := make([]byte, 1<<20)
	for range storeRoom / len(block) {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close())
}

// helpLoneVoter gets the store of a lone voter going while no other node is
// there. The server does not elect anybody, not even itself, before it has seen
// one other server; so it is shown one, in this process, until it has.
func (e *Engine) helpLoneVoter(ctx context.Context) error {
	if e.opts.Cluster == nil || len(e.opts.Cluster.Voters) != 1 || e.server().NumRemotes() > 0 || e.server().JetStreamIsLeader() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, companionTime)
	defer cancel()
	cluster := *e.opts.Cluster
	cluster.Listen, cluster.Peers = "127.0.0.1:0", []string{e.reachMyself()}
	companion, err := Start(ctx, Options{Name: e.opts.Name + "-start", Version: e.opts.Version, Cluster: &cluster, Log: e.opts.Log})
	if err != nil {
		return err
	}
	tick := time.NewTicker(settlePause)
	defer tick.Stop()
	for !e.server().JetStreamIsLeader() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer done()
	return errors.Join(ctx.Err(), companion.Close(closing))
}
