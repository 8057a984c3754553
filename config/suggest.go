package config

import (
	"fmt"

	"github.com/hubgate/hubgate/internal/nearest"
)

// unknownKey returns the error for a key that is none of known: with the one
// that was probably meant, if there is one.
func unknownKey(key string, known []string) error {
	return fmt.Errorf("unknown key %q%s", key, nearest.Hint(key, known))
}
