package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/faults"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/tracing"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// maxHeaderBytes is what net/http lets through: more than the settings may
	// ever allow, since they change while it does not ask again. The handlers
	// enforce the exact bounds. Their refusals can be read by a page of another
	// origin, the one that net/http makes cannot.
	maxHeaderBytes = settings.MaxURIBytes + settings.MaxHeaderBytes + 64<<10
)

// endpoints are where a gateway can be reached.
type endpoints struct {
	// URL is what to put into a connection string, Admin where metrics are, ""
	// if they are switched off.
	URL, Admin string
	// Address is the first that is listened on, as HOST:PORT.
	Address string
}

// server is one running gateway.
type server struct {
	config    *config.Config // of the start, which stays: its options that are read once are in force
	reloading reloading
	log       *slog.Logger
	store     *settings.Store
	live      liveSettings
	views
	handler   http.Handler // of requests that other nodes hand on
	outside   http.Handler // of those that come from outside
	web       web
	nodes     nodes
	managed   managed
	endpoints endpoints
	// own signs what this process asks itself for.
	own auth.Secret
	// verifier is set before there are requests.
	verifier *auth.Verifier
	faults   atomic.Pointer[faults.Set] // nil before the core is there
	endings
}

// views are for those who look.
type views struct {
	admin *admin.Admin
	seen  *observer
}

// endings undo what was done. Built ends what exists, serving what goes on in it. They are two since ends
// have an order of their own: first clients, hub servers and webhooks, while everything still works, then
// the parts.
type endings struct{ built, serving teardowns }

// reloading is guarded by its mutex, which is held while the files are read again.
type reloading struct {
	sync.Mutex
	config *config.Config    // in force
	base   *config.Config    // what this node was given
	record management.Record // what was changed while running
}

// web is what the HTTP servers of the gateway share.
type web struct {
	cert    *certificate // nil without TLS
	accepts *acceptWatch
	// parting: clients are told to come again, elsewhere if there is anywhere else.
	parting atomic.Bool
	// failed gets the first error of a listener that stopped serving.
	failed chan error
	wg     sync.WaitGroup
}

// newServer builds everything and serves. After an error nothing is left.
func newServer(c *config.Config, log *slog.Logger) (s *server, err error) {
	s = &server{config: c, reloading: reloading{config: c, base: c}, log: log, web: web{failed: make(chan error, 1)}, endings: endings{built: teardowns{log: log}, serving: teardowns{log: log}}}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), c.Network.DrainTimeout)
			defer cancel()
			err = errors.Join(err, s.stop(ctx))
		}
	}()
	s.own = auth.Secret(rand.Text() + rand.Text())
	current, err := c.Settings()
	if err != nil {
		return s, usage(err)
	}
	if s.store, err = settings.NewStore(current); err != nil {
		return s, err
	}
	s.built.add("settings", ignoreContext(s.live.follow(s.store)))
	if s.web.cert, err = loadCertificate(c.TLS, log); err != nil {
		return s, usage(err)
	}
	if err := s.newGuard(); err != nil {
		return s, err
	}
	addresses, err := c.Addresses()
	if err != nil {
		return s, usage(err)
	}
	listeners, err := s.listen(addresses, listenFlag)
	if err != nil {
		return s, err
	}
	s.endpoints.URL, s.endpoints.Address = baseURL(c, listeners), listeners[0].Addr().String()
	s.admin = admin.New(version())
	s.seen = newObserver(s.log.With("part", partGateway), s.admin.Metrics)
	if s.seen.account, err = s.newAccount(); err != nil {
		return s, err
	}
	if err := s.newTelemetry(); err != nil {
		return s, err
	}
	s.built.add("summed up sends", ignoreContext(s.seen.unheard.Close))
	s.admin.Expect(expected())
	s.web.accepts = newAcceptWatch(log, s.admin.Metrics.AcceptFailed)
	s.built.add("watch of accepting", ignoreContext(s.web.accepts.lines.Close))
	if err := s.serveAdmin(); err != nil {
		return s, err
	}
	if err := s.buildGateway(listeners); err != nil {
		return s, err
	}
	return s, nil
}

// listen binds the addresses of the flag.
func (s *server) listen(addresses []config.Address, flag string) ([]net.Listener, error) {
	listeners, err := listenAll(addresses, flag)
	if err != nil {
		return nil, err
	}
	s.built.add("listeners", func(context.Context) error { return closeAll(listeners) })
	return listeners, nil
}

func (s *server) serveAdmin() error {
	addresses, err := s.config.AdminAddresses()
	if err != nil {
		return usage(err)
	}
	listeners, err := s.listen(addresses, adminFlag)
	if err != nil || len(listeners) == 0 {
		return err
	}
	var cert *certificate
	s.endpoints.Admin = "http://" + reachable(listeners[0].Addr().String())
	if s.config.Admin.TLS {
		cert, s.endpoints.Admin = s.web.cert, "https://"+reachable(listeners[0].Addr().String())
	}
	var pages http.Handler = s.admin
	if !s.config.AdminExposed() {
		pages = admin.LocalOnly(pages)
	}
	s.serve("admin server", pages, listeners, cert, nil)
	s.built.add("watchers", ignoreContext(s.seen.stream.Close)) // else its Shutdown would wait for them
	return nil
}

// buildGateway makes the gateway from its parts and opens it to clients.
func (s *server) buildGateway(listeners []net.Listener) error {
	if err := s.joinNodes(); err != nil {
		return err
	}
	node := auth.NodeTag(s.config.Network.Node)
	verifier := s.newVerifier()
	s.verifier = verifier
	behind := s.newBackends(node, verifier)
	s.built.add("upstream", behind.webhooks.Close)
	s.keepLife(behind.webhooks)
	hub, err := s.newHub(node, &behind)
	if err != nil {
		return err
	}
	rest, err := s.newEndpoints(hub, &behind, verifier, node)
	if err != nil {
		return err
	}
	if err := s.manage(hub, behind.servers); err != nil {
		return err
	}
	if err := s.openAdmin(hub, verifier); err != nil {
		return err
	}
	if s.nodes.plane != nil {
		s.nodes.plane.Handle(s.handler)
	}
	s.show(hub, &behind, rest, verifier)
	if life := s.nodes.life; life != nil {
		life.Start()
		s.serving.add("notes of clients", s.endLife) // after the last webhook
	}
	if d := s.nodes.deliveries; d != nil {
		d.outbox.Start()
		s.serving.add("outbox", d.outbox.Close) // likewise
	}
	s.followShared()
	s.open(listeners)
	if err := s.serveARM(hub); err != nil {
		return err
	}
	s.built.add("those who follow clients", ignoreContext(s.seen.who.Load().EndReaders)) // else the server would wait for them
	if plane := s.nodes.plane; plane != nil {
		s.built.add("requests for other nodes", ignoreContext(plane.EndForwarded)) // else the server would wait for them
	}
	s.serveFromNowOn(&behind)
	return nil
}

// show lets the admin address see the gateway and what is around it.
func (s *server) show(hub *gateway.Gateway, behind *backends, rest http.Handler, verifier *auth.Verifier) {
	if s.nodes.engine != nil {
		s.admin.WatchCluster(s.nodes.view)
	}
	s.admin.Watch(hub)
	s.admin.WatchDeliveries(s.deliveryView(behind.webhooks))
	s.admin.WatchServers(serverStats{behind.servers, behind.modes})
	s.admin.WatchModes(liveModes{&s.live})
	s.admin.WatchLive(s.liveView(hub, behind.servers, rest, verifier))
	desk := tracing.New(hub, s.seen.account.recorder(), s.nodes.peers())
	s.built.add("questions about what happened", ignoreContext(desk.Close))
	s.admin.WatchTrace(desk)
	if peers := s.nodes.peers(); peers != nil {
		s.built.add("live trace of other nodes", ignoreContext(s.seen.account.live.Join(peers)))
	}
	s.admin.WatchQuota(func() int { return s.live.load().gateway.MaxConnections })
	s.admin.WatchFollowers(s.seen.account.followers)
	s.built.add("settings of live trace", ignoreContext(s.store.Observe(func(_, _ *settings.Settings) { s.seen.account.live.Recheck() })))
}

// serveFromNowOn notes how what goes on ends: there can be clients, hub servers and webhooks now. Clients
// end first: they are told to reconnect elsewhere. Then hub servers, which have heard of those ends, then
// webhooks, which may still call REST.
func (s *server) serveFromNowOn(behind *backends) {
	s.serving.add("webhooks", behind.webhooks.Close)
	s.serving.add("hub servers", behind.servers.Close)
	s.serving.add("clients of other nodes", behind.servers.Leave)
	s.serving.add("clients", func(ctx context.Context) error {
		s.web.parting.Store(true)
		behind.cutOff.begin()
		return behind.cutOff.hub.Drain(ctx)
	})
}

// open serves clients, hub servers and REST.
func (s *server) open(listeners []net.Listener) {
	patient := make([]net.Listener, 0, len(listeners))
	for _, l := range listeners {
		patient = append(patient, transport.Listener(l, func() time.Duration { return s.live.load().clients.SendTimeout }))
	}
	s.serve("server", s.web.part(s.outside), patient, s.web.cert, func() bool { return s.live.load().source.Access.ClientCertificates })
}

// part ends the connection of a request while the gateway drains. Who comes again by a connection that is there would
// come here again: a balancer of connections is not asked. Connections that nothing is asked on are not ended, since
// something may be just then.
func (w *web) part(next http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if w.parting.Load() && r.Header.Get("Upgrade") == "" {
			answer.Header().Set("Connection", "close")
		}
		next.ServeHTTP(answer, r)
	})
}

// signClient makes a token for REST's :generateToken (R39).
func (s *server) signClient(hub, user string, lifetime time.Duration) (string, error) {
	sign := auth.SignClient
	if s.live.load().source.Auth.DisableLocalKeys {
		sign = auth.SignClientFor
	}
	return sign(s.live.load().keys[0], s.audience(), hub, auth.ClientTokenSpec{UserID: user, Lifetime: lifetime})
}

// audience is the URL for tokens that the gateway signs for itself: its own, but with a host that it
// accepts, if only some may be named.
func (s *server) audience() string {
	accepted := s.live.load().source.Auth.StrictAudience
	u, err := url.Parse(s.endpoints.URL)
	if err != nil || len(accepted) == 0 || slices.ContainsFunc(accepted, func(host string) bool { return strings.EqualFold(host, u.Hostname()) }) {
		return s.endpoints.URL
	}
	u.Host = accepted[0]
	if strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	return u.String()
}

// serve starts an HTTP server on listeners that are bound already. Those who come are asked for a certificate while asks
// says so; nil asks nobody.
func (s *server) serve(name string, handler http.Handler, listeners []net.Listener, cert *certificate, asks func() bool) {
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(s.log.With("part", name).Handler(), slog.LevelDebug),
	}
	if cert != nil {
		srv.TLSConfig = cert.tlsConfig(asks)
	}
	for _, l := range listeners {
		l = s.web.accepts.listener(l)
		s.web.wg.Go(func() {
			if err := serveOn(srv, l, cert != nil); !errors.Is(err, http.ErrServerClosed) {
				select {
				case s.web.failed <- fmt.Errorf("%s on %s: %w", name, l.Addr(), err):
				default: // one failure ends the gateway
				}
			}
		})
	}
	s.built.add(name, func(ctx context.Context) error {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(err, srv.Close())
		}
		return nil
	})
}

func serveOn(srv *http.Server, l net.Listener, secure bool) error {
	if secure {
		return srv.ServeTLS(l, "", "")
	}
	return srv.Serve(l)
}

// stop ends what goes on and then everything that was built, within ctx.
func (s *server) stop(ctx context.Context) error {
	err := errors.Join(s.serving.run(ctx), s.built.run(ctx))
	s.web.wg.Wait()
	return err
}

func ignoreContext(f func()) func(context.Context) error {
	return func(context.Context) error {
		f()
		return nil
	}
}
