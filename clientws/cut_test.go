package clientws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// cutConn is a client's end of a connection that breaks at an offset in each direction.
type cutConn struct {
	net.Conn
	mu         sync.Mutex
	armed      bool
	reads, out int
}

// arm lets the connection break from here on.
// It lives the longer the more connections before it have brought nothing new: what is given again grows with what
// was not acknowledged, and has to get through at some time.
func (c *cutConn) arm(r *rand.Rand, vain int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := 5000 + 200*vain
	c.armed, c.reads, c.out = true, r.IntN(most), r.IntN(most)
}

// spend takes n bytes off what is left of a direction, and reports how many there were.
func (c *cutConn) spend(left *int, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed {
		n = min(n, *left)
		*left -= n
	}
	return n
}

var errCut = errors.New("the connection is cut")

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if kept := c.spend(&c.reads, n); kept < n {
		_ = c.Close()
		return kept, errCut
	}
	return n, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	kept := c.spend(&c.out, len(b))
	n, err := c.Conn.Write(b[:kept])
	if kept < len(b) {
		_ = c.Close()
		return n, errCut
	}
	return n, err
}

// peer is a client with stateful reconnect whose connections break all the time. It is written as the
// official ones are.
type peer struct {
	f        *fixture
	query    string
	protocol string
	rand     *rand.Rand
	dials    int

	mu sync.Mutex // guards what follows, and writing
	// moved is told when something was heard or acknowledged.
	moved sync.Cond
	ws    *websocket.Conn
	// unacked are the records that were said and not acknowledged; first is the number of the first.
	unacked [][]byte
	first   uint64
	// next is the number of the record that comes next, latest that of the last new one.
	next, latest, acked uint64
	heard               []string
	// vain is how many connections have brought nothing new, came what there was before them.
	vain, came int
}

func (p *peer) dial() (*websocket.Conn, *cutConn) {
	var wire *cutConn
	dialer := &websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := p.f.network.Dial(ctx, network, address)
		wire = &cutConn{Conn: conn}
		return wire, err
	}}
	for {
		ws, res, err := dialer.Dial("ws://hub.example/client/?"+p.query, nil)
		if err != nil && res != nil && res.StatusCode == http.StatusTooManyRequests { // C98
			time.Sleep(100 * time.Millisecond)
			continue
		}
		require.NoError(p.f.t, err)
		p.dials++
		return ws, wire
	}
}

// write says bytes, which may get lost.
func (p *peer) write(bytes []byte) {
	_ = p.ws.WriteMessage(websocket.BinaryMessage, bytes)
}

// most is how many messages may be under way in a direction: what is given again has to get through
// before the connection breaks.
const most = 40

// waitFor waits until the client has heard all but the last of so many messages.
func (p *peer) waitFor(sent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for sent-len(p.heard) > most {
		p.moved.Wait()
	}
}

// say sends an invocation.
func (p *peer) say(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.unacked) > most {
		p.moved.Wait()
	}
	record, err := hubprotocol.AppendInvocation(nil, p.protocol, "", target, nil)
	require.NoError(p.f.t, err)
	p.unacked = append(p.unacked, record)
	p.write(record)
}

// connect makes the first connection.
func (p *peer) connect() {
	var wire *cutConn
	p.ws, wire = p.dial()
	p.write(hubprotocol.AppendHandshakeRequest(nil, p.protocol, 2))
	_, answer, err := p.ws.ReadMessage()
	require.NoError(p.f.t, err)
	require.Equal(p.f.t, "{}\x1e", string(answer))
	p.write(hubprotocol.AppendPing(nil, p.protocol))
	wire.arm(p.rand, 0)
}

// resume makes another connection.
func (p *peer) resume() {
	ws, wire := p.dial()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.vain++; p.came != len(p.heard)-len(p.unacked) {
		p.came, p.vain = len(p.heard)-len(p.unacked), 0
	}
	wire.arm(p.rand, p.vain)
	_ = p.ws.Close()
	p.ws = ws
	p.write(hubprotocol.AppendSequence(nil, p.protocol, p.first))
	for _, record := range p.unacked {
		p.write(record)
	}
}

// read hears what comes until the end, and dials again whenever the connection breaks.
func (p *peer) read(end string) {
	waits := false
	for {
		_, message, err := p.ws.ReadMessage()
		if err != nil {
			p.resume()
			waits = true
			continue
		}
		for len(message) > 0 {
			_, body, rest, err := hubprotocol.Cut(p.protocol, message, len(message))
			require.NoError(p.f.t, err)
			require.NotNil(p.f.t, body, "a record over two messages")
			m, err := hubprotocol.Parse(p.protocol, body)
			require.NoError(p.f.t, err)
			if message = rest; waits && m.Type != hubprotocol.Sequence {
				continue
			}
			waits = false
			if p.hear(m); m.Target == end {
				return
			}
		}
	}
}

func (p *peer) hear(m hubprotocol.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.moved.Broadcast()
	switch {
	case m.Type == hubprotocol.Sequence:
		require.LessOrEqual(p.f.t, m.SequenceID, p.next)
		require.Greater(p.f.t, m.SequenceID, p.acked)
		p.next = m.SequenceID
	case m.Type == hubprotocol.Ack && m.SequenceID >= p.first:
		count := m.SequenceID - p.first + 1
		require.LessOrEqual(p.f.t, int(count), len(p.unacked))
		p.unacked, p.first = p.unacked[count:], m.SequenceID+1
	case m.Type == hubprotocol.Invocation:
		if p.next++; p.next-1 <= p.latest {
			return
		}
		p.latest = p.next - 1
		p.heard = append(p.heard, m.Target)
		if p.latest%7 == 0 {
			p.acked = 0 // whether this one arrives is not known
			p.write(hubprotocol.AppendAck(nil, p.protocol, p.latest))
		}
	}
}

func TestC93C94C100NothingIsLostAndNothingComesTwice(t *testing.T) {
	for _, protocol := range []string{hubprotocol.JSON, hubprotocol.MessagePack} {
		t.Run(protocol, func(t *testing.T) {
			const messages = 300
			var mu sync.Mutex
			var said []string
			f := newFixture(t, func(f *fixture, _ *Options) {
				f.backend.OnRecord = func(_ *gateway.Conn, r gateway.Record) {
					mu.Lock()
					defer mu.Unlock()
					said = append(said, r.Message.Target)
				}
			})
			token := f.user("u")
			n := f.negotiateVersion(token, askStateful)
			p := &peer{f: f, query: n.query() + "&access_token=" + token, protocol: protocol, rand: rand.New(rand.NewPCG(1, 2)), first: 1, next: 1}
			p.moved.L = &p.mu
			p.connect()
			var both sync.WaitGroup
			both.Go(func() {
				for i := range messages {
					p.say(name("c", i))
				}
			})
			both.Go(func() {
				for i := range messages {
					p.waitFor(i)
					f.sendTo(name("s", i))
				}
			})
			var reads sync.WaitGroup
			reads.Go(func() { p.read("stop") })
			both.Wait()
			require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(said) >= messages }, time.Minute, 10*time.Millisecond)
			f.sendTo("stop")
			reads.Wait()
			for i := range messages {
				require.Equal(t, name("c", i), said[i])
				require.Equal(t, name("s", i), p.heard[i])
			}
			require.Len(t, said, messages)
			require.Len(t, p.heard, messages+1)
			require.Greater(t, p.dials, 5)
			require.Equal(t, n.ConnectionID, f.live(n.ConnectionID).Identity().ID)
			_ = p.ws.Close()
		})
	}
}

func name(of string, i int) string { return fmt.Sprint(of, i, strings.Repeat("x", i%50)) }

// sendTo sends an invocation of a target to all.
func (f *fixture) sendTo(target string) {
	frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, target, []byte("[]"))
	require.NoError(f.t, err)
	_, err = f.gw.Do(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend,
		Target: gateway.Target{Kind: gateway.TargetAll}, Frames: frames})
	require.NoError(f.t, err)
}
