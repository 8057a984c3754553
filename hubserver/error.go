package hubserver

import "errors"

// Error is an error whose text the client may see. The text of every other error that a
// method returns stays in the log, and the client is told that something went wrong.
type Error string

// Error returns the text.
func (e Error) Error() string { return string(e) }

// ResultError is the error that a client has returned for an Invoke. It is not passed on
// to the clients of the method that invoked.
type ResultError struct{ Text string }

// Error returns the client's text.
func (e *ResultError) Error() string { return "the client answered with an error: " + e.Text }

var (
	// ErrServerClosed is what Serve returns after Shutdown or Close.
	ErrServerClosed = errors.New("hub server closed")
	// ErrNotConnected says that the hub has no connection to the gateway: it is not being
	// served, or the gateway is away.
	ErrNotConnected = errors.New("hub is not connected to the gateway")
	// ErrTimeout says that the gateway has not acknowledged in time, or could not do it.
	ErrTimeout = errors.New("gateway has not acknowledged in time")
	// ErrNoClient says that a connection does not exist, or no longer.
	ErrNoClient = errors.New("no such client connection")

	// ErrMigrated is what OnDisconnected gets, and the cause of the contexts that end,
	// when a client goes on at another hub server and has noticed nothing.
	ErrMigrated = errors.New("client has moved to another hub server")
	// ErrConnectionLost is the same when the connection to the gateway was lost.
	ErrConnectionLost = errors.New("connection to the gateway lost")
	// ErrAborted is the same after Context.Abort.
	ErrAborted = errors.New("client aborted by the hub")
	// ErrClientTimeout is the same when the client was silent for too long.
	ErrClientTimeout = errors.New("client timed out")
	// ErrClientFlood is the same when the client has sent more than its hub could take.
	ErrClientFlood = errors.New("client sends faster than its hub can handle")
)

// errClientLeft is the cause of contexts when the client has left by itself.
var errClientLeft = errors.New("client has left")
