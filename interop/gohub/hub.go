package main

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/hubserver"
)

// testHub is TestHub on one server.
type testHub struct {
	server string
	hub    *hubserver.Hub

	mu     sync.Mutex
	events []event
}

// event is a client that came or went.
type event struct {
	Event        string `json:"event"`
	ConnectionID string `json:"connectionId"`
	User         string `json:"user,omitempty"`
	Server       string `json:"server"`
	Migrated     string `json:"migrated,omitempty"`
	Error        string `json:"error,omitempty"`
}

// who is what a method knows of its caller.
type who struct {
	ConnectionID string   `json:"connectionId"`
	User         string   `json:"user"`
	Query        string   `json:"query"`
	Path         string   `json:"path"`
	RemoteIP     string   `json:"remoteIp"`
	Server       string   `json:"server"`
	Claims       []string `json:"claims"`
}

func newTestHub(server string) *testHub {
	t := &testHub{server: server, hub: hubserver.NewHub("TestHub")}
	t.hub.Parallel = 8
	t.hub.MaxMessage = 16 << 20
	t.hub.OnConnected(t.connected)
	t.hub.OnDisconnected(t.disconnected)
	t.values()
	t.sends()
	t.streams()
	t.failures()
	return t
}

func (t *testHub) record(e event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e)
}

func (t *testHub) connected(ctx *hubserver.Context) error {
	t.record(event{Event: "connected", ConnectionID: ctx.ConnectionID(), User: ctx.User(), Server: t.server, Migrated: ctx.MigratedFrom()})
	if text := ctx.Query().Get("welcome"); text != "" {
		return ctx.Caller().Send(ctx, "welcome", text)
	}
	return nil
}

func (t *testHub) disconnected(ctx *hubserver.Context, err error) {
	e := event{Event: "disconnected", ConnectionID: ctx.ConnectionID(), User: ctx.User(), Server: t.server}
	if err != nil {
		e.Error = err.Error()
	}
	t.record(e)
}

func (t *testHub) values() {
	t.hub.Handle("Echo", func(_ *hubserver.Context, s string) string { return s })
	t.hub.Handle("EchoAny", func(_ *hubserver.Context, v any) any { return v })
	t.hub.Handle("EchoBytes", func(_ *hubserver.Context, b []byte) []byte { return b })
	t.hub.Handle("Add", func(_ *hubserver.Context, a, b int) int { return a + b })
	t.hub.Handle("Nothing", func(*hubserver.Context) {})
	t.hub.Handle("ServerName", func(*hubserver.Context) string { return t.server })
	t.hub.Handle("WhoAmI", t.whoAmI)
	t.hub.Handle("Slow", func(ctx *hubserver.Context, ms int) (string, error) {
		return "done", pause(ctx, ms)
	})
}

func (t *testHub) whoAmI(ctx *hubserver.Context) who {
	me := who{
		ConnectionID: ctx.ConnectionID(), User: ctx.User(), Query: "?" + ctx.Query().Encode(), Server: t.server,
		Path: ctx.Query().Get("asrs.op"), RemoteIP: ctx.Header().Get("X-Forwarded-For"),
	}
	for _, claim := range ctx.Claims() {
		me.Claims = append(me.Claims, claim.Type+"="+claim.Value)
	}
	return me
}

func (t *testHub) sends() {
	clients, groups := t.hub.Clients(), t.hub.Groups()
	type call = *hubserver.Context
	t.hub.Handle("EchoBack", func(ctx call, text string) error { return ctx.Caller().Send(ctx, "echo", text) })
	t.hub.Handle("Broadcast", func(ctx call, target, text string) error { return clients.All().Send(ctx, target, text) })
	t.hub.Handle("Others", func(ctx call, target, text string) error { return ctx.Others().Send(ctx, target, text) })
	t.hub.Handle("AllExcept", func(ctx call, ids []string, target, text string) error {
		return clients.AllExcept(ids...).Send(ctx, target, text)
	})
	t.hub.Handle("SendToClient", func(ctx call, id, target, text string) error {
		return clients.Client(id).Send(ctx, target, text)
	})
	t.hub.Handle("SendToClients", func(ctx call, ids []string, target, text string) error {
		return clients.Connections(ids...).Send(ctx, target, text)
	})
	t.hub.Handle("SendToUser", func(ctx call, user, target, text string) error {
		return clients.OfUser(user).Send(ctx, target, text)
	})
	t.hub.Handle("SendToUsers", func(ctx call, users []string, target, text string) error {
		return clients.OfUsers(users...).Send(ctx, target, text)
	})
	t.hub.Handle("Join", func(ctx call, group string) error { return groups.Add(ctx, ctx.ConnectionID(), group) })
	t.hub.Handle("Leave", func(ctx call, group string) error { return groups.Remove(ctx, ctx.ConnectionID(), group) })
	t.hub.Handle("SendToGroup", func(ctx call, group, target, text string) error {
		return clients.InGroup(group).Send(ctx, target, text)
	})
	t.hub.Handle("SendToGroups", func(ctx call, names []string, target, text string) error {
		return clients.InGroups(names...).Send(ctx, target, text)
	})
	t.hub.Handle("SendToGroupExcept", func(ctx call, group string, ids []string, target, text string) error {
		return clients.InGroupExcept(group, ids...).Send(ctx, target, text)
	})
	t.hub.Handle("OthersInGroup", func(ctx call, group, target, text string) error {
		return ctx.OthersInGroup(group).Send(ctx, target, text)
	})
}

func (t *testHub) streams() {
	t.hub.Handle("Count", func(ctx *hubserver.Context, n, ms int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if err := pause(ctx, ms); err != nil || !yield(i, nil) {
					return
				}
			}
		}
	})
	t.hub.Handle("Letters", func(_ *hubserver.Context, s string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, letter := range s {
				if !yield(string(letter), nil) {
					return
				}
			}
			if strings.HasSuffix(s, "!") {
				yield("", hubserver.Error("the stream failed"))
			}
		}
	})
	t.hub.Handle("Sum", func(ctx *hubserver.Context, numbers <-chan int) (int, error) {
		sum := 0
		for n := range numbers {
			sum += n
		}
		return sum, context.Cause(ctx)
	})
	t.hub.Handle("Double", func(ctx *hubserver.Context, numbers <-chan int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for n := range numbers {
				if !yield(2*n, nil) {
					return
				}
			}
			if err := context.Cause(ctx); err != nil {
				yield(0, err)
			}
		}
	})
}

func (t *testHub) failures() {
	t.hub.Handle("Ask", t.ask)
	t.hub.Handle("Fail", func(_ *hubserver.Context, text string) error { return hubserver.Error(text) })
	t.hub.Handle("Crash", func(_ *hubserver.Context, text string) { panic(text) })
	t.hub.Handle("AbortMe", func(ctx *hubserver.Context) { ctx.Abort() })
}

// ask asks a client and tells the caller its answer.
func (t *testHub) ask(ctx *hubserver.Context, id, target, argument string) (string, error) {
	bound, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := hubserver.Invoke[string](bound, t.hub.Clients().Client(id), target, argument)
	var failed *hubserver.ResultError
	switch {
	case errors.As(err, &failed):
		return "", hubserver.Error(failed.Text)
	case errors.Is(err, hubserver.ErrNoClient):
		return "", hubserver.Error("no such connection")
	}
	return answer, err
}

// pause waits, or returns why ctx has ended.
func pause(ctx context.Context, ms int) error {
	if ms <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return nil
	}
}
