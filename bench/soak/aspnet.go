package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubgate/hubgate/bench/aspnethub"
	"github.com/hubgate/hubgate/bench/link"
)

const (
	aspNetApp = "Soak.Startup"
	aspNetHub = "Soak"
	// aspNetAway is how long the gateway keeps a client without a transport; it is told so.
	aspNetAway = 6 * time.Second
	// aspNetSending is the time between two messages to all clients.
	aspNetSending = 100 * time.Millisecond
)

// aspNetFlags make the gateway's clocks those of a soak.
var aspNetFlags = []string{"--aspnet-keep-alive", "2s", "--aspnet-timeout", "5s", "--aspnet-disconnect-timeout", aspNetAway.String()}

func signAspNet(audience string, claims jwt.MapClaims) (string, error) {
	claims["aud"], claims["exp"] = audience, time.Now().Add(tokenLife).Unix()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(accessKey))
}

// serveAspNet is the application: it answers calls, and numbers what it sends to all.
func (w *world) serveAspNet(ctx context.Context) (*aspnethub.Server, error) {
	at, err := url.Parse(w.lab.gateway.URL)
	if err != nil {
		return nil, err
	}
	return aspnethub.Start(ctx, aspnethub.App{Name: aspNetApp, Hub: aspNetHub, Gateway: at, Connections: 2,
		Token: func(hub string) (string, error) {
			return signAspNet(w.lab.gateway.URL+"/aspnetserver/?hub="+hub, jwt.MapClaims{"nameid": "soak"})
		}})
}

func (w *world) sendAspNet(ctx context.Context, app *aspnethub.Server) {
	for n := 1; sleep(ctx, aspNetSending) == nil; n++ {
		if !w.pause.enter() {
			return
		}
		if err := app.Broadcast("n", fmt.Appendf(nil, "[%d,%q]", n, padding(n%39+1))); err != nil {
			w.tally.fault(fmt.Errorf("broadcast of ASP.NET SignalR: %w", err))
		}
		w.tally.count("sent to clients of ASP.NET SignalR")
		w.pause.leave()
	}
}

// aspNetClient lives as clients of ASP.NET SignalR do: it loses its transport, comes back with another
// one, and must not miss a message, nor get one twice.
type aspNetClient struct {
	world  *world
	number int
	random *rand.Rand
	who    aspNetIdentity
	wire   *aspNetWire
	calls  int

	mu     sync.Mutex
	reader chan struct{} // closed when nothing more is read of wire
	leaves bool          // the end of wire is meant
	heard  heard
	ended  string
	// answers are those of calls, as ID and text.
	answers chan answered
}

// heard is how far a client has come.
type heard struct {
	cursor string
	last   int // the number of the last message, 0 before the first
}

func (w *world) newAspNetClient(i int) *aspNetClient {
	return &aspNetClient{world: w, number: i, random: rand.New(rand.NewPCG(w.o.seed, uint64(1_000_000+i))),
		answers: make(chan answered, 16)}
}

func (c *aspNetClient) count(what string) { c.world.tally.count("ASP.NET SignalR: " + what) }

func (c *aspNetClient) fault(err error) {
	c.world.tally.fault(fmt.Errorf("client %d of ASP.NET SignalR: %w", c.number, err))
}

// run lives until the context ends.
func (c *aspNetClient) run(ctx context.Context) {
	next := time.Now()
	for ctx.Err() == nil {
		if c.wire == nil && !c.arrive(ctx) {
			continue
		}
		if time.Now().Before(next) || !c.world.pause.try() {
			_ = sleep(ctx, 50*time.Millisecond) // run looks at the context
			continue
		}
		if err := c.act(); err != nil && ctx.Err() == nil {
			c.fault(err)
			c.stop()
		}
		c.world.pause.leave()
		next = time.Now().Add(time.Duration(c.random.ExpFloat64() * float64(thinking)))
	}
	if c.wire != nil {
		c.stop()
	}
}

func (c *aspNetClient) act() error {
	switch n := c.random.IntN(100); {
	case n < 50:
		return c.echo()
	case n < 75:
		c.cut()
		time.Sleep(time.Duration(c.random.Int64N(int64(aspNetAway / 4))))
		return c.comeBack("came back after a cut")
	case n < 85:
		return c.comeBack("changed its transport")
	case n < 97:
		c.stop()
		c.count("left")
		return nil
	}
	return c.stayAway()
}

// arrive negotiates and connects.
func (c *aspNetClient) arrive(ctx context.Context) bool {
	err := c.start()
	if err != nil && ctx.Err() == nil {
		c.fault(fmt.Errorf("does not connect: %w", err))
		_ = sleep(ctx, time.Second) // run looks at the context
	}
	return err == nil
}

func (c *aspNetClient) start() (err error) {
	c.who = aspNetIdentity{base: c.world.lab.gateway.URL}
	claims := jwt.MapClaims{"asrs.s.apn": aspNetApp, "asrs.s.uid": "user" + strconv.Itoa(c.number)}
	if c.who.token, err = signAspNet(c.world.lab.gateway.URL+"/aspnetclient", claims); err != nil {
		return err
	}
	wire := newAspNetWire(&c.who, c.anyWay())
	if err = wire.negotiate(); err == nil {
		err = wire.open("connect", "")
	}
	if err != nil {
		wire.Cut()
		return err
	}
	c.heard, c.ended = heard{}, ""
	c.read(wire)
	c.world.here.Add(1)
	c.count("connected by " + wire.way.String())
	if text, err := wire.ask(http.MethodGet, "start", nil); err != nil {
		c.stop()
		return fmt.Errorf("start: %w: %s", err, text)
	}
	return nil
}

func (c *aspNetClient) anyWay() link.Transport {
	return link.Transport(c.random.IntN(int(link.Transports)))
}

// echo calls and compares the answer.
func (c *aspNetClient) echo() error {
	c.calls++
	size := c.calls%30 + 1
	if c.calls == 1 {
		size = 0 // a large one, which the gateway keeps for a while: at the first reading all clients have had theirs
	}
	text := padding(size) + strconv.Itoa(c.number) + "-" + strconv.Itoa(c.calls)
	if err := c.wire.say(fmt.Sprintf(`{"H":"soak","M":"Echo","A":[%q],"I":%d}`, text, c.calls)); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	timeout := time.After(link.AnswerTime)
	for {
		select {
		case got := <-c.answers:
			if got.call < c.calls {
				continue // answers have no cursor: one may come again when the client comes back
			}
			if got != (answered{c.calls, text}) {
				return fmt.Errorf("call %d with %.80q is answered with %v", c.calls, text, got)
			}
		case <-timeout:
			return errors.New("a call is not answered")
		}
		c.count("called")
		return nil
	}
}

// answered is the answer to a call.
type answered struct {
	call int
	text string
}

// comeBack gets another transport, beside the present one if that is still there. Polls do not say for
// which transport they are, so they have to end before.
func (c *aspNetClient) comeBack(how string) error {
	c.expectEnd() // what the former transport still brings is not looked at, and comes again
	if c.wire.way == link.LongPolling {
		c.cut()
	}
	c.mu.Lock()
	cursor := c.heard.cursor
	c.mu.Unlock()
	former := c.wire
	wire := newAspNetWire(&c.who, c.anyWay())
	if err := wire.open("reconnect", cursor); err != nil {
		wire.Cut()
		return fmt.Errorf("comes back: %w", err)
	}
	former.Cut()
	<-c.reader
	c.read(wire)
	c.count(how + ", by " + wire.way.String())
	return c.echo()
}

// stayAway comes back when it is too late, and has to be told.
func (c *aspNetClient) stayAway() error {
	c.cut()
	time.Sleep(aspNetAway + 3*time.Second)
	wire := newAspNetWire(&c.who, c.anyWay())
	if err := wire.open("reconnect", c.heard.cursor); err != nil {
		wire.Cut()
		c.wire = nil
		c.world.here.Add(-1)
		c.count("came back too late, and its token as well")
		return nil
	}
	c.read(wire)
	select {
	case <-c.reader:
	case <-time.After(link.AnswerTime):
	}
	c.mu.Lock()
	told := c.ended
	c.mu.Unlock()
	c.stop()
	if told == "" {
		return errors.New("came back too late and was not told")
	}
	c.count("came back too late")
	return nil
}

func (c *aspNetClient) expectEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaves = true
}

// cut ends the transport without a word.
func (c *aspNetClient) cut() {
	c.expectEnd()
	c.wire.Cut()
	<-c.reader
}

// stop ends the connection.
func (c *aspNetClient) stop() {
	c.expectEnd()
	_, _ = c.wire.ask(http.MethodPost, "abort", nil) // it may be over already
	c.wire.Cut()
	<-c.reader
	c.wire = nil
	c.world.here.Add(-1)
}

// read reads the transport from now on.
func (c *aspNetClient) read(wire *aspNetWire) {
	over := make(chan struct{})
	c.mu.Lock()
	c.wire, c.reader, c.leaves = wire, over, false
	c.mu.Unlock()
	go func() {
		defer close(over)
		for {
			c.mu.Lock()
			cursor := c.heard.cursor
			c.mu.Unlock()
			text, err := wire.receive(cursor)
			c.mu.Lock()
			if err == nil && !c.leaves {
				err = c.received(text)
			}
			expected := c.leaves || c.ended != ""
			c.mu.Unlock()
			if err != nil {
				if !expected {
					c.fault(fmt.Errorf("reads by %v: %w", wire.way, err))
				}
				return
			}
		}
	}()
}

var errTold = errors.New("the gateway says that it is over")

// received looks at one text, with the lock held.
func (c *aspNetClient) received(text []byte) error {
	if string(text) == "initialized" {
		return nil
	}
	var frame struct {
		C, I, R, E string
		M          []struct {
			M string
			A []json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &frame); err != nil {
		return fmt.Errorf("%w: %.80q", err, text)
	}
	switch {
	case frame.E != "":
		c.ended = frame.E
		return errTold
	case frame.I != "":
		call, err := strconv.Atoi(frame.I)
		select {
		case c.answers <- answered{call, frame.R}:
		default:
			err = errors.Join(err, errors.New("answers that nobody has asked for"))
		}
		if err != nil {
			return err
		}
	case frame.C != "":
		c.heard.cursor = frame.C
	}
	for _, m := range frame.M {
		n, err := strconv.Atoi(string(m.A[0]))
		if err != nil || m.M != "n" {
			return fmt.Errorf("not a message: %.80q", text)
		}
		if c.heard.last != 0 && n != c.heard.last+1 {
			return fmt.Errorf("message %d follows %d in %.600q", n, c.heard.last, text)
		}
		c.heard.last = n
	}
	return nil
}
