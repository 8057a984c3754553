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
//
// With -tls-cert and -tls-key clients come over TLS. A delivery is then one Write of
// crypto/tls, and an idle client is a goroutine that waits in one Read.
package main

import (
	"context"
	"crypto/tls"
	"errors"
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
	cert := flag.String("tls-cert", "", "PEM file of a certificate, to serve over TLS")
	key := flag.String("tls-key", "", "PEM file of its key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, options{*listen, *echoes, *cert, *key}, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

type options struct {
	listen    string
	echoes    bool
	cert, key string // files; empty without TLS
}

// run serves until ctx ends. Its first line of output is the address.
func run(ctx context.Context, o options, out io.Writer) error {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		scheme, l = "https", tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	f := newFloor(runtime.GOMAXPROCS(0))
	defer f.close()
	srv := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	if o.echoes {
		srv.Handler = http.HandlerFunc(echo)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	fmt.Fprintf(out, "listening on %s://%s\n", scheme, l.Addr())
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
		err = srv.Close()
		<-served
		return err
	}
}
