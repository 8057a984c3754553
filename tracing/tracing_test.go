package tracing

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/internal/flight"
	"github.com/hubgate/hubgate/internal/poll"
)

// pair are two nodes with a Desk each that talk with each other, until cut.
type pair struct {
	a, b *Desk
	// ring are their recorders.
	ring [2]*flight.Recorder
	hubs [2]*gateway.Gateway
}

// wire is the way to a Desk. It delivers at once and in order.
type wire struct {
	name string
	to   *Desk
	back *wire
	cut  bool
}

func (w *wire) Name() string  { return w.name }
func (w *wire) Full(int) bool { return false }
func (w *wire) Send(message []byte) bool {
	if !w.cut {
		go w.to.others.PeerSaid(w.back, message)
	}
	return true
}

func newPair(t *testing.T) (*pair, *wire) {
	p := &pair{}
	bus := &backplane.InProcess{}
	for i, name := range []string{"a", "b"} {
		g, err := gateway.New(gateway.Options{Node: name, Backend: &gatewaytest.Backend{}, Backplane: bus.From(name)})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		p.hubs[i], p.ring[i] = g, flight.New(0)
	}
	p.a, p.b = New(p.hubs[0], p.ring[0], nil), New(p.hubs[1], p.ring[1], nil)
	t.Cleanup(p.a.Close)
	t.Cleanup(p.b.Close)
	toB, toA := &wire{name: "b", to: p.b}, &wire{name: "a", to: p.a}
	toB.back, toA.back = toA, toB
	p.a.others.PeerUp(toB)
	p.b.others.PeerUp(toA)
	return p, toB
}

func event(kind flight.Kind, what flight.What, about flight.Subject, to string, names ...string) *flight.Event {
	return &flight.Event{Kind: kind, What: what, Subject: about, Send: flight.Send{To: to, Names: names}}
}

// What is known of a user at one node finds events of another one.
func TestSearchOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPair(t)
		gatewaytest.Connect(t, p.hubs[1], gatewaytest.Options{ID: "c1", Hub: "chat", User: "ann"})
		synctest.Wait()
		_, err := p.hubs[1].Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Group: "g", Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"c1"}}})
		require.NoError(t, err)
		p.ring[0].Record(event(flight.KindSend, flight.WhatSent, flight.Subject{Hub: "chat"}, "groups", "g"))
		time.Sleep(time.Second)
		p.ring[1].Record(event(flight.KindSend, flight.WhatSent, flight.Subject{Hub: "chat"}, "all"))
		time.Sleep(time.Second)
		p.ring[0].Record(event(flight.KindSend, flight.WhatSent, flight.Subject{Hub: "other"}, "all"))
		for _, desk := range []*Desk{p.a, p.b} {
			got, err := desk.Search(t.Context(), &flight.Query{User: "ann"})
			require.NoError(t, err)
			require.Len(t, got.Events, 2)
			require.Equal(t, "a", got.Events[0].Node)
			require.Equal(t, []string{"g"}, got.Events[0].Names)
			require.Equal(t, "b", got.Events[1].Node)
			require.Len(t, got.Nodes, 2)
			for _, n := range got.Nodes {
				require.Empty(t, n.Error)
			}
		}
	})
}

// A node that does not answer is named, and so is one that goes.
func TestSearchNamesNodesThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, toB := newPair(t)
		p.ring[0].Record(event(flight.KindSend, flight.WhatSent, flight.Subject{Hub: "chat"}, "all"))
		toB.cut = true
		got, err := p.a.Search(t.Context(), &flight.Query{})
		require.NoError(t, err)
		require.Len(t, got.Events, 1)
		require.Equal(t, "b", got.Nodes[1].Node)
		require.Equal(t, poll.ErrNoAnswer.Error(), got.Nodes[1].Error)
		go func() {
			time.Sleep(time.Second)
			p.a.others.PeerGone(toB)
		}()
		got, err = p.a.Search(t.Context(), &flight.Query{})
		require.NoError(t, err)
		require.Equal(t, poll.ErrGone.Error(), got.Nodes[1].Error)
		got, err = p.a.Search(t.Context(), &flight.Query{})
		require.NoError(t, err)
		require.Len(t, got.Nodes, 1)
	})
}

func TestSearchWithoutARecorder(t *testing.T) {
	g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}})
	require.NoError(t, err)
	defer g.Close()
	d := New(g, nil, nil)
	defer d.Close()
	got, err := d.Search(t.Context(), &flight.Query{User: "ann"})
	require.NoError(t, err)
	require.Equal(t, flight.Answer{Events: []flight.Event{}, Nodes: []flight.NodeAnswer{{Node: "a", Off: true}}}, got)
}

// Nothing that another node asks does harm.
func FuzzQuestion(f *testing.F) {
	f.Add([]byte(`{"q":{},"w":true}`))
	f.Add([]byte(`{"q":{"user":"ann"},"k":{}}`))
	g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}})
	require.NoError(f, err)
	f.Cleanup(g.Close)
	f.Fuzz(func(t *testing.T, text []byte) {
		d := New(g, flight.New(0), nil)
		defer d.Close()
		said, err := d.answer(t.Context(), text)
		require.Equal(t, err != nil, said == nil)
	})
}

func TestAnswersInJSON(t *testing.T) {
	a := answer{NodeAnswer: flight.NodeAnswer{Node: "a"}, Events: []flight.Event{*event(flight.KindSend, flight.WhatSent, flight.Subject{Hub: "chat"}, "all")}}
	text, err := json.Marshal(a)
	require.NoError(t, err)
	var again answer
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, a.Events[0].To, again.Events[0].To)
	require.Equal(t, a.Node, again.Node)
}

// A time that cannot be written is the caller's mistake, and holds nobody up.
func TestATimeThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, toB := newPair(t)
		far := time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*60*60))
		got, err := p.a.Search(t.Context(), &flight.Query{User: "ann", Since: far})
		require.NoError(t, err)
		require.Contains(t, got.Nodes[0].Error, "timezone hour")
		p.a.others.PeerGone(toB)
		p.a.others.PeerUp(toB)
		got, err = p.a.Search(t.Context(), &flight.Query{})
		require.NoError(t, err)
		require.Len(t, got.Nodes, 2)
	})
}

// So many searches run at a time, and one that has ended makes room.
func TestSearchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, toB := newPair(t)
		toB.cut = true // they wait for it
		for range maxSearching {
			go p.a.Search(t.Context(), &flight.Query{})
		}
		synctest.Wait()
		_, err := p.a.Search(t.Context(), &flight.Query{})
		require.ErrorIs(t, err, ErrBusy)
		time.Sleep(answerBound)
		synctest.Wait()
		_, err = p.a.Search(t.Context(), &flight.Query{})
		require.NoError(t, err)
	})
}

// A search ends with its caller, and says that events may be missing.
func TestASearchEndsWithItsCaller(t *testing.T) {
	g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}})
	require.NoError(t, err)
	defer g.Close()
	ring := flight.New(0)
	ring.Record(event(flight.KindSend, flight.WhatSent, flight.Subject{Hub: "chat"}, "all"))
	d := New(g, ring, nil)
	defer d.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := d.Search(ctx, &flight.Query{})
	require.NoError(t, err)
	require.Empty(t, got.Events)
	require.Equal(t, errBehind.Error(), got.Nodes[0].Error)
}
