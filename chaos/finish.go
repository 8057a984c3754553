package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// settleTime bounds the wait for what is under way when nobody sends any more.
	settleTime = 15 * time.Second
	// countTime bounds the wait until nobody is counted who has gone. A client of long polling whose handshake was
	// refused is known for half a minute, and so is one of Server-Sent Events that does not hear the answer to its handshake: the
	// official one begins anew and leaves the former stream open. Either may do so a while after the healing.
	countTime = 70 * time.Second
	// eventTime bounds the wait for the last events of connections that have ended. That of a client that has died
	// with its node comes when the node's lease is over, and somebody else has seen that.
	eventTime = 30*time.Second + margin
	// longEventTime is for the long form: there a machine with few processors has so much to do that the log of a node that has died
	// is read for a minute.
	longEventTime = 2 * time.Minute
)

// finish stops the traffic, waits for what is under way and looks at everything that was promised.
func (s *stage) finish(ctx context.Context) {
	s.crowd.quiet()
	s.crowd.sending.Wait()
	s.crowd.speaking.Store(false)
	if took, err := s.everybody(ctx); err != nil {
		s.checker.violate("clients", err.Error())
	} else if took > lookEvery {
		s.report.note("all clients were back %v after the traffic", took.Round(time.Millisecond))
	}
	for _, l := range s.checker.settle(ctx, settleTime) {
		s.report.note("of %s %d, which did not come: %s", l.origin, l.n, s.saw(l.receiver.id))
	}
	s.checkCalls(ctx)
	s.checkCounts(ctx)
	s.checkBooks(ctx)
	s.checkLinks(ctx)
	s.depart(ctx)
}

// checkCalls: what clients have said has come.
func (s *stage) checkCalls(ctx context.Context) {
	var missing []gap
	err := until(ctx, settleTime, func() bool {
		living := make(map[string]bool)
		for _, r := range s.checker.living() {
			living[r.who.id] = true
		}
		missing = s.calls.missing(func(id string) bool { return living[id] })
		return len(missing) == 0
	})
	if err != nil {
		for _, one := range missing {
			s.checker.violate("loss", one.text+s.saw(one.id))
		}
	}
}

// checkCounts: the nodes together count each client once.
func (s *stage) checkCounts(ctx context.Context) {
	counts := make(map[string]int)
	err := until(ctx, countTime, func() bool {
		sum := 0
		for _, n := range s.running() {
			m, err := n.metrics(ctx)
			if err != nil {
				return false
			}
			counts[n.name] = int(m.sum("hubgate_connections"))
			sum += counts[n.name]
		}
		return sum == s.plan.clients+s.extra
	})
	if err != nil {
		s.checker.violate("counts", fmt.Sprintf("%d clients are connected, and the nodes count %v", s.plan.clients+s.extra, counts))
		return
	}
	s.report.note("connections by node at the end: %v", counts)
}

// balanced is what a node says of its books.
const balanced = "the books balance"

// checkBooks: deliveries attempted = written + dropped + queued, on each node.
func (s *stage) checkBooks(ctx context.Context) {
	for _, n := range s.running() {
		var text string
		err := until(ctx, settleTime, func() bool {
			text = n.look(ctx, "/debug/check")
			return text == balanced
		})
		if err != nil {
			s.checker.violate("books", fmt.Sprintf("%s: %s", n.name, text))
		}
	}
}

// depart has all clients leave, and looks at the last events.
func (s *stage) depart(ctx context.Context) {
	if s.crowd.official != nil {
		s.crowd.official.close()
	}
	s.crowd.leave()
	s.crowd.clients.Wait()
	if s.hooks == nil {
		return
	}
	var open []string
	bound := eventTime
	if s.machine.long {
		bound = longEventTime
	}
	err := until(ctx, bound, func() bool {
		open = s.untold()
		return len(open) == 0
	})
	if err != nil {
		s.checker.violate("events", fmt.Sprintf("%d connections have ended without disconnected, such as %s%s", len(open), open[0], s.saw(open[0])))
	}
	s.deaths()
	s.repeats()
	if s.afterwards != nil {
		s.afterwards()
	}
}

// doubtful is how long before the death of its node a client may have ended if its end is told twice: what the application was told
// last, a node may not have noted in the store.
const doubtful = 3 * time.Second

// repeats looks at ends that were told twice.
func (s *stage) repeats() {
	if s.hooks.repeated {
		return
	}
	twice := 0
	for id, one := range s.hooks.all() {
		switch {
		case one.disconnected != 2:
		case s.diedWith(one.teller, one.first):
			twice++
		default:
			s.checker.violate("events", fmt.Sprintf("disconnected of %s was told twice, first by %s, %v apart%s", id, one.teller, one.ended.Sub(one.first), s.saw(id)))
		}
	}
	if twice > 0 {
		s.report.note("the ends of %d clients that were just ending were told twice", twice)
	}
}

// diedWith says whether a node was killed at about this time.
func (s *stage) diedWith(node string, at time.Time) bool {
	for _, k := range s.killed {
		if k.diedAt(node, at) {
			return true
		}
	}
	return false
}

// untold are connections that have ended, whose end the application was not told and should be.
func (s *stage) untold() []string {
	open := s.hooks.open()
	for _, k := range s.killed {
		had := func(id string) bool { return k.ids[id] || k.justHad(s.hooks.life(id)) }
		dead := slices.DeleteFunc(slices.Clone(open), func(id string) bool { return !had(id) || k.unloggedToo(s.hooks.life(id)) })
		if len(dead) <= k.unlogged {
			open = slices.DeleteFunc(open, had)
		}
	}
	return open
}

// justHad says of a client that the application was told of, and that may not know of its connection, that it came to the node right
// before that was killed.
func (k *killed) justHad(one life) bool {
	return k.diedAt(one.host, one.began)
}

// diedAt says whether this is the node, and was killed at about this time.
func (k *killed) diedAt(node string, at time.Time) bool {
	return k.node == node && at.After(k.at.Add(-doubtful)) && at.Before(k.at.Add(doubtful))
}

// unloggedToo says of a client that was told of right before its node was killed, which could not note clients in the store
// then, that it was not noted either: the node was asked for their number a moment before.
func (k *killed) unloggedToo(one life) bool {
	return k.unlogged > 0 && one.began.After(k.at.Add(-doubtful))
}

// deaths says when the ends of clients were told that died with their nodes.
func (s *stage) deaths() {
	for _, k := range s.killed {
		told, last := 0, k.at
		for id := range k.ids {
			if one := s.hooks.life(id); one.disconnected > 0 {
				told++
				if one.ended.After(last) {
					last = one.ended
				}
			}
		}
		s.report.note("%s died with %d connections: disconnected was told of %d, the last one %v later; %d were not in the log", k.node, len(k.ids), told, last.Sub(k.at).Round(time.Millisecond), k.unlogged)
	}
}

func (s *stage) running() (nodes []*node) {
	for _, n := range s.cluster.nodes {
		if n.process().running() {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// look asks the admin address, and returns what it says, or the error.
func (n *node) look(ctx context.Context, path string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.admin()+path, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := looks.Do(r)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// metrics are the lines of /metrics.
type metrics map[string]float64

func (n *node) metrics(ctx context.Context) (metrics, error) {
	text := n.look(ctx, "/metrics")
	if !strings.HasPrefix(text, "#") {
		return nil, errors.New(text)
	}
	m := make(metrics)
	for lines := bufio.NewScanner(bytes.NewReader([]byte(text))); lines.Scan(); {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		m[line[:at]] = value
	}
	return m, nil
}

// sum adds all of a name, whatever their labels are, that have the given ones, each as in `peer="b"`.
func (m metrics) sum(name string, labels ...string) (sum float64) {
next:
	for line, value := range m {
		found, rest, _ := strings.Cut(line, "{")
		if found != name {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				continue next
			}
		}
		sum += value
	}
	return sum
}
