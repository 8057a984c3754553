package hubservertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/clientws"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubserver"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/store"
)

const (
	// node is the name of the gateway's only node.
	node = "test"
	// connectionString names a host that exists only for Gateway.DialContext.
	connectionString = "Endpoint=http://hubservertest;AccessKey=" + string(auth.EmulatorKey) + ";Version=1.0;"
	// endPatience is how long the parts of a gateway may take to end.
	endPatience = 10 * time.Second
)

// Gateway is a gateway in Default mode that lives until the end of a test. Its methods may be
// called concurrently.
type Gateway struct {
	t       testing.TB
	log     *slog.Logger
	network *network

	mu      sync.Mutex
	servers []*hubserver.Server
}

// New starts a gateway, which ends with the test. Its log is the test's output.
func New(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{t: t, log: slog.New(slog.NewTextHandler(t.Output(), nil)), network: newNetwork()}
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	if err != nil {
		t.Fatalf("hubservertest: %v", err)
	}
	keys := []auth.Secret{auth.EmulatorKey}
	verifier := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return keys }})
	servers := servermode.New(servermode.Options{Verifier: verifier, Node: node, Logger: g.log})
	core, err := gateway.New(gateway.Options{Node: node, Backend: servers, Logger: g.log,
		UserGroups: store.NewMemory(store.MemoryOptions{})})
	if err != nil {
		t.Fatalf("hubservertest: %v", err)
	}
	servers.Use(core)
	clients := clientws.New(clientws.Options{Gateway: core, Verifier: verifier, Sealer: sealer, Node: node, Logger: g.log,
		KeepHeaders: func(string) bool { return true }})
	mux := http.NewServeMux()
	mux.Handle(auth.ClientPath+"/", clients)
	mux.Handle(auth.ServerPath+"/", servers)
	web := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- web.Serve(g.network) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), endPatience)
		defer cancel()
		// Clients of the test have left; those of others are told to reconnect.
		err := errors.Join(core.Drain(ctx), servers.Close(ctx), web.Close())
		if failure := <-served; !errors.Is(failure, http.ErrServerClosed) {
			err = errors.Join(err, failure)
		}
		err = errors.Join(err, clients.Close(ctx))
		core.Close()
		if err != nil {
			t.Errorf("hubservertest: end of the gateway: %v", err)
		}
	})
	return g
}

// Serve starts a gateway and one server for the hubs, as New, NewServer and Start do.
func Serve(t testing.TB, hubs ...*hubserver.Hub) *Gateway {
	t.Helper()
	g := New(t)
	g.Start(g.NewServer(hubs...))
	return g
}

// NewServer returns a hub server of the gateway, with one connection and the test's output as its
// log. Its fields may be changed before Start.
func (g *Gateway) NewServer(hubs ...*hubserver.Hub) *hubserver.Server {
	server := hubserver.NewServer(g.ConnectionString(), hubs...)
	server.Connections, server.Logger, server.DialContext = 1, g.log, g.DialContext
	return server
}

// ConnectionString returns what an application is configured with to reach the gateway. Its host
// exists only for DialContext.
func (g *Gateway) ConnectionString() hubserver.ConnectionString {
	return hubserver.MustParseConnectionString(connectionString)
}

// DialContext connects to the gateway, whatever the address is. It is for the field of that name of
// a hubserver.Server that the application makes itself.
func (g *Gateway) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return g.network.dial(ctx, network, address)
}

// Start serves a server's hubs until the test ends, or until the test shuts the server down. It
// returns when the hubs are connected to the gateway.
func (g *Gateway) Start(server *hubserver.Server) {
	g.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(context.Background()) }()
	failed := make(chan struct{})
	g.t.Cleanup(func() {
		_ = server.Close() // its error is always nil
		if err := <-ended; !errors.Is(err, hubserver.ErrServerClosed) {
			g.t.Errorf("hubservertest: hub server: %v", err)
		}
	})
	ctx, cancel := context.WithCancelCause(g.t.Context())
	defer cancel(nil)
	go func() {
		defer close(failed)
		select {
		case err := <-ended:
			cancel(err)
			ended <- err
		case <-ctx.Done():
		}
	}()
	err := server.Ready(ctx)
	cancel(nil)
	<-failed
	if err != nil {
		g.t.Fatalf("hubservertest: hub server is not connected: %v", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.servers = append(g.servers, server)
}

// serverOf returns the first started server that serves a hub.
func (g *Gateway) serverOf(hub *hubserver.Hub) (*hubserver.Server, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, server := range g.servers {
		if slices.Contains(server.Hubs(), hub) {
			return server, nil
		}
	}
	return nil, fmt.Errorf("no server of the hub %q was started", hub.Name())
}
