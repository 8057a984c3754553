package natscarrier_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/cluster/natscarrier"
)

// patience bounds waits that only end early when something is broken.
const patience = time.Minute

func startServer(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{DontListen: true, NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(patience))
	return s
}

// connect connects within the process.
func connect(t *testing.T, s *server.Server) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.ReconnectBufSize(-1))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func TestCarrierOnOneServer(t *testing.T) {
	s := startServer(t, nil)
	clustertest.TestCarrier(t, func(t *testing.T, n int) (list []cluster.Carrier) {
		for range n {
			list = append(list, natscarrier.New(connect(t, s), "hg"))
		}
		return list
	})
}

// routed makes servers that are joined by routes, as the nodes of a cluster are.
func routed(t *testing.T, n int) (list []*server.Server) {
	var first *url.URL
	for range n {
		s := startServer(t, func(o *server.Options) {
			o.DontListen, o.Host, o.Port = false, "127.0.0.1", server.RANDOM_PORT
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT}
			if first != nil {
				o.Routes = []*url.URL{first}
			}
		})
		if first == nil {
			first = &url.URL{Scheme: "nats", Host: s.ClusterAddr().String()}
		}
		list = append(list, s)
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		joined := true
		for _, s := range list {
			joined = joined && s.NumRoutes() >= n-1
		}
		if joined {
			return list
		}
		require.Less(t, time.Since(start), patience, "the servers do not join")
	}
}

func TestCarrierOverRoutes(t *testing.T) {
	servers := routed(t, 3)
	clustertest.TestCarrier(t, func(t *testing.T, n int) (list []cluster.Carrier) {
		for i := range n {
			list = append(list, natscarrier.New(connect(t, servers[i]), "hg"))
		}
		return list
	})
}

// Who speaks to a node that is not there hears of it, and clusters do not hear each other.
func TestNodesThatAreNotThere(t *testing.T) {
	s := startServer(t, nil)
	type word struct {
		from   cluster.Inc
		packet []byte
	}
	heard := make(chan word, 10)
	self, nobody := cluster.NewInc("a"), cluster.NewInc("b")
	conn := connect(t, s)
	c := natscarrier.New(conn, "hg")
	closing, err := c.Open(self, func(from cluster.Inc, packet []byte) { heard <- word{from, packet} })
	require.NoError(t, err)
	t.Cleanup(closing)
	_, err = c.Open(self, nil)
	require.Error(t, err, "a carrier is one node's")

	require.NoError(t, c.Send(nobody, []byte("hello")))
	require.Equal(t, word{nobody, nil}, <-heard)

	other := connect(t, s)
	for _, subject := range []string{"hg.l." + nobody.String() + "." + self.String(), "hg.l.no-node." + self.String(), "another.l." + nobody.String() + "." + self.String()} {
		require.NoError(t, other.Publish(subject, nil))
		require.NoError(t, other.Publish(subject, []byte(subject)))
	}
	require.Equal(t, "hg.l."+nobody.String()+"."+self.String(), string((<-heard).packet))
	require.NoError(t, other.Publish("hg.l."+nobody.String()+".all", []byte("everybody")))
	require.Equal(t, "everybody", string((<-heard).packet))
	require.Empty(t, heard)
	require.Zero(t, c.Dropped())

	conn.Close()
	require.Error(t, c.Send(nobody, []byte("hello")))
	_, err = natscarrier.New(conn, "hg").Open(self, nil)
	require.Error(t, err)
}
