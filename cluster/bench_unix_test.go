//go:build unix

package cluster_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// BenchmarkBroadcast sends to 2000 clients: all on one node that is alone, all on the node that
// sends, or half of them on another node. Their sockets take everything at no cost, so that what is
// measured is the gateways' own.
func BenchmarkBroadcast(b *testing.B) {
	const clients, burst = 2000, 1
	for _, size := range []int{128, 2048} {
		for _, where := range []string{"alone", "one node of two", "two nodes"} {
			b.Run(fmt.Sprint(where, "/", size), func(b *testing.B) {
				var one, two *gateway.Gateway
				if where == "alone" {
					one = newBenchNode(b, "a", nil)
					two = one
				} else {
					one, two, _ = benchNodes(b, natsCarriers(b))
				}
				for i := range clients {
					at := one
					if where == "two nodes" && i%2 == 1 {
						at = two
					}
					attachNowhere(b, at, fmt.Sprint(i))
				}
				send := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: gateway.Target{Kind: gateway.TargetAll}, Frames: message("m", size)}
				barrier := &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"ann"}}}
				passed := func() (matched int) {
					r, err := one.Do(context.Background(), barrier)
					if err != nil {
						b.Fatal(err)
					}
					return r.Matched
				}
				for passed() < clients {
					time.Sleep(time.Millisecond) // handshakes are answered when all nodes know the clients
				}
				cpu, sent := usedCPU(), 0
				for b.Loop() {
					for range burst {
						if _, err := one.Do(context.Background(), send); err != nil {
							b.Fatal(err)
						}
					}
					passed()
					sent += burst
				}
				b.ReportMetric(float64(usedCPU()-cpu)/float64(sent*clients), "cpu-ns/delivery")
			})
		}
	}
}

// BenchmarkSendToOneUser sends to a client of a node that is alone, to one of the own node of two, and
// to one of the other node, in bursts of ten as they come from a busy application. The client has a real socket, which workers write to. The
// heap is that of a node with some thousand clients, so that it is collected as often.
func BenchmarkSendToOneUser(b *testing.B) {
	for name, carriers := range map[string]func(*testing.B) func(*testing.B) cluster.Carrier{"memory": memoryCarriers, "nats": natsCarriers} {
		for _, where := range []string{"alone", "local", "remote"} {
			for _, size := range []int{128, 2048} {
				b.Run(fmt.Sprint(name, "/", where, "/", size), func(b *testing.B) {
					var one, at *gateway.Gateway
					switch where {
					case "alone":
						one = newBenchNode(b, "a", nil)
						at = one
					case "local":
						one, _, _ = benchNodes(b, carriers(b))
						at = one
					default:
						one, at, _ = benchNodes(b, carriers(b))
					}
					heap := make([]byte, 64<<20)
					defer runtime.KeepAlive(heap)
					client := newSocket(b)
					conn, err := at.Attach(gateway.Identity{ID: "1", Hub: "chat", User: "ann"}, nowhere{client.raw})
					if err != nil {
						b.Fatal(err)
					}
					b.Cleanup(func() { conn.Ended(gateway.Cause{Reason: gateway.CloseNormal}) })
					if err := conn.Feed([]byte(jsonHandshake)); err != nil {
						b.Fatal(err)
					}
					client.take(b, len("{}\x1e"))
					frames := message("m", size)
					record, _ := frames.For(hubprotocol.JSON)
					cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: users("ann"), Frames: frames}
					cpu, sent := usedCPU(), 0
					for b.Loop() {
						for range 10 {
							if _, err := one.Do(context.Background(), cmd); err != nil {
								b.Fatal(err)
							}
						}
						sent += 10
						client.take(b, 10*len(record))
					}
					b.ReportMetric(float64(usedCPU()-cpu)/float64(sent), "cpu-ns/message")
				})
			}
		}
	}
}

// socket is both ends of a socket: workers write to one, the client reads the other.
type socket struct {
	raw  syscall.RawConn
	read net.Conn
	buf  []byte
}

func newSocket(b *testing.B) *socket {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		if ends[i], err = net.FileConn(file); err != nil {
			b.Fatal(err)
		}
		_ = file.Close()
		b.Cleanup(func() { _ = ends[i].Close() })
	}
	raw, err := ends[0].(syscall.Conn).SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	return &socket{raw, ends[1], make([]byte, 64<<10)}
}

// take reads so many bytes.
func (s *socket) take(b *testing.B, size int) {
	for size > 0 {
		n, err := s.read.Read(s.buf)
		if err != nil {
			b.Fatal(err)
		}
		size -= n
	}
}

// nowhere is a client whose socket takes everything.
type nowhere struct{ raw syscall.RawConn }

func (nowhere) Name() string                 { return gateway.WebSockets }
func (nowhere) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (nowhere) Abort(gateway.Cause)          {}
func (nowhere) Wake()                        {}
func (n nowhere) Raw() syscall.RawConn       { return n.raw }
func (nowhere) Framing() gateway.Framing     { return plain{} }

// plain is a framing without frames.
type plain struct{}

func (plain) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		dst = append(dst, r.Bytes...)
	}
	return dst
}

func attachNowhere(b *testing.B, g *gateway.Gateway, id string) {
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	conn, err := g.Attach(gateway.Identity{ID: id, Hub: "chat", User: "ann"}, nowhere{raw})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		_ = file.Close()
	})
	if err := conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
		b.Fatal(err)
	}
}
