package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/cluster/natscarrier"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// benchNodes are two gateways of this process, joined by carriers.
func benchNodes(b *testing.B, carriers func(b *testing.B) cluster.Carrier) (one, two *gateway.Gateway, planes []*cluster.Backplane) {
	var list []*gateway.Gateway
	for _, tag := range []string{"a", "b"} {
		o := options(tag, carriers(b))
		o.Everything = false
		plane, err := cluster.New(o)
		if err != nil {
			b.Fatal(err)
		}
		list, planes = append(list, newBenchNode(b, tag, plane)), append(planes, plane)
	}
	for !planes[0].Ready() || !planes[1].Ready() || len(planes[1].Stats().Peers) == 0 {
		time.Sleep(time.Millisecond)
	}
	return list[0], list[1], planes
}

func newBenchNode(b *testing.B, tag string, plane gateway.Backplane) *gateway.Gateway {
	g, err := gateway.New(gateway.Options{Node: tag, Backend: &gatewaytest.Backend{}, Workers: 2, Backplane: plane})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(g.Close)
	return g
}

func natsCarriers(b *testing.B) func(b *testing.B) cluster.Carrier {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	b.Cleanup(s.Shutdown)
	return func(b *testing.B) cluster.Carrier {
		conn, err := nats.Connect("", nats.InProcessServer(s), nats.ReconnectBufSize(-1))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(conn.Close)
		return natscarrier.New(conn, "hg")
	}
}

func memoryCarriers(*testing.B) func(b *testing.B) cluster.Carrier {
	net := clustertest.NewNet(1 << 20)
	return func(*testing.B) cluster.Carrier { return net.Carrier() }
}

// BenchmarkQuestion asks the other node.
func BenchmarkQuestion(b *testing.B) {
	for name, carriers := range map[string]func(*testing.B) func(*testing.B) cluster.Carrier{"memory": memoryCarriers, "nats": natsCarriers} {
		b.Run(name, func(b *testing.B) {
			one, two, _ := benchNodes(b, carriers(b))
			client := &counting{}
			client.attach(b, two)
			cpu := usedCPU()
			for b.Loop() {
				r, err := one.Do(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: users("ann")})
				if err != nil || r.Matched != 1 {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(float64(usedCPU()-cpu)/float64(b.N), "cpu-ns/question")
		})
	}
}

// counting is a client that takes everything at once and counts it.
type counting struct {
	conn *gateway.Conn
	got  chan int
	sum  int
	wake chan struct{}
}

func (*counting) Name() string                 { return gateway.WebSockets }
func (*counting) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (*counting) Abort(gateway.Cause)          {}
func (c *counting) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *counting) attach(b *testing.B, g *gateway.Gateway) {
	c.got, c.wake = make(chan int, 1<<16), make(chan struct{}, 1)
	var err error
	if c.conn, err = g.Attach(gateway.Identity{ID: "1", Hub: "chat", User: "ann"}, c); err != nil {
		b.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var batch gateway.Batch
		for {
			for c.conn.Take(&batch, 64<<10) {
				n := len(batch.Records)
				c.conn.Wrote(&batch, nil)
				c.got <- n
			}
			select {
			case <-c.wake:
			case <-stop:
				return
			}
		}
	}()
	if err := c.conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
		b.Fatal(err)
	}
	<-c.got // the handshake's answer
	b.Cleanup(func() {
		close(stop)
		<-done
		c.conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
	})
	c.sum = 0
}

// wait waits until so many messages have come.
func (c *counting) wait(n int) {
	for c.sum < n {
		c.sum += <-c.got
	}
}
