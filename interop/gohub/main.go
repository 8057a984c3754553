// Gohub is a hub server for the suite "default": TestHub, with a method of every kind, and
// an HTTP interface by which the suite has it send from outside of calls.
//
//	Azure__SignalR__ConnectionString=Endpoint=... gohub [--urls http://127.0.0.1:0]
//		[--name s1] [--app NAME] [--connections 5] [--shutdown off|wait|migrate]
//
// When it listens and is connected it prints one line: READY http://127.0.0.1:PORT
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/hubserver"
)

// grace is how long clients that are to stay or to be moved may take after the stop.
const grace = 15 * time.Second

var shutdownModes = map[string][]hubserver.ShutdownOption{
	"off": nil, "wait": {hubserver.AwaitClients()}, "migrate": {hubserver.MigrateClients()},
}

func main() {
	var (
		urls        = flag.String("urls", "http://127.0.0.1:0", "where to listen")
		name        = flag.String("name", "s1", "the server's name")
		connections = flag.Int("connections", 5, "connections to the gateway")
		application = flag.String("app", "", "the application's name, which keeps its hub apart from others")
		shutdown    = flag.String("shutdown", "off", "what SIGTERM does to the clients: off, wait or migrate")
	)
	flag.Parse()
	mode, known := shutdownModes[*shutdown]
	if !known {
		fmt.Fprintln(os.Stderr, "gohub: unknown shutdown mode")
		os.Exit(2)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	hub := newTestHub(*name)
	gateway, err := hubserver.ParseConnectionString(os.Getenv("Azure__SignalR__ConnectionString"))
	if err != nil {
		log.Error("gohub ends", "error", err)
		os.Exit(1)
	}
	server := hubserver.NewServer(gateway, hub.hub)
	server.ApplicationName = *application
	server.Connections = *connections
	server.ServerID = *name
	server.Logger = log
	if err := run(server, hub, *urls, mode); err != nil {
		log.Error("gohub ends", "error", err)
		os.Exit(1)
	}
}

// run serves until a signal or a request to stop, and then shuts the server down.
func run(server *hubserver.Server, hub *testHub, urls string, leave []hubserver.ShutdownOption) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	address, err := url.Parse(urls)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address.Host)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/test/negotiate", server.NegotiateHandler(hub.hub, identify))
	control(mux, hub, stop)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: grace}
	ended := make(chan error, 2)
	go func() { ended <- web.Serve(listener) }()
	go func() { ended <- server.Serve(context.Background()) }()
	if err := server.Ready(ctx); err != nil {
		return err
	}
	fmt.Printf("READY http://%s\n", listener.Addr())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	// Negotiates and control requests are answered until the clients have gone.
	if err := server.Shutdown(bound, leave...); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err := web.Close(); err != nil {
		return err
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, hubserver.ErrServerClosed) {
			return err
		}
	}
	return nil
}

// identify takes the client's identity from ?user=NAME&claim=TYPE:VALUE (repeatable).
func identify(r *http.Request) (hubserver.Identity, error) {
	query := r.URL.Query()
	who := hubserver.Identity{User: query.Get("user")}
	for _, one := range query["claim"] {
		claimType, value, ok := strings.Cut(one, ":")
		if !ok {
			return who, hubserver.Error("a claim is TYPE:VALUE")
		}
		who.Claims = append(who.Claims, hubserver.Claim{Type: claimType, Value: value})
	}
	return who, nil
}
