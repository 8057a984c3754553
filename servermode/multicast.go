package servermode

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// multicast carries out messages to clients. False means that m is none.
func (sc *serverConn) multicast(m sp.Message) bool {
	switch m := m.(type) {
	case *sp.BroadcastData:
		sc.send(gateway.Target{Kind: gateway.TargetAll, Except: slices.Clone(m.Excluded)}, m.Payloads, m.Filter)
	case *sp.MultiConnectionData:
		ids := distinct(m.Connections)
		sc.send(gateway.Target{Kind: gateway.TargetConnections, IDs: ids}, m.Payloads, m.Filter)
		if len(ids) == 1 {
			if rc := sc.clients.remote(ids[0]); rc != nil {
				rc.wait(sc)
			} else if c, _ := sc.b.gw.Lookup(ids[0]); c != nil && c.Identity().Hub == sc.peer.hub {
				sc.waitFor(c)
			}
		}
	case *sp.UserData:
		sc.send(users(m.User), m.Payloads, m.Filter)
	case *sp.MultiUserData:
		sc.send(gateway.Target{Kind: gateway.TargetUsers, IDs: distinct(m.Users)}, m.Payloads, m.Filter)
	case *sp.GroupBroadcastData:
		t := groups(m.Group)
		t.Except, t.ExceptUsers = slices.Clone(m.Excluded), slices.Clone(m.ExcludedUsers)
		sc.send(t, m.Payloads, m.Filter)
	case *sp.MultiGroupBroadcastData:
		// A client in two of the groups gets the message twice (H58).
		sc.send(gateway.Target{Kind: gateway.TargetGroups, IDs: slices.Clone(m.Groups)}, m.Payloads, m.Filter)
	default:
		return false
	}
	return true
}

func (sc *serverConn) connections(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetConnections, IDs: ids}
}
func users(ids ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetUsers, IDs: ids}
}
func groups(names ...string) gateway.Target {
	return gateway.Target{Kind: gateway.TargetGroups, IDs: names}
}

// distinct returns a copy with each name once: a receiver that is named twice gets one message.
func distinct(names []string) []string {
	own := slices.Clone(names)
	if len(own) > 1 {
		slices.Sort(own)
		own = slices.Compact(own)
	}
	return own
}

// send sends a multicast to its receivers.
func (sc *serverConn) send(t gateway.Target, payloads sp.Payloads, filter string) {
	if filter != "" {
		sc.lose(LossFilter)
		return
	}
	frames := framesOf(payloads)
	if frames == nil {
		sc.lose(LossNoPayload)
		return
	}
	sc.publishAll(t, frames)
}

// publishAll publishes in each hub to whose clients the connection sends.
func (sc *serverConn) publishAll(t gateway.Target, frames *hubprotocol.Frames) {
	for _, hub := range sc.serves() {
		sc.publish(&gateway.Command{Hub: hub, Verb: gateway.VerbSend, Target: t, Frames: frames, By: gateway.SenderServer})
	}
}

// framesOf returns a copy of the payloads, nil if there are none.
func framesOf(payloads sp.Payloads) *hubprotocol.Frames {
	size := 0
	for _, p := range payloads {
		size += len(p.Data)
	}
	own := make([]byte, 0, size)
	byProtocol := make(map[string][]byte, len(payloads))
	for _, p := range payloads {
		start := len(own)
		own = append(own, p.Data...)
		byProtocol[p.Protocol] = own[start:len(own):len(own)]
	}
	frames, err := hubprotocol.NewFrames(byProtocol)
	if err != nil {
		return nil
	}
	return frames
}

const (
	// publishPatience is how long a hub server is not read while too many bytes wait for clients
	// (D12, D17). Then the gateway sends all the same, and closes the clients that hold the most.
	publishPatience = 2 * time.Second
	publishRetry    = 10 * time.Millisecond
)

// publish hands a multicast to the gateway. While the hub exceeds its bound, publish waits and the
// connection is not read. That does not count as the hub server's silence.
func (sc *serverConn) publish(cmd *gateway.Command) {
	defer sc.traceSend(cmd)()
	ctx := context.Background()
	_, err := sc.b.gw.Do(ctx, cmd)
	if !errors.Is(err, gateway.ErrHubBusy) {
		sc.published(err)
		return
	}
	defer sc.pause()()
	patience := time.NewTimer(publishPatience)
	defer patience.Stop()
	retry := time.NewTicker(publishRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
			if _, err = sc.b.gw.Do(ctx, cmd); !errors.Is(err, gateway.ErrHubBusy) {
				sc.published(err)
				return
			}
		case <-patience.C:
			sc.published(sc.b.gw.Force(ctx, cmd))
			return
		case <-sc.b.stop:
			return
		}
	}
}

// pause notes that the reader waits, until resume is called. The time does not count as the hub
// server's silence.
func (sc *serverConn) pause() (resume func()) {
	sc.clock.paused.Store(true)
	return func() {
		sc.heard()
		sc.clock.paused.Store(false)
	}
}

// waitFor waits while a client's queue exceeds its soft bound, for publishPatience at most. A hub
// server that is not read slows down, and nothing else makes it (D17). Other clients of the
// connection wait too.
func (sc *serverConn) waitFor(c *gateway.Conn) {
	if !c.Over() {
		return
	}
	defer sc.pause()()
	patience := time.NewTimer(publishPatience)
	defer patience.Stop()
	select {
	case <-c.Drained():
	case <-patience.C:
	case <-sc.b.stop:
	}
}

// waitUntil is waitFor for a client of another node: until a channel is closed.
func (sc *serverConn) waitUntil(idle <-chan struct{}) {
	defer sc.pause()()
	patience := time.NewTimer(publishPatience)
	defer patience.Stop()
	select {
	case <-idle:
	case <-patience.C:
	case <-sc.b.stop:
	}
}

// waitForLink waits until another node takes so many bytes, for publishPatience at most. False means
// that it does not.
func (sc *serverConn) waitForLink(l *peerLink, size int) bool {
	if !l.Full(size) {
		return true
	}
	defer sc.pause()()
	patience := time.NewTimer(publishPatience)
	defer patience.Stop()
	retry := time.NewTicker(publishRetry)
	defer retry.Stop()
	for {
		select {
		case <-retry.C:
			if !l.Full(size) {
				return true
			}
		case <-patience.C:
			return !l.Full(size)
		case <-sc.b.stop:
			return false
		}
	}
}

func (sc *serverConn) published(err error) {
	if err != nil {
		sc.log.Error("multicast did not reach all nodes", "err", err)
	}
}
