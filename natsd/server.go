package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// ErrPortInUse is the error of a node whose port for routes another process has.
var ErrPortInUse = errors.New("the address for other nodes is in use")

const (
	// The node's account and the server's own. There is nothing in the global
	// account, and so no way in without a key.
	nodeAccount   = "HG"
	systemAccount = "SYS"

	clusterName = "hubgate"
	routePing   = time.Second
	routeWrite  = 2 * time.Second
	// handshakeTime bounds TLS and the first frame of a route.
	handshakeTime = 2 * time.Second
	maxPayload    = 1 << 20

	// MaxPending is how many bytes may wait for a connection of this process before the server cuts it
	// off. What the other nodes have under way to one node has to stay well below.
	MaxPending = 128 << 20

	// gossipRetries is how often, a second apart, a node tries to reach one
	// that another has told it of: as long as one that a name stood for.
	gossipRetries = int(keepGone / time.Second)
	// syncEvery is how late files are synced where other voters have copies.
	syncEvery = 10 * time.Second

	// noClientsPort is no port. A server with routes opens its port for clients
	// first and goes on if it cannot: so none is open. It says so in its log,
	// see expected. Without wanting one (DontListen) it would never open its routes.
	noClientsPort = "70000"
)

// users are the two keys that the server lets in. They are new at every start:
// nobody connects but this process.
type users struct{ node, system user }

type user struct {
	keys   nkeys.KeyPair
	public string
}

func newUsers() (users, error) {
	node, err := newUser()
	if err != nil {
		return users{}, err
	}
	system, err := newUser()
	return users{node: node, system: system}, err
}

func newUser() (user, error) {
	keys, err := nkeys.CreateUser()
	if err != nil {
		return user{}, err
	}
	public, err := keys.PublicKey()
	return user{keys: keys, public: public}, err
}

// serverOptions are those of a server with these routes, and with a store or
// without. A running server takes other routes, and takes a store when it has none.
func (e *Engine) serverOptions(routes []*url.URL, jetStream bool) (*server.Options, error) {
	o := &server.Options{}
	err := o.ProcessConfigString(fmt.Sprintf(`accounts {
	%s { jetstream: enabled, users: [{nkey: %s}] }
	%s { users: [{nkey: %s}] }
}
system_account: %s`, nodeAccount, e.users.node.public, systemAccount, e.users.system.public, systemAccount))
	if err != nil {
		return nil, err
	}
	o.ServerName = e.opts.Name
	o.Metadata = map[string]string{versionKey: e.opts.Version}
	switch {
	case jetStream:
		o.Metadata[storeKey] = storeKept
	case e.opts.voter():
		o.Metadata[storeKey] = storeWanted
	}
	o.NoSigs = true
	o.MaxPayload, o.MaxPending = maxPayload, MaxPending
	o.DisableJetStreamBanner = true
	o.JetStream = jetStream
	if e.opts.voter() {
		e.storeOptions(o)
	}
	if e.opts.Cluster == nil {
		o.DontListen = true
		return o, nil
	}
	o.Metadata[addressKey] = e.announced()
	o.Host, o.Port = "127.0.0.1", noPort()
	o.Routes = routes
	o.Cluster = e.clusterOptions()
	return o, nil
}

func noPort() int {
	port, err := strconv.Atoi(noClientsPort)
	if err != nil {
		panic(err)
	}
	return port
}

func (e *Engine) storeOptions(o *server.Options) {
	o.StoreDir = e.dir.path
	o.JetStreamMaxMemory, o.JetStreamMaxStore = maxMemory, e.opts.MaxStore
	if e.Replicas() == 1 {
		o.SyncAlways = true // there is no other copy
	} else {
		o.SyncInterval = syncEvery
	}
}

func (e *Engine) clusterOptions() server.ClusterOpts {
	return server.ClusterOpts{
		Name: clusterName, Host: e.host, Port: e.port, Advertise: e.advertise(), NoAdvertise: true,
		// One connection for the node's account and one for the server's own.
		PoolSize:    1,
		AuthTimeout: handshakeTime.Seconds(), TLSTimeout: handshakeTime.Seconds(),
		PingInterval: routePing, WriteDeadline: routeWrite, ConnectRetries: gossipRetries,
		TLSConfig: e.routeTLS,
	}
}

// anyPort says whether any free port will do.
func (o *Options) anyPort() bool {
	if o.Cluster == nil {
		return false
	}
	_, port, err := net.SplitHostPort(o.Cluster.Listen)
	number, err2 := net.LookupPort("tcp", port)
	return err == nil && err2 == nil && number == 0
}

// chooseAddress takes apart where to listen, and finds a free port if any will do.
func (e *Engine) chooseAddress() error {
	host, port, err := net.SplitHostPort(e.opts.Cluster.Listen)
	if err != nil {
		return err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	e.host = host
	if e.port, err = net.LookupPort("tcp", port); err != nil || e.port != 0 {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return fmt.Errorf("the address for other nodes: %w", err)
	}
	e.port = l.Addr().(*net.TCPAddr).Port
	return l.Close()
}

// advertise is what other nodes tell each other of where this one is: what the
// options say, or where it listens, or if that is everywhere, where they see it come from.
func (e *Engine) advertise() string {
	if e.opts.Cluster.Advertise != "" {
		return e.opts.Cluster.Advertise
	}
	if ip := net.ParseIP(e.host); ip != nil && ip.IsUnspecified() {
		return ""
	}
	return net.JoinHostPort(e.host, strconv.Itoa(e.port))
}

// announced is advertise, with the port alone if others see where the node comes from.
func (e *Engine) announced() string {
	if at := e.advertise(); at != "" {
		return at
	}
	return net.JoinHostPort("", strconv.Itoa(e.port))
}

// reachMyself is the node's own address as this machine reaches it.
func (e *Engine) reachMyself() string {
	host := e.host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(e.port))
}

// startServer makes and starts the server, and waits until its port is open.
func (e *Engine) startServer(ctx context.Context, routes []*url.URL, jetStream bool) error {
	o, err := e.serverOptions(routes, jetStream)
	if err != nil {
		return err
	}
	srv, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("the NATS server does not take its options: %w", err)
	}
	srv.SetLoggerV2(e.log, false, false, false)
	e.current.server.Store(srv)
	srv.Start()
	return e.awaitServer(ctx, srv)
}

// awaitServer returns when the server works, or why it does not.
func (e *Engine) awaitServer(ctx context.Context, srv *server.Server) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if err := e.log.failure(); err != nil {
			return e.startFailure(err)
		}
		if e.opts.Cluster == nil {
			return nil
		}
		if srv.ClusterAddr() != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the NATS server did not start: %w", ctx.Err())
		}
	}
}

func (e *Engine) startFailure(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: %s; choose another one, or end what has it (%w)", ErrPortInUse, e.opts.Cluster.Listen, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: no space is left where %s is (%w)", ErrStore, e.dir.path, err)
	case e.dir != nil && !e.dir.temporary && strings.Contains(err.Error(), "start JetStream"):
		return fmt.Errorf("%w: %w; it is in %s. If it is damaged: %s", ErrStore, err, e.dir.path, waysOut)
	}
	return fmt.Errorf("the NATS server did not start: %w", err)
}

// Address is where other nodes reach this one, or nil for a node that has no port.
func (e *Engine) Address() net.Addr {
	if e.opts.Cluster == nil {
		return nil
	}
	return &net.TCPAddr{IP: net.ParseIP(e.host), Port: e.port}
}

// connect opens a connection to the embedded server within the process.
func (e *Engine) connect(ctx context.Context, as user) (*nats.Conn, error) {
	return e.connectBy(ctx, &e.current, as)
}

// connectBy tries more than once: a server that has not heard from a slow client for a second pings it, and a client that gets
// a ping in place of its first answer gives up.
func (e *Engine) connectBy(ctx context.Context, server nats.InProcessConnProvider, as user) (*nats.Conn, error) {
	for attempt := 1; ; attempt++ {
		conn, err := nats.Connect("", append(e.connOptions(), nats.Timeout(withinTime),
			nats.InProcessServer(server), nats.Nkey(as.public, as.keys.Sign))...)
		if err == nil || !strings.Contains(err.Error(), pingedInstead) || attempt == connAttempts || ctx.Err() != nil {
			return conn, err
		}
	}
}

const (
	// withinTime bounds how long the server takes to greet a connection within the process. It is always there, but a
	// busy machine is slow.
	withinTime = 10 * time.Second
	// pingedInstead is what the client says then. It has no value for that error.
	pingedInstead = "expected 'PONG', got 'PING'"
	// connAttempts is how often such a connection is tried.
	connAttempts  = 5
	reconnectWait = 50 * time.Millisecond
	connPing      = time.Second
	connPingsOut  = 3
)

// connOptions are those of every connection. Nothing is sent late: what cannot
// be sent at once fails, and its sender decides.
func (e *Engine) connOptions() []nats.Option {
	return []nats.Option{
		nats.Name(e.opts.Name),
		nats.ReconnectBufSize(-1),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(connPing),
		nats.MaxPingsOutstanding(connPingsOut),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { e.connTrouble(sub, err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				e.log.report(TroubleDisconnected, "connection lost: "+err.Error())
			}
		}),
	}
}

func (e *Engine) connTrouble(sub *nats.Subscription, err error) {
	trouble := TroubleConnection
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		trouble = TroubleSlowConsumer
	case errors.Is(err, nats.ErrPermissionViolation):
		trouble = TroublePermission
	}
	text := "connection: " + err.Error()
	if sub != nil {
		text += " (" + sub.Subject + ")"
	}
	e.log.report(trouble, text)
}
