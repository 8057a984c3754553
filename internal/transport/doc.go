// Package transport is what the endpoints of both generations of SignalR clients share, below their
// protocols: sockets and listeners that bound how long a peer may take nothing, WebSockets, HTTP
// answers that take long, bodies, CORS, addresses of clients, and refusals.
//
// What clients say and are told is not decided here. A WebSocket asks its Owner.
//
// An idle WebSocket costs one parked goroutine with the smallest stack and no buffer: the request
// that opened it is forgotten, bytes are read into borrowed buffers, and a writing goroutine exists
// only while the socket is full.
package transport
