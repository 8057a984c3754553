// Package natsd is the engine that joins nodes: a NATS server inside the
// process, or one outside that is reached by a URL. It starts and ends the
// server, lets it find the other nodes, keeps strangers out and says how it is.
// What travels over it is the business of others: they get a connection.
//
// A node alone has no port. The nodes of a cluster have one each, for routes
// between them; clients of NATS are not served. JetStream, which keeps what
// must outlive a node, runs on the voters only: one, three or five nodes that
// every node names. The others use it through them.
package natsd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Engine is a running engine. Make one with Start; Close ends it. All methods
// may be called concurrently.
type Engine struct {
	opts Options
	log  *logger
	conn *nats.Conn
	js   jetstream.JetStream
	embedded

	keeper  sync.WaitGroup
	stop    context.CancelFunc
	closing sync.Once
	closed  error
}

// embedded is what belongs to a server in this process.
type embedded struct {
	current  current // empty with an external NATS
	users    users
	routeTLS *tls.Config
	routes   *routes
	dir      *directory // nil if the node keeps no store
	host     string     // where it listens for routes, and the port
	port     int
	seals    seals
}

// Start starts an engine and returns when it works or cannot. A node that
// joins a cluster does not wait for the others: Ready says when the cluster
// can be used. An error names what to do; its kinds are the Err variables.
func Start(ctx context.Context, opts Options) (*Engine, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, &OptionsError{err}
	}
	for attempt := 1; ; attempt++ {
		e, err := startOnce(ctx, opts)
		// A port that was found to be free may have been taken before the server came to it.
		if !errors.Is(err, ErrPortInUse) || !opts.anyPort() || attempt == portAttempts {
			return e, err
		}
	}
}

// portAttempts is how many free ports are tried.
const portAttempts = 5

func startOnce(ctx context.Context, opts Options) (*Engine, error) {
	e := &Engine{opts: opts, log: newLogger(opts.Log)}
	start := e.startEmbedded
	if opts.External != nil {
		start = e.startExternal
	}
	if err := start(ctx); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, e.Close(closing))
	}
	return e, nil
}

// closeTimeout bounds how long an engine that could not start takes to end.
const closeTimeout = 5 * time.Second

// startEmbedded runs a server in this process.
func (e *Engine) startEmbedded(ctx context.Context) error {
	var err error
	if e.dir, err = openDirectory(e.opts); err != nil {
		return err
	}
	if e.users, err = newUsers(); err != nil {
		return err
	}
	if err := e.prepareRoutes(); err != nil {
		return err
	}
	if err := e.startNode(ctx); err != nil {
		return err
	}
	if e.conn, err = e.connect(ctx, e.users.node); err != nil {
		return fmt.Errorf("connecting to the embedded NATS server: %w", err)
	}
	if e.js, err = jetstream.New(e.conn); err != nil {
		return err
	}
	e.keep()
	return nil
}

// current is the running server. It changes once in the life of a voter: when
// it finds its place among the others and starts its store. Connections within
// the process follow, see nats.InProcessConnProvider.
type current struct{ server atomic.Pointer[server.Server] }

// InProcessConn implements nats.InProcessConnProvider.
func (c *current) InProcessConn() (net.Conn, error) { return c.server.Load().InProcessConn() }

// server is the embedded one, or nil.
func (e *Engine) server() *server.Server { return e.current.server.Load() }

// prepareRoutes decides how other nodes are known and found.
func (e *Engine) prepareRoutes() error {
	c := e.opts.Cluster
	e.routes = newRoutes(c, e.opts.Name, "", e.log.report)
	if c == nil {
		return nil
	}
	if err := e.chooseAddress(); err != nil {
		return err
	}
	e.routes.self = e.reachMyself()
	switch {
	case c.TLS != nil:
		var err error
		e.routeTLS, err = c.TLS.config()
		return err
	case c.Secret != "":
		who, err := newIdentity(e.opts.Name, c.Secret, c.Previous, time.Now)
		if err == nil {
			e.routeTLS = who.config()
		}
		return err
	}
	return nil
}

// startNode starts the server as what the node is: alone, a voter or neither.
func (e *Engine) startNode(ctx context.Context) error {
	jetStream := e.opts.voter()
	if jetStream && e.opts.Cluster != nil {
		jetStream = e.dir.hasStore()
	}
	routes := e.routes.all(ctx)
	if err := e.refuseNamesake(ctx, routes); err != nil {
		return err
	}
	if err := e.startServer(ctx, routes, jetStream); err != nil {
		return err
	}
	if e.opts.Cluster == nil {
		return e.checkDamage()
	}
	if !e.opts.voter() || jetStream {
		return nil
	}
	return e.settleSoon(ctx)
}

// Conn is the node's own connection. It is open until Close, and is made anew
// by itself when it breaks. What is sent while it is broken fails at once.
func (e *Engine) Conn() *nats.Conn { return e.conn }

// JetStream is the store of the cluster, by way of Conn.
func (e *Engine) JetStream() jetstream.JetStream { return e.js }

// Replicas is how many copies the store keeps of everything: one, or three
// where there are that many voters.
func (e *Engine) Replicas() int {
	switch {
	case e.opts.External != nil:
		return e.opts.External.Replicas
	case e.opts.Cluster != nil && len(e.opts.Cluster.Voters) >= 3:
		return 3
	}
	return 1
}

// Storage is where the store keeps it: in memory on a lone node without a
// directory, else in files. Those of a voter without a directory go with it.
func (e *Engine) Storage() jetstream.StorageType {
	if e.opts.External == nil && e.opts.Cluster == nil && e.opts.DataDir == "" {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}

// Close leaves the cluster in order: a voter hands on what it leads before it
// ends, so that the others write on after a fraction of a second. It returns
// when the server has ended, or with the context's error; the server then goes
// on ending. Further calls return what the first one did.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Do(func() { e.closed = e.close(ctx) })
	return e.closed
}

func (e *Engine) close(ctx context.Context) error {
	if e.stop != nil {
		e.stop()
		e.keeper.Wait()
	}
	if e.conn != nil {
		e.conn.Close()
		e.noteRecords()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.shutdownServer()
		e.log.close()
		e.dir.close()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the NATS server has not ended yet: %w", ctx.Err())
	}
}

// noteRecords seals the store.
func (e *Engine) noteRecords() {
	if e.opts.External != nil {
		return
	}
	if err := e.seal(); err != nil {
		e.log.report(TroubleStore, "the store's last records cannot be noted: "+err.Error())
	}
}

// shutdownServer ends the embedded server, if there is one, and waits for it.
func (e *Engine) shutdownServer() {
	if srv := e.server(); srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}
