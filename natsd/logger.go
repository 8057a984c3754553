package natsd

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/secret"
)

// Trouble is a kind of thing that goes wrong in the engine.
type Trouble string

// The closed list of troubles. Each is counted and logged.
const (
	// TroubleServer is what the server calls an error and has no kind of its own.
	TroubleServer Trouble = "Server"
	// TroubleWarning is what the server warns of.
	TroubleWarning Trouble = "Warning"
	// TroubleRouteRefused is a connection between nodes that one end refused:
	// another secret or authority, an expired certificate, a stranger.
	TroubleRouteRefused Trouble = "RouteRefused"
	// TroubleUnreachable is a node that does not answer where it was looked for:
	// it has ended, or not begun.
	TroubleUnreachable Trouble = "Unreachable"
	// TroubleNameInUse is another node with the name of this one.
	TroubleNameInUse Trouble = "NameInUse"
	// TroubleSlowConsumer is a subscriber that was cut off or lost messages.
	TroubleSlowConsumer Trouble = "SlowConsumer"
	// TroubleStore is a store that stopped: its disk is full or broken.
	TroubleStore Trouble = "Store"
	// TroubleDisconnected is the node's own connection, broken.
	TroubleDisconnected Trouble = "Disconnected"
	// TroublePermission is something that an external server does not allow.
	TroublePermission Trouble = "Permission"
	// TroubleConnection is another error of the node's own connection.
	TroubleConnection Trouble = "Connection"
	// TroubleLookup is a peer's name that could not be looked up.
	TroubleLookup Trouble = "Lookup"
)

var troubles = []Trouble{
	TroubleServer, TroubleWarning, TroubleRouteRefused, TroubleUnreachable, TroubleNameInUse, TroubleSlowConsumer,
	TroubleStore, TroubleDisconnected, TroublePermission, TroubleConnection, TroubleLookup,
}

// logger takes what the server logs: troubles are counted and logged, summed up
// where they repeat; all else is for those who debug. It is a server.Logger.
type logger struct {
	log     *slog.Logger
	counts  *counts.Counts[Trouble]
	repeats *logsum.Lines[line]

	// store has a token when something is wrong with the store.
	store chan struct{}

	mu    sync.Mutex
	fatal error
	// broken says that the store cannot be written to.
	broken bool
}

// line is a kind of log line: numbers in it do not make it another one.
type line struct {
	trouble Trouble
	text    string
}

func newLogger(log *slog.Logger) *logger {
	l := &logger{log: log, counts: counts.New(troubles), store: make(chan struct{}, 1)}
	l.repeats = logsum.New(func(of line, times uint64) {
		l.log.Warn("engine: the same again", "reason", string(of.trouble), "like", of.text, "times", times)
	})
	return l
}

func (l *logger) close() { l.repeats.Close() }

// numbers are ports, connection numbers, counters and durations.
var numbers = regexp.MustCompile(`[0-9]+`)

// levels are those of the log; a trouble that is not in it is a warning.
var levels = map[Trouble]slog.Level{
	TroubleUnreachable: slog.LevelInfo,
	TroubleStore:       slog.LevelError,
	TroubleNameInUse:   slog.LevelError,
}

func level(trouble Trouble) slog.Level {
	if l, ok := levels[trouble]; ok {
		return l
	}
	return slog.LevelWarn
}

// report counts a trouble and logs it.
func (l *logger) report(trouble Trouble, text string) {
	l.counts.Add(trouble, 1)
	text = secret.Mask(text)
	if l.repeats.First(line{trouble, numbers.ReplaceAllString(text, "#")}) {
		l.log.Log(context.Background(), level(trouble), "engine: "+text, "reason", string(trouble))
	}
}

// storeTrouble notes that the store cannot be written to, and wakes the keeper.
func (l *logger) storeTrouble() {
	l.mu.Lock()
	l.broken = true
	l.mu.Unlock()
	select {
	case l.store <- struct{}{}:
	default:
	}
}

func (l *logger) storeBroken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// storeAgain forgets what was wrong with the store.
func (l *logger) storeAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
}

// kindOf sorts what the server says is an error. The server has no codes for it.
func kindOf(text string) Trouble {
	switch {
	case strings.Contains(text, "duplicate name"):
		return TroubleNameInUse
	case strings.Contains(text, "TLS route"), strings.Contains(text, "uthentication"), strings.Contains(text, "uthorization"),
		strings.Contains(text, "connect to route port"), strings.Contains(text, "luster name"):
		return TroubleRouteRefused
	case strings.Contains(text, "trying to connect to route"):
		return TroubleUnreachable
	case strings.Contains(text, "low Consumer"):
		return TroubleSlowConsumer
	case strings.Contains(text, "will be DISABLED"), strings.Contains(text, "no space left"):
		return TroubleStore
	}
	return TroubleServer
}

// Noticef implements server.Logger.
func (l *logger) Noticef(format string, v ...any) {
	l.log.Debug("engine: " + fmt.Sprintf(format, v...))
}

// Debugf implements server.Logger.
func (l *logger) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (l *logger) Tracef(string, ...any) {}

// Warnf implements server.Logger.
func (l *logger) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if expected(text) {
		return
	}
	trouble := kindOf(text)
	if trouble == TroubleServer {
		trouble = TroubleWarning
	}
	l.report(trouble, text)
}

// Errorf implements server.Logger.
func (l *logger) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if expected(text) {
		return
	}
	trouble := kindOf(text)
	l.report(trouble, text)
	if trouble == TroubleStore {
		l.storeTrouble()
	}
}

// Fatalf implements server.Logger: the server cannot start, and says so here only.
func (l *logger) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if expected(text) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal != nil {
		return
	}
	l.fatal = fmt.Errorf("%s", secret.Mask(text))
	for _, arg := range v {
		if err, ok := arg.(error); ok {
			l.fatal = &startError{text: secret.Mask(text), cause: err}
		}
	}
}

// failure returns why the server could not start, or nil.
func (l *logger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// startAgain forgets why the server could not start.
func (l *logger) startAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = nil
}

// startError is the server's own text, with the error it was made of.
type startError struct {
	text  string
	cause error
}

func (e *startError) Error() string { return e.text }
func (e *startError) Unwrap() error { return e.cause }

// expected reports lines about what is meant to be so: there is no port for
// clients (see noClients), a server without peers waits for the first, and the
// chain of certificates is verified here instead of there.
func expected(text string) bool {
	return strings.Contains(text, "address "+noClientsPort+": invalid port") ||
		strings.HasPrefix(text, "Waiting for routing to be established") ||
		strings.HasPrefix(text, "Metalayer blocking snapshot") ||
		strings.Contains(text, "hostname of solicited routes will not be verified")
}
