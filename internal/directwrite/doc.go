// Package directwrite writes to sockets without waiting for them: what a socket does not take at
// once is left to the caller. It is how one goroutine writes to thousands of clients.
package directwrite
