package hubserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

type note struct {
	Text  string         `json:"text"`
	Data  []byte         `json:"data,omitempty"`
	Count *int           `json:"count"`
	When  time.Time      `json:"when,omitzero"`
	Inner *note          `json:"inner,omitempty"`
	Many  []float64      `json:"many,omitempty"`
	Names map[string]int `json:"names,omitempty"`
}

// methods is a hub with a method of every kind.
func methods() *Hub {
	hub := NewHub("chat")
	hub.Handle("echo", func(_ *Context, n note) (note, error) { return n, nil })
	hub.Handle("add", func(_ *Context, a, b int) int { return a + b })
	hub.Handle("nothing", func(context.Context) {})
	hub.Handle("refuse", func(*Context) error { return fmt.Errorf("while refusing: %w", Error("not you")) })
	hub.Handle("fail", func(*Context) (string, error) { return "", errors.New("secret") })
	hub.Handle("panic", func(*Context) { panic("secret") })
	hub.Handle("unspeakable", func(*Context) any { return make(chan int) })
	hub.Handle("count", func(_ *Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			if n > 2 {
				yield(0, Error("too many"))
			}
		}
	})
	hub.Handle("letters", func(_ *Context, text string) (<-chan string, error) {
		if text == "" {
			return nil, Error("no letters")
		}
		letters := make(chan string, len(text))
		for _, letter := range text {
			letters <- string(letter)
		}
		close(letters)
		return letters, nil
	})
	hub.Handle("sum", func(ctx *Context, start int, more <-chan int, last <-chan int) (int, error) {
		for n := range more {
			start += n
		}
		for n := range last {
			start += n
		}
		return start, context.Cause(ctx)
	})
	return hub
}

func TestCalls(t *testing.T) {
	general := func(name string) string {
		return `"An unexpected error occurred invoking '` + name + `' on the server."`
	}
	bind := func(name string) string { return `"Failed to invoke '` + name + `' due to an error on the server."` }
	call := func(name, arguments string) string {
		return `{"type":1,"invocationId":"1","target":"` + name + `","arguments":` + arguments + `}`
	}
	stream := func(name, arguments string) string {
		return strings.Replace(call(name, arguments), `"type":1`, `"type":4`, 1)
	}
	item := func(value string) string { return `{"type":2,"invocationId":"1","item":` + value + `}` }
	result := func(value string) string { return `{"type":3,"invocationId":"1","result":` + value + `}` }
	failure := func(text string) string { return `{"type":3,"invocationId":"1","error":` + text + `}` }
	end := `{"type":3,"invocationId":"1"}`
	tests := map[string]struct{ says, hears []string }{
		"result":                   {[]string{call("add", "[1,2]")}, []string{result("3")}},
		"name in another case":     {[]string{call("ADD", "[1,2]")}, []string{result("3")}},
		"struct":                   {[]string{call("echo", `[{"text":"é","data":"AQI=","count":null,"inner":{"text":"","count":2},"names":{"a":1}}]`)}, []string{result(`{"text":"é","data":"AQI=","count":null,"inner":{"text":"","count":2},"names":{"a":1}}`)}},
		"no result":                {[]string{call("nothing", "[]")}, []string{end}},
		"no answer wanted":         {[]string{`{"type":1,"target":"add","arguments":[1,2]}`, `{"type":1,"target":"no","arguments":[]}`, call("nothing", "[]")}, []string{end}},
		"unknown method":           {[]string{call("no", "[]")}, []string{failure(`"Unknown hub method 'no'"`)}},
		"an Error is told":         {[]string{call("refuse", "[]")}, []string{failure(`"not you"`)}},
		"other errors are not":     {[]string{call("fail", "[]")}, []string{failure(general("fail"))}},
		"panic":                    {[]string{call("panic", "[]")}, []string{failure(general("panic"))}},
		"result without encoding":  {[]string{call("unspeakable", "[]")}, []string{failure(general("unspeakable"))}},
		"too few arguments":        {[]string{call("add", "[1]")}, []string{failure(bind("add"))}},
		"too many arguments":       {[]string{call("add", "[1,2,3]")}, []string{failure(bind("add"))}},
		"argument of another type": {[]string{call("add", `[1,"2"]`)}, []string{failure(bind("add"))}},
		"a value is no stream":     {[]string{stream("add", "[1,2]")}, []string{failure(`"The client attempted to invoke the non-streaming 'add' method with a streaming invocation."`)}},
		"a stream is no value":     {[]string{call("count", "[1]")}, []string{failure(`"The client attempted to invoke the streaming 'count' method with a non-streaming invocation."`)}},
		"sequence":                 {[]string{stream("count", "[2]")}, []string{item("0"), item("1"), end}},
		"sequence with an error":   {[]string{stream("count", "[3]")}, []string{item("0"), item("1"), item("2"), failure(`"too many"`)}},
		"channel":                  {[]string{stream("letters", `["ab"]`)}, []string{item(`"a"`), item(`"b"`), end}},
		"no channel":               {[]string{stream("letters", `[""]`)}, []string{failure(`"no letters"`)}},
		"uploads": {[]string{
			strings.Replace(call("sum", "[1]"), `"arguments"`, `"streamIds":["a","b"],"arguments"`, 1),
			`{"type":2,"invocationId":"b","item":100}`, `{"type":2,"invocationId":"a","item":10}`,
			`{"type":3,"invocationId":"b"}`, `{"type":2,"invocationId":"a","item":20}`, `{"type":3,"invocationId":"a"}`,
			`{"type":2,"invocationId":"a","item":1000}`,
		}, []string{result("131")}},
		"upload that fails": {[]string{
			strings.Replace(call("sum", "[1]"), `"arguments"`, `"streamIds":["a","b"],"arguments"`, 1),
			`{"type":3,"invocationId":"a","error":"no more"}`,
		}, []string{failure(`"no more"`)}},
		"upload of another type": {[]string{
			strings.Replace(call("sum", "[1]"), `"arguments"`, `"streamIds":["a","b"],"arguments"`, 1),
			`{"type":2,"invocationId":"a","item":"x"}`,
		}, []string{failure(general("sum"))}},
		"upload missing": {[]string{call("sum", "[1]")}, []string{failure(bind("sum"))}},
		"upload twice": {[]string{
			strings.Replace(call("sum", "[1]"), `"arguments"`, `"streamIds":["a","a"],"arguments"`, 1),
		}, []string{failure(`"Stream ID 'a' is already in use."`)}},
		"upload twice, then well": {[]string{
			strings.Replace(call("sum", "[1]"), `"arguments"`, `"streamIds":["a","a"],"arguments"`, 1),
			strings.Replace(call("sum", "[1]"), `"arguments"`, `"streamIds":["a","b"],"arguments"`, 1),
			`{"type":3,"invocationId":"a"}`, `{"type":3,"invocationId":"b"}`,
		}, []string{failure(`"Stream ID 'a' is already in use."`), result("1")}},
		"completion, item and cancel for nobody": {[]string{
			`{"type":3,"invocationId":"9","result":1}`, `{"type":2,"invocationId":"9","item":1}`,
			`{"type":5,"invocationId":"9"}`, `{"type":99}`, call("nothing", "[]"),
		}, []string{end}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := serve(t, methods())
				p := g.peer()
				c := p.open("C1")
				c.say(test.says...)
				c.hears(test.hears...)
				m := p.opening("C2", "messagepack")
				require.Equal(t, "{}\x1e", m.record())
				synctest.Wait()
				require.Empty(t, p.messages, "nothing else is sent")
			})
		})
	}
}

func TestMessagePack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := serve(t, methods())
		c := g.peer().opening("C1", "messagepack")
		require.Equal(t, "{}\x1e", c.record())
		c.raw(packed(t, `[1,{},"1","add",[40,2],[]]`))
		require.JSONEq(t, `[3,{},"1",3,42]`, unpacked(t, c.record()))
		c.raw(packed(t, `[4,{},"2","count",[1]]`))
		require.JSONEq(t, `[2,{},"2",0]`, unpacked(t, c.record()))
		require.JSONEq(t, `[3,{},"2",2]`, unpacked(t, c.record()))
		c.raw(packed(t, `[1,{},"3","no",[]]`))
		require.JSONEq(t, `[3,{},"3",1,"Unknown hub method 'no'"]`, unpacked(t, c.record()))
		c.raw(packed(t, `[1,{},"4","nothing",[]]`))
		require.JSONEq(t, `[3,{},"4",2]`, unpacked(t, c.record()))
		both := append(packed(t, `[1,{},"5","sum",[1],["a","b"]]`), packed(t, `[2,{},"a",2]`)...)
		both = append(both, packed(t, `[3,{},"a",2]`)...)
		both = append(both, packed(t, `[3,{},"b",2]`)...)
		// Bytes may come in any pieces.
		for i := range both {
			c.raw(both[i : i+1])
		}
		require.JSONEq(t, `[3,{},"5",3,3]`, unpacked(t, c.record()))
	})
}

func TestOrderOfCalls(t *testing.T) {
	for name, parallel := range map[string]int{"one after the other": 0, "in parallel": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				hub.Parallel = parallel
				release := make(chan struct{})
				hub.Handle("wait", func(*Context) { <-release })
				hub.Handle("quick", func(*Context) {})
				g, _ := serve(t, hub)
				c := g.peer().open("C1")
				c.say(`{"type":1,"invocationId":"1","target":"wait","arguments":[]}`, `{"type":1,"invocationId":"2","target":"quick","arguments":[]}`)
				if parallel > 1 {
					c.hears(`{"type":3,"invocationId":"2"}`)
				}
				synctest.Wait()
				require.Empty(t, c.messages)
				close(release)
				c.hears(`{"type":3,"invocationId":"1"}`)
				if parallel <= 1 {
					c.hears(`{"type":3,"invocationId":"2"}`)
				}
			})
		})
	}
	t.Run("a stream does not hold up other calls", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := methods()
			ended := make(chan error, 1)
			hub.Handle("forever", func(ctx *Context) (<-chan int, error) {
				context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })
				return make(chan int), nil
			})
			g, _ := serve(t, hub)
			c := g.peer().open("C1")
			c.say(`{"type":4,"invocationId":"1","target":"forever","arguments":[]}`, `{"type":1,"invocationId":"2","target":"nothing","arguments":[]}`)
			c.hears(`{"type":3,"invocationId":"2"}`)
			c.say(`{"type":1,"invocationId":"1","target":"nothing","arguments":[]}`)
			c.hears(`{"type":3,"invocationId":"1","error":"Invocation ID '1' is already in use."}`)
			c.say(`{"type":5,"invocationId":"1"}`)
			c.hears(`{"type":3,"invocationId":"1"}`)
			require.ErrorIs(t, <-ended, context.Canceled)
		})
	})
}

// late is a result that takes its time to become an answer.
type late struct{ begun, release chan struct{} }

func (l late) MarshalJSON() ([]byte, error) {
	close(l.begun)
	<-l.release
	return []byte(`"late"`), nil
}

func TestAnIDIsFreeBeforeItsCallIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := methods()
		hub.Parallel = 2
		result := late{make(chan struct{}), make(chan struct{})}
		hub.Handle("late", func(*Context) late { return result })
		g, _ := serve(t, hub)
		c := g.peer().open("C1")
		c.say(`{"type":1,"invocationId":"1","target":"late","arguments":[]}`)
		<-result.begun
		c.say(`{"type":1,"invocationId":"1","target":"add","arguments":[1,2]}`)
		c.hears(`{"type":3,"invocationId":"1","result":3}`)
		close(result.release)
		c.hears(`{"type":3,"invocationId":"1","result":"late"}`)
	})
}

// bomb is a value that can neither be written nor read.
type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("secret") }
func (*bomb) UnmarshalJSON([]byte) error  { panic("secret") }

// Code of the application's runs when values are written and read, and its panic is an error too.
func TestValuesThatPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := methods()
		hub.Handle("give", func(*Context) bomb { return bomb{} })
		hub.Handle("take", func(*Context, bomb) {})
		hub.Handle("read", func(ctx *Context, items <-chan bomb) error {
			for range items {
			}
			return ctx.Err()
		})
		g, _ := serve(t, hub)
		c := g.peer().open("C1")
		c.say(`{"type":1,"invocationId":"1","target":"give","arguments":[]}`)
		c.hears(`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'give' on the server."}`)
		c.say(`{"type":1,"invocationId":"2","target":"take","arguments":[{}]}`)
		c.hears(`{"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'take' on the server."}`)
		c.say(`{"type":1,"invocationId":"3","target":"read","streamIds":["a"],"arguments":[]}`, `{"type":2,"invocationId":"a","item":{}}`)
		c.hears(`{"type":3,"invocationId":"3","error":"An unexpected error occurred invoking 'read' on the server."}`)
		c.say(`{"type":1,"invocationId":"4","target":"add","arguments":[1,2]}`)
		c.hears(`{"type":3,"invocationId":"4","result":3}`)
	})
}

func TestFlood(t *testing.T) {
	for name, says := range map[string]string{
		"calls":        `{"type":1,"target":"text","arguments":["` + strings.Repeat("x", 300) + `"]}`,
		"stream items": `{"type":2,"invocationId":"a","item":"` + strings.Repeat("x", 300) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				hub.MaxPending = 1000
				why := make(chan error, 1)
				hub.Handle("wait", func(ctx *Context, _ <-chan string) { <-ctx.Done() })
				hub.Handle("text", func(*Context, string) {})
				hub.OnDisconnected(func(_ *Context, err error) { why <- err })
				g, _ := serve(t, hub)
				p := g.peer()
				c, other := p.open("C1"), p.open("C2")
				c.say(`{"type":1,"target":"wait","streamIds":["a"],"arguments":[]}`, says, says, says, says, says)
				text := "Connection closed with an error. The client sends faster than the hub can handle."
				c.hearsClose(`{"type":7,"error":"`+text+`","allowReconnect":true}`, text)
				require.ErrorIs(t, <-why, ErrClientFlood)
				other.say(`{"type":1,"invocationId":"1","target":"text","arguments":[""]}`)
				other.hears(`{"type":3,"invocationId":"1"}`)
			})
		})
	}
}

func TestHandlePanics(t *testing.T) {
	hub := methods()
	for text, function := range map[string]any{
		"not a function":                 1,
		"must be a *hubserver.Context":   func(int) {},
		"must not be variadic":           func(*Context, ...int) {},
		"receive-only channel":           func(*Context, chan int) {},
		"cannot be decoded":              func(*Context, func()) {},
		"at most a value and an error":   func(*Context) (int, int) { return 0, 0 },
		"must be an iter.Seq2[T, error]": func(*Context) iter.Seq[int] { return nil },
		"returned must be receive-only":  func(*Context) chan int { return nil },
	} {
		func() {
			defer func() { require.Contains(t, fmt.Sprint(recover()), text) }()
			hub.Handle("new", function)
		}()
	}
	require.Panics(t, func() { hub.Handle("Add", func(*Context) {}) }, "a name is taken in any letter case")
	require.Panics(t, func() { NewHub("") })
}

func TestGatewayMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := serve(t, methods())
		p := g.peer()
		c := p.open("C1")
		p.write([]byte{2, 0xff, 0xff})
		p.write([]byte{1, 0x90})
		p.write([]byte{3, 0x92, 100, 1})
		p.send(&serviceprotocol.ConnectionData{ConnectionID: "nobody", Payload: []byte("x")},
			&serviceprotocol.CloseConnection{ConnectionID: "nobody"},
			&serviceprotocol.Ack{AckID: 77, Status: 1},
			&serviceprotocol.ErrorCompletion{InvocationID: "none"},
			&serviceprotocol.ClientCompletion{InvocationID: "none"},
			&serviceprotocol.ServiceMapping{InvocationID: "none"},
			&serviceprotocol.ServiceEvent{ID: "x"},
			&serviceprotocol.ServiceError{})
		c.say(`{"type":1,"invocationId":"1","target":"nothing","arguments":[]}`)
		c.hears(`{"type":3,"invocationId":"1"}`)
		p.write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 1})
		p.wantEnd()
		g.peer().open("C2")
	})
}
