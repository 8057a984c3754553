package natsd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	t.Run("N1 a node alone has no port", func(t *testing.T) {
		require.Empty(t, spawn(t, Options{Name: "a", DataDir: t.TempDir()}).ports(t))
	})
	list := team(t, 3, 1)
	var processes []*process
	for _, opts := range list {
		processes = append(processes, spawn(t, opts))
	}
	t.Run("N1 a node of a cluster has one port, the one it was given", func(t *testing.T) {
		n := launch(t, Options{Name: "z", Cluster: &Cluster{
			Listen: "127.0.0.1:0", Peers: list[0].Cluster.Peers, Voters: []string{"a"}, Secret: theSecret,
		}})
		await(t, "the mesh", func() bool { return n.server().NumRemotes() == len(list) })
		n.awaitReady(t)
		for i, p := range processes {
			_, port, err := net.SplitHostPort(list[i].Cluster.Listen)
			require.NoError(t, err)
			number, err := strconv.Atoi(port)
			require.NoError(t, err)
			require.Equal(t, []string{fmt.Sprintf("0100007F:%04X", number)}, p.ports(t))
		}
	})
}

func TestServerTakesWhatWaitsForIt(t *testing.T) {
	n := launch(t, Options{Name: "a"})
	o, err := n.serverOptions(nil, false)
	require.NoError(t, err)
	require.EqualValues(t, MaxPending, o.MaxPending)
}

func TestAlone(t *testing.T) {
	t.Run("a node alone is ready at once", func(t *testing.T) {
		for _, dir := range []string{"", t.TempDir()} {
			n := launch(t, Options{Name: "a", DataDir: dir})
			require.NoError(t, n.Ready(t.Context()))
			put(t, n.bucket(t), "x", "1")
			require.Nil(t, n.Address())
			require.Equal(t, 1, n.Replicas())
		}
	})
	t.Run("what is in a directory is there after a restart", func(t *testing.T) {
		opts := Options{Name: "a", DataDir: t.TempDir()}
		n := launch(t, opts)
		put(t, n.bucket(t), "x", "1")
		n.end(t)
		require.Equal(t, "1", get(t, launch(t, opts).bucket(t), "x"))
	})
	t.Run("a store in memory leaves no files", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir())
		n := launch(t, Options{Name: "a"})
		put(t, n.bucket(t), "x", "1")
		n.end(t)
		left, err := os.ReadDir(os.Getenv("TMPDIR"))
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := launchAll(t, team(t, 4, 3))
	awaitAllReady(t, nodes)
	t.Run("every node reaches the store", func(t *testing.T) {
		for i, n := range nodes {
			put(t, n.bucket(t), fmt.Sprint("key", i), "1")
			require.Equal(t, 3, n.Replicas())
		}
	})
	t.Run("every node is connected to every other", func(t *testing.T) {
		for _, n := range nodes {
			await(t, "the mesh", func() bool { return n.server().NumRemotes() == len(nodes)-1 })
			require.Equal(t, n.opts.Cluster.Listen, n.Address().String())
		}
	})
	t.Run("messages reach every node", func(t *testing.T) {
		for _, n := range nodes {
			sub, err := n.Conn().SubscribeSync("hg.test")
			require.NoError(t, err)
			await(t, "a message", func() bool {
				require.NoError(t, nodes[0].Conn().Publish("hg.test", []byte("x")))
				_, err := sub.NextMsg(betweenLooks)
				return err == nil
			})
		}
	})
	t.Run("N50 what connects as a client is refused", func(t *testing.T) {
		conn, err := nats.Connect("nats://" + nodes[0].Address().String())
		if err == nil {
			conn.Close()
		}
		require.Error(t, err)
	})
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = tryLaunch(t, Options{Name: "a", Cluster: &Cluster{
		Listen: l.Addr().String(), Voters: []string{"b"}, Secret: theSecret,
	}})
	require.ErrorIs(t, err, ErrPortInUse)
	require.ErrorContains(t, err, l.Addr().String())
}

func TestStrangersInside(t *testing.T) {
	t.Parallel()
	n := launch(t, Options{Name: "a"})
	t.Run("N51 a connection within the process needs a key", func(t *testing.T) {
		t.Parallel()
		_, err := nats.Connect("", nats.InProcessServer(n.server()))
		require.Error(t, err)
	})
	t.Run("N51 another key is not let in", func(t *testing.T) {
		t.Parallel()
		other, err := newUser()
		require.NoError(t, err)
		tried := &counted{InProcessConnProvider: &n.current}
		_, err = n.connectBy(t.Context(), tried, other)
		require.Equal(t, 1, tried.times, "it would be the same another time")
		require.Error(t, err)
	})
	t.Run("N51 a user and a password are not let in", func(t *testing.T) {
		t.Parallel()
		_, err := nats.Connect("", nats.InProcessServer(n.server()), nats.UserInfo("HG", "HG"))
		require.Error(t, err)
	})
}

func TestCloseIsIdempotentAndBounded(t *testing.T) {
	n := launch(t, Options{Name: "a"})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	err := n.Close(gone)
	require.True(t, err == nil || errors.Is(err, context.Canceled), err)
	require.Equal(t, err, n.Close(t.Context()))
	n.server().WaitForShutdown()
	n.closed = nil // what the end of the test asks for
}
