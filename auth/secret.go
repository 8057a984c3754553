package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// EmulatorKey is the access key that Microsoft's emulator uses on every
// machine. It is public: with it nothing may listen beyond loopback unasked.
const EmulatorKey Secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

const redacted = "[redacted]"

// Secret is an access key or another text that no log, error or settings dump
// may show. Every way of printing it gives "[redacted]", an empty one gives "";
// only Reveal gives the text.
type Secret string

// Reveal returns the text itself. Its result must not be printed.
func (s Secret) Reveal() string { return string(s) }

// Equal compares two secrets in a time that depends on neither text.
func (s Secret) Equal(other Secret) bool {
	a, b := sha256.Sum256([]byte(s)), sha256.Sum256([]byte(other))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns "[redacted]", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String: %#v shows nothing either.
func (s Secret) GoString() string { return s.String() }

// Format writes what String returns whatever the verb is: %d of a plain string
// type would print its text inside the complaint about the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps the text out of structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the text out of JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
