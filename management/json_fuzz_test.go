package management_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/management"
)

// FuzzCheckNames: what is taken is one JSON value, and has no field twice.
func FuzzCheckNames(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":null}]}`, `{"a":1,"A":2}`, `{} {}`, `[[`, `{"a"`, `1`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if management.CheckNames(text) == nil {
			require.True(t, json.Valid(text))
		}
	})
}
