// Package secret holds the one type for texts that nobody may see, such as access keys.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// EmulatorKey is the access key that Microsoft's emulator uses on every machine. It is public:
// whoever reaches a gateway that has it may do anything with it.
const EmulatorKey Text = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

// Redacted is what is shown in the place of a secret.
const Redacted = "[redacted]"

// Text is a text that no log, error, dump of settings or printed configuration may show. Every
// way of formatting or marshalling it gives Redacted, or "" for an empty one; only Reveal gives
// the text.
type Text string

// Reveal returns the text itself. Its result must not be printed.
func (t Text) Reveal() string { return string(t) }

// Equal compares two secrets in a time that depends on neither text.
func (t Text) Equal(other Text) bool {
	a, b := sha256.Sum256([]byte(t)), sha256.Sum256([]byte(other))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns Redacted, or "" for an empty secret.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return Redacted
}

// GoString is String: %#v shows nothing either.
func (t Text) GoString() string { return t.String() }

// Format writes what String returns whatever the verb is: %d of a plain string type would print
// its text inside the complaint about the verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue keeps the text out of structured logs.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText keeps the text out of JSON and YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
