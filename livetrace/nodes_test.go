package livetrace

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
)

// peer is another node that notes what it is told.
type peer struct {
	name string
	full bool
	said [][]byte
}

func (p *peer) Name() string  { return p.name }
func (p *peer) Full(int) bool { return p.full }
func (p *peer) Send(message []byte) bool {
	p.said = append(p.said, message)
	return true
}

// listener is a hub with a watcher that gets events, and what comes to it.
func listener() (*Hub, *watcher) {
	h := New(Options{Enabled: func() bool { return true }, Wants: func(azurelog.Category) bool { return true }})
	w := &watcher{hub: h, queue: make(chan []byte, maxWaiting), over: make(chan struct{})}
	w.listens.Store(true)
	h.watchers[w] = true
	h.looks(1)
	return h, w
}

// Nodes are told of the first who looks on and of the last, and only while somebody does get events.
func TestNodesTellEachOtherWhoLooksOn(t *testing.T) {
	h := New(Options{Enabled: func() bool { return true }, Wants: func(azurelog.Category) bool { return true }})
	early, late := &peer{name: "b"}, &peer{name: "c"}
	h.PeerUp(early)
	h.looks(1)
	h.looks(1)
	h.PeerUp(late)
	h.looks(-2)
	require.Equal(t, [][]byte{{saidListening}, {saidQuiet}}, early.said)
	require.Equal(t, early.said, late.said)

	e := &flight.Event{Kind: flight.KindConnection, What: flight.WhatOpened}
	h.Event(e)
	require.Len(t, early.said, 2, "nobody looks on")
	require.NoError(t, h.PeerSaid(early, []byte{saidListening}))
	require.NoError(t, h.PeerSaid(early, []byte{saidListening}), "it says so twice")
	h.Event(e)
	require.Len(t, early.said, 3)
	require.Len(t, late.said, 2)
	early.full = true
	h.Event(e)
	require.Len(t, early.said, 3)
	require.EqualValues(t, 1, h.Stats().Missed)
	h.PeerGone(early)
	require.False(t, h.Listening())
	require.NoError(t, h.PeerSaid(early, []byte{saidListening}), "the last word of one that is gone")
	require.False(t, h.Listening())
}

func TestWhatANodeCannotRead(t *testing.T) {
	h, w := listener()
	from := &peer{name: "b"}
	for name, message := range map[string]string{
		"nothing": "", "no JSON": "\x03{", "not an event": "\x03[]",
		"an event without end": "\x03{\"user\":\"" + strings.Repeat("x", maxSaid) + "\"}",
	} {
		require.ErrorIs(t, h.PeerSaid(from, []byte(message)), errSaid, name)
	}
	require.NoError(t, h.PeerSaid(from, []byte("\x63newer")), "what newer nodes say is passed over")
	require.Empty(t, w.queue)
	require.NoError(t, h.PeerSaid(from, []byte("\x03{\"kind\":\"newer\",\"newer\":1}")), "so is what they add")
	require.Len(t, w.queue, 1)
}

// What another node says is bounded, and whatever it says can be shown.
func FuzzPeerSaid(f *testing.F) {
	event, err := json.Marshal(&flight.Event{Kind: flight.KindSend, What: flight.WhatSent, Send: flight.Send{Fate: &flight.Fate{Matched: 1}}})
	require.NoError(f, err)
	f.Add(append([]byte{saidEvent}, event...))
	f.Add([]byte{saidListening})
	f.Add([]byte("\x03{\"kind\":\"webhook\",\"what\":\"skipped\"}"))
	f.Fuzz(func(t *testing.T, message []byte) {
		h, w := listener()
		from := &peer{name: "b"}
		h.PeerUp(from)
		_ = h.PeerSaid(from, message)
		if len(w.queue) > 0 {
			require.True(t, json.Valid(trimmed(<-w.queue)))
		}
		h.PeerGone(from)
		h.looks(-1)
		require.False(t, h.Listening())
	})
}

func trimmed(record []byte) []byte { return record[:len(record)-1] }
