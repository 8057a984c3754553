package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An id is read as it was written, and nothing else is taken for one but what has its length.
func FuzzClientKeyID(f *testing.F) {
	f.Add(NewClientKey("key", time.Unix(1795961025, 0)).ID)
	f.Add("hubgate-")
	f.Add("hubgate-_________8=")
	f.Add("1234567890")
	f.Fuzz(func(t *testing.T, id string) {
		ends, ok := clientKeyEnd(id)
		if !ok {
			return
		}
		require.Len(t, id, len(clientKeyPrefix)+11)
		require.False(t, ends.After(time.Unix(maxUnixSeconds, 0)))
	})
}
