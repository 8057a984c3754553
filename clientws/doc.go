// Package clientws is the client endpoint: everything under /client. It answers
// negotiate requests and carries the WebSocket, Server-Sent Events and
// long-polling transports; what clients say and are told is the core's affair.
//
// An idle WebSocket costs one parked goroutine with the smallest stack and no
// buffer: the request that opened it is forgotten, bytes are read into borrowed
// buffers, and a writing goroutine exists only while the socket is full.
package clientws
