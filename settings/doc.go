// Package settings holds what may change while the gateway runs: service
// mode, access keys, upstream templates, CORS, limits, client timers and token
// checks.
//
// A [Settings] value is built by somebody else (files, flags, later a
// management call), validated as a whole and swapped into a [Store]. Readers
// take an immutable snapshot with one atomic load and never see half a change.
//
// The package does no I/O.
package settings
