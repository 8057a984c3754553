package store

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhoComesFirstHasTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := new(Claims)
		first, held, err := c.Claim(ctx, "k", []byte("one"), time.Minute)
		require.NoError(t, err)
		require.Nil(t, held)
		_, held, err = c.Claim(ctx, "k", []byte("two"), time.Minute)
		require.NoError(t, err)
		require.Equal(t, "one", string(held))
		require.ErrorIs(t, c.Keep(ctx, "k", first+1, []byte("x"), time.Minute), ErrLost)
		require.NoError(t, c.Free(ctx, "k", first+1))
		require.NoError(t, c.Keep(ctx, "k", first, []byte("kept"), time.Hour))
		require.NoError(t, c.Free(ctx, "k", first), "of a former number: no effect")

		time.Sleep(time.Hour - time.Nanosecond)
		_, held, _ = c.Claim(ctx, "k", []byte("three"), time.Minute)
		require.Equal(t, "kept", string(held), "not a moment before its time")
		time.Sleep(time.Nanosecond)
		again, held, err := c.Claim(ctx, "k", []byte("three"), time.Minute)
		require.NoError(t, err)
		require.Nil(t, held)
		require.NoError(t, c.Free(ctx, "k", again))
		require.Zero(t, c.Len())
		require.ErrorIs(t, c.Keep(ctx, "k", again, []byte("x"), time.Minute), ErrLost)

		_, _, err = c.Claim(ctx, "soon", []byte("v"), time.Second)
		require.NoError(t, err)
		later, _, err := c.Claim(ctx, "later", []byte("v"), time.Minute)
		require.NoError(t, err)
		require.NoError(t, c.Free(ctx, "later", later))
		time.Sleep(time.Second)
		require.Zero(t, c.Len())
	})
}

// A full table refuses new keys, and goes on with those that it has. Each ends in its own time.
func TestClaimsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := &Claims{MaxKeys: 50}
		var numbers [50]uint64
		for i := range numbers {
			var err error
			numbers[i], _, err = c.Claim(ctx, fmt.Sprint(i), []byte("v"), time.Duration(1+i*7%50)*time.Second)
			require.NoError(t, err)
		}
		_, _, err := c.Claim(ctx, "more", []byte("v"), time.Second)
		require.ErrorIs(t, err, ErrFull)
		_, held, err := c.Claim(ctx, "7", []byte("v"), time.Second)
		require.NoError(t, err)
		require.NotNil(t, held)
		// The one that ends first ends last now, and one from the middle goes.
		require.NoError(t, c.Keep(ctx, "0", numbers[0], []byte("w"), time.Hour))
		require.NoError(t, c.Free(ctx, "29", numbers[29])) // would end after 4 s
		for passed := range 50 {
			want := 50 - passed
			if passed < 4 {
				want--
			}
			if passed > 0 {
				want++
			}
			require.Equal(t, min(want, 49), c.Len(), "after %d seconds", passed)
			time.Sleep(time.Second)
		}
		require.Equal(t, 1, c.Len())
		require.Len(t, c.ends, 1, "nothing else is kept")
	})
}
