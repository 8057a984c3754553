// Package auth holds what proves who somebody is: access keys and connection
// strings, the tokens of clients and REST callers, the signature that webhooks
// carry, and the ids and sealed tokens of connections.
//
// It knows no hub and no socket. Everything secret has the type [Secret] or is
// kept out of errors altogether, so that no log line can hold a key or a token.
package auth
