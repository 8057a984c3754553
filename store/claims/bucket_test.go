package claims

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
	"github.com/hubgate/hubgate/store"
	"github.com/hubgate/hubgate/store/stream"
)

func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }

func bucketOn(e *natsd.Engine, maxKeys int64) *Bucket {
	return NewBucket(Options{JetStream: e.JetStream(), Replicas: e.Replicas(), Storage: e.Storage(), MaxKeys: maxKeys, MaxBytes: 1 << 20})
}

// long bounds what a test waits for the store.
func long(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Of many nodes that claim a key at the same time one gets it; all others are given what it stored.
func TestOneOfThreeNodesHasTheClaim(t *testing.T) {
	ctx := long(t)
	var buckets []*Bucket
	for _, e := range natsdtest.Voters(t, 3) {
		buckets = append(buckets, bucketOn(e, 0))
	}
	for round := range 10 {
		key := fmt.Sprint("k", round)
		var got atomic.Int32
		var number atomic.Uint64
		var winner atomic.Pointer[string]
		var all sync.WaitGroup
		held := make([]string, 9)
		for i := range held {
			all.Go(func() {
				value := fmt.Sprint("by ", i)
				n, other, err := buckets[i%3].Claim(ctx, key, []byte(value), time.Minute)
				if err != nil {
					held[i] = err.Error()
					return
				}
				if held[i] = string(other); other == nil {
					got.Add(1)
					number.Store(n)
					winner.Store(&value)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, got.Load())
		for _, h := range held {
			require.Contains(t, []string{"", *winner.Load()}, h)
		}
		// What one node keeps, the others are given.
		for i, b := range buckets {
			require.ErrorIs(t, b.Keep(ctx, key, number.Load()+1000, []byte("late"), time.Minute), store.ErrLost, i)
		}
		require.NoError(t, buckets[0].Keep(ctx, key, number.Load(), []byte("answer"), time.Minute))
		_, other, err := buckets[2].Claim(ctx, key, []byte("again"), time.Minute)
		require.NoError(t, err)
		require.Equal(t, "answer", string(other))
		require.NoError(t, buckets[1].Free(ctx, key, number.Load()), "of a former number: no effect")
		_, other, err = buckets[1].Claim(ctx, key, []byte("again"), time.Minute)
		require.NoError(t, err)
		require.Equal(t, "answer", string(other))
	}
}

func TestAClaimEnds(t *testing.T) {
	ctx := long(t)
	b := bucketOn(natsdtest.Alone(t), 0)
	number, _, err := b.Claim(ctx, "freed", []byte("one"), time.Minute)
	require.NoError(t, err)
	require.NoError(t, b.Free(ctx, "freed", number))
	require.NoError(t, b.Free(ctx, "freed", number))
	again, held, err := b.Claim(ctx, "freed", []byte("two"), time.Minute)
	require.NoError(t, err)
	require.Nil(t, held)
	require.Greater(t, again, number)
	require.ErrorIs(t, b.Keep(ctx, "freed", number, []byte("late"), time.Minute), store.ErrLost)

	_, _, err = b.Claim(ctx, "short", []byte("one"), time.Second)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the server forgets it
		_, held, err := b.Claim(ctx, "short", []byte("two"), time.Minute)
		return err == nil && held == nil
	}, 30*time.Second, 100*time.Millisecond)
}

// A store without room refuses new keys. Those that it has are answered, and get their answers.
func TestAFullBucket(t *testing.T) {
	ctx := long(t)
	b := bucketOn(natsdtest.Alone(t), 2)
	var number uint64
	for _, key := range []string{"a", "b"} {
		n, _, err := b.Claim(ctx, key, []byte("v"), time.Minute)
		require.NoError(t, err)
		number = n
	}
	b.size.at = time.Time{} // as if a second had passed
	_, _, err := b.Claim(ctx, "c", []byte("v"), time.Minute)
	require.ErrorIs(t, err, stream.ErrFull)
	_, held, err := b.Claim(ctx, "b", []byte("w"), time.Minute)
	require.NoError(t, err)
	require.Equal(t, "v", string(held))
	require.NoError(t, b.Keep(ctx, "b", number, []byte("answer"), time.Minute))
	require.NoError(t, b.Free(ctx, "a", number-1))
	b.size.at = time.Time{}
	_, held, err = b.Claim(ctx, "c", []byte("v"), time.Minute)
	require.NoError(t, err)
	require.Nil(t, held)
	_, _, err = b.Claim(ctx, "large", make([]byte, MaxValue+1), time.Minute)
	require.Error(t, err)
}

// A store that does not answer is no answer.
func TestAStoreThatDoesNotAnswer(t *testing.T) {
	e, err := natsd.Start(context.Background(), natsd.Options{Name: "alone", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	b := bucketOn(e, 0)
	require.NoError(t, e.Close(context.Background()))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, _, err = b.Claim(ctx, "k", []byte("v"), time.Minute)
	require.ErrorIs(t, err, stream.ErrUnavailable)
	require.ErrorIs(t, b.Keep(ctx, "k", 1, []byte("v"), time.Minute), stream.ErrUnavailable)
	require.ErrorIs(t, b.Free(ctx, "k", 1), stream.ErrUnavailable)
}
