package hubserver

import "errors"

// Error is an error whose text the client is told. The text of any other error that a method
// returns goes to the log only; the client is told that an unexpected error occurred.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ResultError is the error with which a client has answered an Invoke. A method that returns
// it does not pass its text on to its own caller.
type ResultError struct{ Text string }

// Error returns the client's text.
func (e *ResultError) Error() string { return "the client answered with an error: " + e.Text }

var (
	// ErrServerClosed is returned by Serve after Shutdown or Close. OnDisconnected gets it for
	// clients that were closed because the server ends.
	ErrServerClosed = errors.New("hub server closed")
	// ErrNotConnected means that the hub has no connection to the gateway. It is not being
	// served, or the gateway cannot be reached.
	ErrNotConnected = errors.New("hub is not connected to the gateway")
	// ErrTimeout means that the gateway has not acknowledged a request in time. It may have
	// carried the request out or not.
	ErrTimeout = errors.New("gateway has not acknowledged in time")
	// ErrGateway means that the gateway has failed to carry out a request, and has said so.
	ErrGateway = errors.New("gateway failed to carry out the request")
	// ErrNoClient means that there is no such connection, or no longer.
	ErrNoClient = errors.New("no such client connection")

	// The errors below say why a client has gone. OnDisconnected gets them, and they are the causes
	// of the contexts of the client's calls.

	// ErrMigrated: the gateway has moved the client to another hub server. The client has not
	// noticed.
	ErrMigrated = errors.New("client has moved to another hub server")
	// ErrConnectionLost: the connection to the gateway was lost. Functions that wait for the
	// gateway's answer return it too.
	ErrConnectionLost = errors.New("connection to the gateway lost")
	// ErrAborted: the hub has closed the client, with Context.Abort or Client.Close.
	ErrAborted = errors.New("client aborted by the hub")
	// ErrClientTimeout: the client was silent for too long.
	ErrClientTimeout = errors.New("client timed out")
	// ErrClientFlood: the client has sent more than Hub.MaxPending allows.
	ErrClientFlood = errors.New("client sends faster than its hub can handle")
)

// errClientLeft is the cause of contexts when the client has left by itself.
var errClientLeft = errors.New("client has left")
