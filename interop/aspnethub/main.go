// Aspnethub is a hub server for the suite "aspnet". It speaks the service protocol as
// Microsoft.Azure.SignalR.AspNet 1.25.1 does, and its hubs are those of an ASP.NET SignalR
// application: ChatHub, otherHub, and secretHub for authenticated users.
//
//	Azure__SignalR__ConnectionString=Endpoint=... aspnethub [--urls http://127.0.0.1:0]
//		[--name s1] [--app classic] [--connections 5]
//
// Clients negotiate at /signalr; the query item fakeuser=NAME signs them in. The suite asks for
// events and faults below /ctl. When all connections to the gateway stand, the program prints one
// line: READY http://127.0.0.1:PORT
//
// A signal ends it as a crash does: the gateway and the clients are told nothing, as by the
// original.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/auth"
)

func main() {
	var (
		urls        = flag.String("urls", "http://127.0.0.1:0", "where to listen")
		name        = flag.String("name", "s1", "the server's name")
		connections = flag.Int("connections", 5, "connections to the gateway, for each hub and for the application")
		application = flag.String("app", "classic", "the application's name")
	)
	flag.Parse()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	gateway, err := auth.ParseConnectionString(os.Getenv("Azure__SignalR__ConnectionString"))
	if err == nil {
		err = run(newServer(gateway, *application, *name, log), *urls, *connections)
	}
	if err != nil {
		log.Error("aspnethub ends", "error", err)
		os.Exit(1)
	}
}

// run serves until a signal.
func run(s *server, urls string, connections int) error {
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
	mux.HandleFunc("/signalr/", s.serveApplication)
	s.control(mux)
	ended := make(chan error, 1)
	go func() {
		ended <- (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(listener)
	}()
	connected := s.connect(ctx, connections)
	for {
		select {
		case <-connected:
			fmt.Printf("READY http://%s\n", listener.Addr())
			connected = nil
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}
