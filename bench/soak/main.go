// Command soak lets clients of all transports live against a gateway and two hub servers for a
// while, and looks for what is lost and for what stays behind:
//
//	go run ./bench/soak                          three minutes, 500 clients
//	go run ./bench/soak -duration 1h
//
// A hundred more are clients of ASP.NET SignalR. They lose their transports, come back with others and
// must have missed nothing.
//
// The clients join, leave, invoke, stream, stall, cut their sockets and come back. One hub server
// is restarted gracefully, the other is killed, in turns. Everything that is sent has a number, so
// that each client knows what it missed, got twice or got out of order.
//
// After the warm-up and again at the end the clients pause, and the gateway is looked at: its books
// must balance, and at the end it may hold no more goroutines, descriptors or heap than before. The pauses
// come on top of the time for which the clients live.
// The last line is "soak: passed", or there is a line "soak: FAILED" and the exit code is 1. Then the
// gateway's log is kept, and each fault says when it was noticed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options say how long and how much.
type options struct {
	// duration is how long the clients live, the warm-up included and pauses not.
	duration time.Duration
	clients  int
	// aspNet is how many further clients there are of ASP.NET SignalR.
	aspNet int
	seed   uint64
	// warmup is the time until the gateway is looked at for the first time.
	warmup time.Duration
	// restartEvery is the time between two restarts of hub servers.
	restartEvery time.Duration
}

func main() {
	var o options
	flag.DurationVar(&o.duration, "duration", 3*time.Minute, "how long the clients live")
	flag.IntVar(&o.clients, "clients", 500, "how many there are")
	flag.IntVar(&o.aspNet, "aspnet", 100, "how many further clients there are of ASP.NET SignalR")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of what they do")
	flag.DurationVar(&o.warmup, "warmup", time.Minute, "time until the gateway is looked at for the first time")
	flag.DurationVar(&o.restartEvery, "restart", 15*time.Second, "time between two restarts of hub servers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := soak(ctx, os.Stdout, o); err != nil {
		fmt.Println("soak: FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("soak: passed")
}

func soak(ctx context.Context, out io.Writer, o options) (err error) {
	if o.duration <= o.warmup {
		return errors.New("-duration is not longer than -warmup: nobody would live between the two readings")
	}
	dir, err := os.MkdirTemp("", "hubgate-soak-")
	if err != nil {
		return err
	}
	l, err := newLab(ctx, dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(dir)
			return
		}
		err = fmt.Errorf("%w\nthe gateway's log is kept: %s", err, l.log())
	}()
	defer func() { err = errors.Join(err, l.close()) }()
	fmt.Fprintf(out, "seed %d, %d clients and %d of ASP.NET SignalR, %v, gateway %s (process %d)\n", o.seed, o.clients, o.aspNet, o.duration, l.gateway.URL, l.gateway.PID())

	w := newWorld(l, o)
	before, after, err := w.run(ctx, out)
	fmt.Fprint(out, w.tally.String())
	if err != nil {
		return errors.Join(err, w.tally.err())
	}
	fmt.Fprintf(out, "%s\n%s\n", before, after)
	return errors.Join(w.tally.err(), before.compare(after, o.aspNet))
}
