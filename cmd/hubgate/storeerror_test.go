package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/store/shared"
)

// away is the error of a store that does not answer.
type away struct{ cause error }

func (e away) Error() string   { return "the store does not answer: " + e.cause.Error() }
func (away) Unavailable() bool { return true }
func (e away) Unwrap() error   { return e.cause }

// That the store does not answer is said once, with the cause.
func TestAStoreThatDoesNotAnswerIsToldOnce(t *testing.T) {
	t.Parallel()
	const told = "the settings cannot be read or changed: their store does not answer"
	cause := errors.New("nats: timeout")
	for want, err := range map[string]error{
		told + ": nats: timeout": away{cause},
		told:                     fmt.Errorf("reading: %w", shared.ErrUnavailable),
		told + ": another":       errors.New("another"),
	} {
		got := storeError(err)
		require.EqualError(t, got, want)
		require.ErrorIs(t, got, management.ErrUnavailable)
	}
	require.ErrorIs(t, storeError(away{cause}), cause)
}
