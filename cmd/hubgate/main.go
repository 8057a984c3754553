// Command hubgate is a self-hosted gateway that speaks the protocols of Azure
// SignalR Service, and the tools around it: signing tokens, sending,
// listening, measuring. Without arguments it serves on localhost:8888.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end. From then on the next one ends
	// the process at once, as if it had never been caught.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], terminal{stdout: os.Stdout, stderr: os.Stderr}, nil))
}
