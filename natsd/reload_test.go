package natsd

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A node that keeps no store reaches it after the others have dialled other addresses.
func TestN40PlainNodesReachTheStoreAfterAChangeOfRoutes(t *testing.T) {
	t.Parallel()
	nodes := launchAll(t, team(t, 4, 3))
	awaitAllReady(t, nodes)
	bucket := nodes[3].bucket(t)
	put(t, bucket, "a", "1")
	for round := range 3 {
		for i, n := range nodes {
			nowhere := &url.URL{Scheme: "nats-route", Host: "127.0.0.1:1"}
			urls := n.routes.current()
			if round%2 == 0 {
				urls = append(slices.Clone(urls), nowhere)
			}
			require.NoError(t, n.reload(urls), "node %d", i)
		}
		for _, n := range nodes {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := n.JetStream().AccountInfo(ctx)
			require.NoError(t, err, "%s, round %d", n.opts.Name, round)
			stream, err := n.JetStream().Stream(ctx, "KV_things")
			require.NoError(t, err, "%s, round %d", n.opts.Name, round)
			_, err = stream.GetLastMsgForSubject(ctx, "$KV.things.a")
			require.NoError(t, err, "%s, round %d", n.opts.Name, round)
			cancel()
		}
		put(t, bucket, "a", "2")
	}
}
