// Command floor is the least that delivering a message to many WebSockets can
// cost: it accepts the same clients as hubgate and spends one bare write(2) of
// a ready frame per delivery, and nothing else. It checks nothing and offers
// nothing; its only purpose is to be the 1 that hubgate's cost is a multiple
// of, measured in the same run on the same machine (see bench/compare).
//
//	GET  /client/...    WebSocket upgrade; what the client sends first is
//	                    answered with an empty handshake response
//	POST /send?count=N  N times (1 if absent) the SignalR invocation whose
//	                    target and arguments are the body, to every client
//
// With -echo it is another least: a loop around gorilla/websocket that sends each
// client what it says, to compare a call through a gateway and a hub with.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on, host:port")
	echoes := flag.Bool("echo", false, "send clients what they say")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *echoes, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. Its first line of output is the address.
func run(ctx context.Context, listen string, echoes bool, out io.Writer) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	f := newFloor(runtime.GOMAXPROCS(0))
	defer f.close()
	srv := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	if echoes {
		srv.Handler = http.HandlerFunc(echo)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	fmt.Fprintf(out, "listening on %s\n", l.Addr())
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
		err = srv.Close()
		<-served
		return err
	}
}
