package natsd

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node that nobody was told of but by another node is reached where it says that it is.
func TestAdvertise(t *testing.T) {
	t.Parallel()
	list := team(t, 3, 1)
	door, through := front(t, list[0].Cluster.Listen)
	list[0].Cluster.Advertise = door
	list[0].Cluster.Peers = nil
	list[2].Cluster.Peers = []string{list[0].Cluster.Listen}
	list[1].Cluster.Peers = []string{list[2].Cluster.Listen}
	list[1].Cluster.Advertise = reserve(t, 1)[0] // nobody is there: it is b that has to dial
	nodes := launchAll(t, list)
	await(t, "the mesh", func() bool {
		return nodes[0].server().NumRemotes() == 2 && nodes[1].server().NumRemotes() == 2
	})
	require.Positive(t, through.Load(), "nobody came by the address that the node has told")
}

func TestAdvertiseIsAnAddress(t *testing.T) {
	_, err := tryLaunch(t, Options{Name: "a", Cluster: &Cluster{
		Listen: "127.0.0.1:0", Advertise: "nowhere", Voters: []string{"a"}, Secret: theSecret,
	}})
	require.ErrorContains(t, err, "told")
}

// front is another address of a server. It counts the connections that come through.
func front(t *testing.T, to string) (address string, through *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	through = new(atomic.Int64)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			through.Add(1)
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				all.Go(func() {
					_, _ = io.Copy(pair[0], pair[1]) // either side may hang up
					_, _ = in.Close(), out.Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String(), through
}
