package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench/link"
)

// client is a Go client that comes back whenever its connection ends.
type client struct {
	stage     *stage
	number    int
	name      string
	transport link.Transport
	random    *rand.Rand
}

const separator = 0x1e

const (
	// speaking is the mean time between two calls of a client.
	speaking = time.Second
	// pinging is how often a client shows that it lives.
	pinging = 5 * time.Second
	// arriving bounds a client's way in, until its handshake is answered.
	arriving = 10 * time.Second
)

// run lives until ctx ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.visit(ctx); err != nil {
			c.stage.tally.count("connection attempts that failed")
		}
		c.stage.rest(ctx, c.random)
	}
}

// visit is one stay.
func (c *client) visit(ctx context.Context) error {
	dialer := link.Dialer{Base: c.stage.cluster.url(), Hub: hubName, Query: nameParameter + "=" + c.name, NoKeepAlives: true, Token: c.stage.token}
	l, err := dialer.Dial(ctx, c.transport, c.user())
	if err != nil {
		return err
	}
	defer l.Cut()
	bound := time.AfterFunc(arriving, l.Cut)
	rest, err := shakeHands(l)
	if !bound.Stop() || err != nil {
		return errors.Join(err, errTooLong)
	}
	r := c.stage.arrived(identity{client: c.name, id: l.ID(), user: c.user(), forwarded: c.transport != link.WebSockets, streams: c.transport == link.ServerSentEvents})
	defer r.end()
	staying, leave := context.WithCancel(ctx)
	var speaker sync.WaitGroup
	speaker.Go(func() { c.speak(staying, l, r) })
	defer speaker.Wait()
	defer leave()
	goodbye := context.AfterFunc(ctx, func() { c.leave(l) })
	defer goodbye()
	c.read(l, r, rest)
	return nil
}

// leaving bounds the answer to a goodbye.
const leaving = 5 * time.Second

// leave says goodbye, and cuts if that is not heard.
func (c *client) leave(l link.Link) {
	if l.Send([]byte("{\"type\":7}\x1e")) != nil {
		l.Cut()
		return
	}
	time.AfterFunc(leaving, l.Cut)
}

func (c *client) user() string { return "u-" + c.name }

// shakeHands does the handshake of the hub protocol. It returns what came behind the answer.
func shakeHands(l link.Link) (rest []byte, err error) {
	if err := l.Send([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
		return nil, err
	}
	var pending []byte
	for !bytes.Contains(pending, []byte{separator}) {
		data, err := l.Receive()
		if err != nil {
			return nil, err
		}
		pending = append(pending, data...)
	}
	answer, rest, _ := bytes.Cut(pending, []byte{separator})
	if string(answer) != "{}" {
		return nil, fmt.Errorf("handshake: %s", answer)
	}
	return rest, nil
}

// read takes records until the connection ends.
func (c *client) read(l link.Link, r *receiver, pending []byte) {
	for {
		for {
			record, rest, ok := bytes.Cut(pending, []byte{separator})
			if !ok {
				break
			}
			c.stage.record(r, record)
			pending = rest
		}
		data, err := l.Receive()
		if err != nil {
			return
		}
		pending = append(pending, data...)
	}
}

// record takes one record of the hub protocol: target "n", arguments origin and number.
func (s *stage) record(r *receiver, text []byte) {
	var m struct {
		Type         int
		Target       string
		InvocationID string
		Arguments    []json.RawMessage
		Error        *string
	}
	if err := json.Unmarshal(text, &m); err != nil {
		s.checker.violate("bytes", fmt.Sprintf("%v got what is no record: %.200q", r.who, text))
		return
	}
	switch {
	case m.Type == 3:
		s.answered(r, m.InvocationID, m.Error)
	case m.Type == 1 && m.Target == "n" && len(m.Arguments) == 2:
		var origin string
		var n int
		if json.Unmarshal(m.Arguments[0], &origin) != nil || json.Unmarshal(m.Arguments[1], &n) != nil {
			s.checker.violate("bytes", fmt.Sprintf("%v got an unknown message: %.200q", r.who, text))
			return
		}
		r.receive(origin, n)
	}
}

// speak says numbers to the application, and shows that the client lives, until ctx ends.
func (c *client) speak(ctx context.Context, l link.Link, r *receiver) {
	next := time.NewTimer(time.Duration(c.random.ExpFloat64() * float64(speaking)))
	defer next.Stop()
	ping := time.NewTicker(pinging)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-ping.C:
			err = l.Send([]byte("{\"type\":6}\x1e"))
		case <-next.C:
			if c.stage.crowd.speaking.Load() {
				err = l.Send(c.stage.call(r))
			}
			next.Reset(time.Duration(c.random.ExpFloat64() * float64(speaking)))
		}
		if err != nil {
			// What was said is lost, and so the connection is over.
			l.Cut()
			return
		}
	}
}

// token is one with which a user may connect.
func (s *stage) token(user string) (string, error) {
	return auth.SignClient(auth.Secret(s.cluster.key), s.cluster.url(), hubName, auth.ClientTokenSpec{UserID: user})
}
