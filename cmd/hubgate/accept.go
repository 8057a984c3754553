package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/hubgate/hubgate/internal/logsum"
)

// acceptWatch counts and logs connections that could not be accepted. net/http
// tries again, at most a second later, and tells nobody.
type acceptWatch struct {
	count func()
	lines *logsum.Lines[acceptFailure]
}

// acceptFailure is a kind of failure to accept.
type acceptFailure string

const (
	noDescriptor acceptFailure = "no file descriptor is left"
	anyFailure   acceptFailure = "see the lines at level debug"
)

func newAcceptWatch(log *slog.Logger, count func()) *acceptWatch {
	lines := logsum.New(func(why acceptFailure, times uint64) {
		attributes := []any{"error", string(why)}
		if why == noDescriptor {
			attributes = append(attributes, "advice", "raise ulimit -n (LimitNOFILE of a systemd unit), or bound the clients with limits.maxConnections")
		}
		if times > 0 {
			attributes = append(attributes, "times", times)
		}
		log.Error("connections cannot be accepted", attributes...)
	})
	return &acceptWatch{count, lines}
}

func (w *acceptWatch) failed(err error) {
	w.count()
	if isNoDescriptor(err) {
		w.lines.Note(noDescriptor)
	} else {
		w.lines.Note(anyFailure)
	}
}

// listener returns l, watched.
func (w *acceptWatch) listener(l net.Listener) net.Listener { return &watchedListener{l, w} }

type watchedListener struct {
	net.Listener
	watch *acceptWatch
}

func (l *watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		l.watch.failed(err)
	}
	return conn, err
}

const (
	// reservedDescriptors are what the gateway needs beside its clients: listeners,
	// files, hub servers and webhooks under way.
	reservedDescriptors = 128
	// fewDescriptors are so few that a gateway without a bound will run out of them.
	fewDescriptors = 4096
)

// descriptorWarning says what is wrong with a limit of file descriptors for so
// many clients, "" for nothing. 0 clients are no bound, a limit of 0 is unknown.
func descriptorWarning(limit uint64, clients int) string {
	switch {
	case limit == 0:
		return ""
	case clients > 0 && limit < uint64(clients)+reservedDescriptors:
		return fmt.Sprintf("this process may have %d files and connections open: too few for the %d clients of limits.maxConnections; raise ulimit -n (LimitNOFILE) to %d",
			limit, clients, clients+reservedDescriptors)
	case clients == 0 && limit < fewDescriptors:
		return fmt.Sprintf("this process may have %d files and connections open, one for each client: raise ulimit -n (LimitNOFILE), or set limits.maxConnections to less", limit)
	}
	return ""
}
