package cluster_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/gateway"
)

// The nodes change from one secret to the next, one by one, and are one cluster at each moment: first
// each is given the new one beside the old, then the old one is taken away.
func TestN52SecretIsChangedWithoutABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := func(o *cluster.Options) { o.Secret = []byte("the secret so far") }
		both := func(o *cluster.Options) {
			o.Secret, o.Previous = []byte("the next secret"), []byte("the secret so far")
		}
		next := func(o *cluster.Options) { o.Secret = []byte("the next secret") }
		ns := startNodes(t, 3, old)
		for _, change := range []func(*cluster.Options){both, next} {
			for i := range ns.list {
				leaving := ns.list[0]
				leaving.Close()
				ns.list = ns.list[1:]
				ns.start(leaving.tag, change)
				ns.meet()
				for _, n := range ns.list {
					n.connect(leaving.tag+"-"+n.tag, "ann")
				}
				for _, n := range ns.list {
					require.Equal(t, 3, n.count(users("ann")), "node %s after %d changes", n.tag, i+1)
				}
				for _, n := range ns.list {
					n.do(gateway.Command{Verb: gateway.VerbClose, Target: all()})
				}
				synctest.Wait()
				require.Zero(t, ns.list[0].count(all()))
			}
		}
		stranger := ns.start("x", old)
		ns.list = ns.list[:3]
		ns.meet()
		require.Zero(t, stranger.up(), "the old secret opens nothing any more")
	})
}
