package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/watch"
	"github.com/hubgate/hubgate/upstream"
)

// What nobody looks at costs nothing: neither a send, nor one for nobody, nor a webhook.
func TestObserverCostsNothingWhileNobodyLooks(t *testing.T) {
	o := newObserver(slog.New(slog.NewTextHandler(newOutput(), &slog.HandlerOptions{Level: slog.LevelInfo})), admin.New("test").Metrics)
	defer o.unheard.Close()
	frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, "news", []byte(`["hello"]`))
	require.NoError(t, err)
	cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Frames: frames, Target: gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"ann"}}}
	client := &gateway.Identity{ID: "1", Hub: "chat"}
	var hooks upstream.Watcher = watchedWebhooks{o}
	look := func() {
		o.FollowSend(cmd)
		o.Unheard(cmd)
		hooks.Watches(client, "trace")
	}
	require.Zero(t, testing.AllocsPerRun(100, look))
	require.Nil(t, o.FollowSend(cmd))

	w, err := o.stream.Watch(watch.Filter{Kinds: []watch.Kind{watch.KindSend}})
	require.NoError(t, err)
	came := o.FollowSend(cmd)
	require.NotNil(t, came)
	require.False(t, hooks.Watches(client, "trace"), "nobody asks for webhooks")
	came(gateway.SendReport{Matched: 3, Written: 1, Queued: 1, Dropped: 1})
	events, err := w.Next(t.Context(), time.Minute, nil)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, watch.Subject{Hub: "chat", User: "ann"}, events[0].Subject)
	require.Equal(t, watch.Fate{Matched: 3, Written: 1, Queued: 1, Dropped: 1}, events[0].Send.Fate)
	require.Equal(t, watch.Message{Method: "news", Arguments: `["hello"]`, Bytes: frames.Size()}, events[0].Send.Message)
	w.Stop()
	require.Nil(t, o.FollowSend(cmd))
}

// Messages are read for those who watch if they can be, and never at a high price.
func TestMessagesForThoseWhoWatch(t *testing.T) {
	packed, err := hubprotocol.AppendJSONAsMessagePack(nil, []byte(`[1,"two"]`))
	require.NoError(t, err)
	frames, err := hubprotocol.NewInvocation(hubprotocol.MessagePack, "news", packed)
	require.NoError(t, err)
	require.Equal(t, watch.Message{Method: "news", Arguments: `[1,"two"]`, Bytes: frames.Size()}, messageOf(frames))

	for name, frame := range map[string]string{
		"no record": "x\x1e", "not framed": `{"type":1}`, "another record": `{"type":6}` + "\x1e", "nothing": "\x1e",
	} {
		frames, err := hubprotocol.NewFrames(map[string][]byte{hubprotocol.JSON: []byte(frame)})
		require.NoError(t, err)
		require.Equal(t, watch.Message{Bytes: len(frame)}, messageOf(frames), name)
	}
	own, err := hubprotocol.NewFrames(map[string][]byte{"own": []byte("12345")})
	require.NoError(t, err)
	require.Equal(t, watch.Message{Bytes: 5}, messageOf(own))
	older, err := hubprotocol.NewFrames(map[string][]byte{aspnetprotocol.Name: []byte(`{"C":"a-1","M":[{"H":"Chat","M":"say","A":[1,"two"]}]}`)})
	require.NoError(t, err)
	require.Equal(t, watch.Message{Method: "Chat.say", Arguments: `[1,"two"]`, Bytes: older.Size()}, messageOf(older))
	answer, err := hubprotocol.NewFrames(map[string][]byte{aspnetprotocol.Name: []byte(`{"I":"1","R":2}`)})
	require.NoError(t, err)
	require.Equal(t, watch.Message{Bytes: 15}, messageOf(answer))
	large, err := hubprotocol.NewFrames(map[string][]byte{hubprotocol.JSON: make([]byte, maxReadMessage+1)})
	require.NoError(t, err)
	require.Equal(t, watch.Message{Bytes: maxReadMessage + 1}, messageOf(large))
}

// Whoever is told of events that are missing finds out why.
func TestLossesOfWatchersAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(repository, "docs", "inspect.md"))
	require.NoError(t, err)
	for _, loss := range watch.Losses {
		require.Contains(t, string(page), "| `"+string(loss)+"` |")
	}
}

// A polled client may go while another of its requests brings the handshake: what is told of its end
// reads nothing that the handshake is writing.
func TestEndDuringTheHandshakeRacesWithNothing(t *testing.T) {
	o := newObserver(slog.New(slog.DiscardHandler), admin.New("test").Metrics)
	defer o.unheard.Close()
	w, err := o.stream.Watch(watch.Filter{})
	require.NoError(t, err)
	defer w.Stop()
	b := &slowAccept{begun: make(chan struct{}), end: make(chan struct{})}
	g, err := gateway.New(gateway.Options{Backend: b, Observer: o})
	require.NoError(t, err)
	defer g.Close()
	o.gateway = g
	c, err := g.Attach(gateway.Identity{ID: "1", Hub: "chat"}, idleTransport{})
	require.NoError(t, err)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		_ = c.Feed([]byte(`{"protocol":"json","version":1}` + "\x1e"))
	}()
	<-b.begun
	c.Ended(gateway.Cause{Reason: gateway.CloseNormal})
	close(b.end)
	<-fed
	events, err := w.Next(t.Context(), time.Minute, nil)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, watch.WhatClosed, events[0].What)
	require.Empty(t, events[0].Connection.Protocol, "it had none yet")
}

// slowAccept says when a handshake has begun, and refuses it at the end.
type slowAccept struct{ begun, end chan struct{} }

func (b *slowAccept) Supports(string) bool {
	close(b.begun)
	return true
}

func (b *slowAccept) Accept(*gateway.Conn, gateway.Handshake) (gateway.Session, error) {
	<-b.end
	return nil, errors.New("refused")
}

// idleTransport takes nothing.
type idleTransport struct{}

func (idleTransport) Name() string                 { return gateway.LongPolling }
func (idleTransport) Abilities() gateway.Abilities { return gateway.Abilities{Polled: true} }
func (idleTransport) Wake()                        {}
func (idleTransport) Abort(gateway.Cause)          {}
