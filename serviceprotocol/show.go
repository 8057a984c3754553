package serviceprotocol

import (
	"fmt"
	"log/slog"
)

// The messages below carry tokens, keys, claims or unknown content. However they are printed,
// only their type and their id are shown.

// Format writes the type.
func (m *AccessKeyRequest) Format(f fmt.State, _ rune) { show(f, m.Type(), "") }

// LogValue is the type.
func (m *AccessKeyRequest) LogValue() slog.Value { return shown(m.Type(), "") }

// Format writes the type.
func (m *AccessKeyResponse) Format(f fmt.State, _ rune) { show(f, m.Type(), "") }

// LogValue is the type.
func (m *AccessKeyResponse) LogValue() slog.Value { return shown(m.Type(), "") }

// Format writes the type and the connection.
func (m *OpenConnection) Format(f fmt.State, _ rune) { show(f, m.Type(), m.ConnectionID) }

// LogValue is the type and the connection.
func (m *OpenConnection) LogValue() slog.Value { return shown(m.Type(), m.ConnectionID) }

// Format writes the type's number.
func (m *Unknown) Format(f fmt.State, _ rune) { show(f, m.Type(), fmt.Sprint(int32(m.Number))) }

// LogValue is the type's number.
func (m *Unknown) LogValue() slog.Value { return shown(m.Type(), fmt.Sprint(int32(m.Number))) }

func show(f fmt.State, t Type, id string) {
	_, _ = fmt.Fprintf(f, "%s(%q)", t, id)
}

func shown(t Type, id string) slog.Value {
	return slog.GroupValue(slog.String("type", t.String()), slog.String("id", id))
}
