package hubserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// recorder is a middleware that notes what it runs around.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) add(format string, arguments ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, arguments...))
}

func (r *recorder) around(name string) Middleware {
	return func(ctx *Context, event Event, next func(*Context) error) error {
		r.add("%s: %s %s", name, event.Kind, event.Method)
		err := next(ctx)
		if err != nil {
			// A panic's text is followed by the stack.
			r.add("%s: error %.14s", name, err)
		}
		return err
	}
}

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := methods()
		var r recorder
		gone := make(chan error, 1)
		hub.Use(r.around("outer"), r.around("inner"))
		hub.Use(func(ctx *Context, event Event, next func(*Context) error) error {
			if event.Kind == EventDisconnected {
				gone <- event.Cause
			}
			return next(ctx)
		})
		g, _ := serve(t, hub)
		c := g.peer().open("C1")
		c.say(`{"type":1,"invocationId":"1","target":"ADD","arguments":[1,2]}`)
		c.hears(`{"type":3,"invocationId":"1","result":3}`)
		c.say(`{"type":1,"invocationId":"2","target":"panic","arguments":[]}`)
		c.hears(`{"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'panic' on the server."}`)
		c.say(`{"type":1,"invocationId":"3","target":"add","arguments":[1]}`)
		c.hears(`{"type":3,"invocationId":"3","error":"Failed to invoke 'add' due to an error on the server."}`)
		c.leave()
		require.NoError(t, <-gone)
		synctest.Wait()
		require.Equal(t, []string{
			"outer: connected ", "inner: connected ",
			"outer: invocation add", "inner: invocation add",
			"outer: invocation panic", "inner: invocation panic", "inner: error panic: secret\n", "outer: error panic: secret\n",
			"outer: invocation add", "inner: invocation add", "inner: error arguments do n", "outer: error arguments do n",
			"outer: disconnected ", "inner: disconnected ",
		}, r.lines)
	})
}

func TestMiddlewareDecides(t *testing.T) {
	type traceKey struct{}
	for name, test := range map[string]struct {
		middleware Middleware
		hears      string
	}{
		"refuses": {func(*Context, Event, func(*Context) error) error { return Error("not you") }, `{"type":3,"invocationId":"1","error":"not you"}`},
		"answers in the place of the method": {func(*Context, Event, func(*Context) error) error { return nil },
			`{"type":3,"invocationId":"1"}`},
		"replaces an error": {func(ctx *Context, _ Event, next func(*Context) error) error {
			return errors.Join(Error("busy"), next(ctx))
		}, `{"type":3,"invocationId":"1","error":"busy"}`},
		"panics": {func(*Context, Event, func(*Context) error) error { panic("secret") },
			`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'trace' on the server."}`},
		"hands on another context": {func(ctx *Context, _ Event, next func(*Context) error) error {
			return next(ctx.WithContext(context.WithValue(ctx, traceKey{}, "t1")))
		}, `{"type":3,"invocationId":"1","result":"t1 C1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				hub.Handle("trace", func(ctx *Context) string {
					return fmt.Sprint(ctx.Value(traceKey{}), " ", sessionOf(ctx).id)
				})
				hub.Use(func(ctx *Context, event Event, next func(*Context) error) error {
					if event.Kind != EventInvocation {
						return next(ctx)
					}
					return test.middleware(ctx, event, next)
				})
				g, _ := serve(t, hub)
				c := g.peer().open("C1")
				c.say(`{"type":1,"invocationId":"1","target":"trace","arguments":[]}`)
				c.hears(test.hears)
			})
		})
	}
	t.Run("refuses a client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.OnConnected(func(*Context) error { t.Error("it is refused before"); return nil })
			hub.Use(func(*Context, Event, func(*Context) error) error { return Error("Not you") })
			g, _ := serve(t, hub)
			g.peer().open("C1").hearsClose(`{"type":7,"error":"Connection closed with an error. Not you"}`, "Connection closed with an error. Not you")
		})
	})
	t.Run("sees the end of a stream", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			more, ended := make(chan int), make(chan bool, 1)
			hub.Handle("stream", func(*Context) iter.Seq2[int, error] {
				return func(yield func(int, error) bool) {
					for n := range more {
						yield(n, nil)
					}
				}
			})
			hub.Handle("quick", func(*Context) {})
			hub.Use(func(ctx *Context, event Event, next func(*Context) error) error {
				err := next(ctx)
				if event.Method == "stream" {
					ended <- event.Streaming
				}
				return err
			})
			g, _ := serve(t, hub)
			c := g.peer().open("C1")
			c.say(`{"type":4,"invocationId":"1","target":"stream","arguments":[]}`, `{"type":1,"invocationId":"2","target":"quick","arguments":[]}`)
			c.hears(`{"type":3,"invocationId":"2"}`)
			require.Empty(t, ended)
			close(more)
			c.hears(`{"type":3,"invocationId":"1"}`)
			require.True(t, <-ended)
		})
	})
}

func TestValuesOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		hub := NewHub("chat")
		last := make(chan any, 2)
		hub.OnConnected(func(ctx *Context) error { ctx.Set(key{}, "from "+ctx.ConnectionID()); return nil })
		hub.Handle("get", func(ctx *Context) any {
			below, cancel := context.WithCancel(ctx)
			defer cancel()
			return below.Value(key{})
		})
		hub.Handle("set", func(ctx *Context, text *string) {
			if text == nil {
				ctx.Set(key{}, nil)
				return
			}
			ctx.Set(key{}, *text)
		})
		hub.OnDisconnected(func(ctx *Context, _ error) { last <- ctx.Value(key{}) })
		g, _ := serve(t, hub)
		p := g.peer()
		c, other := p.open("C1"), p.open("C2")
		c.say(`{"type":1,"invocationId":"1","target":"get","arguments":[]}`)
		c.hears(`{"type":3,"invocationId":"1","result":"from C1"}`)
		c.say(`{"type":1,"target":"set","arguments":["x"]}`, `{"type":1,"invocationId":"2","target":"get","arguments":[]}`)
		c.hears(`{"type":3,"invocationId":"2","result":"x"}`)
		other.say(`{"type":1,"target":"set","arguments":[null]}`, `{"type":1,"invocationId":"1","target":"get","arguments":[]}`)
		other.hears(`{"type":3,"invocationId":"1","result":null}`)
		c.leave()
		require.Equal(t, "x", <-last)
		other.leave()
		require.Nil(t, <-last)
	})
}
