package hubservertest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubserver"
	"github.com/hubgate/hubgate/hubserver/hubservertest"
)

// note has kinds of fields that the two protocols encode differently.
type note struct {
	Text string    `json:"text"`
	Data []byte    `json:"data"`
	At   time.Time `json:"at"`
}

// newChat is a hub with methods of all kinds.
func newChat() *hubserver.Hub {
	hub := hubserver.NewHub("chat")
	hub.Handle("add", func(_ *hubserver.Context, a, b int) int { return a + b })
	hub.Handle("echo", func(_ *hubserver.Context, n note) note { return n })
	hub.Handle("fail", func(_ *hubserver.Context, text string) error { return hubserver.Error(text) })
	hub.Handle("say", func(ctx *hubserver.Context, text string) error {
		return hub.Clients().All().Send(ctx, "message", ctx.User(), text)
	})
	hub.Handle("tell", func(ctx *hubserver.Context, user, text string) error {
		return hub.Clients().OfUser(user).Send(ctx, "message", ctx.User(), text)
	})
	hub.Handle("enter", func(ctx *hubserver.Context, room string) error { return ctx.Join(room) })
	hub.Handle("leave", func(ctx *hubserver.Context, room string) error { return ctx.Leave(room) })
	hub.Handle("shout", func(ctx *hubserver.Context, room, text string) error {
		return ctx.OthersInGroup(room).Send(ctx, "shout", text)
	})
	hub.Handle("count", func(_ *hubserver.Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, hubserver.Error("no more"))
		}
	})
	hub.Handle("sum", func(ctx *hubserver.Context, numbers <-chan int) (sum int, err error) {
		for n := range numbers {
			sum += n
		}
		return sum, context.Cause(ctx)
	})
	hub.Handle("ask", func(ctx *hubserver.Context) (string, error) {
		answer, err := hubserver.Invoke[int](ctx, ctx.Caller(), "age", "how old?")
		var failed *hubserver.ResultError
		if errors.As(err, &failed) {
			return failed.Text, nil
		}
		return fmt.Sprint(answer), err
	})
	hub.Handle("abort", func(ctx *hubserver.Context) { ctx.Abort() })
	return hub
}

// inBubbles runs a test for both protocols, in bubbles with a hub and two clients.
func inBubbles(t *testing.T, test func(t *testing.T, hub *hubserver.Hub, ann, bob *hubservertest.Client)) {
	for _, protocol := range []string{"json", "messagepack"} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newChat()
				g := hubservertest.Serve(t, hub)
				connect := func(user string) *hubservertest.Client {
					return g.Connect(hub, hubservertest.Options{User: user, Protocol: protocol})
				}
				test(t, hub, connect("ann"), connect("bob"))
			})
		})
	}
}

func TestCalls(t *testing.T) {
	inBubbles(t, func(t *testing.T, _ *hubserver.Hub, ann, _ *hubservertest.Client) {
		sum, err := hubservertest.Invoke[int](t.Context(), ann, "add", 1, 2)
		require.NoError(t, err)
		require.Equal(t, 3, sum)
		sent := note{"x", []byte{0, 255}, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
		got, err := hubservertest.Invoke[note](t.Context(), ann, "echo", sent)
		require.NoError(t, err)
		require.Equal(t, sent, got)
		err = ann.Invoke(t.Context(), "fail", "not today")
		require.Equal(t, &hubservertest.CallError{Text: "not today"}, err)
		require.ErrorContains(t, ann.Invoke(t.Context(), "nothing"), "Unknown hub method 'nothing'")
		_, err = hubservertest.Invoke[string](t.Context(), ann, "add", 1, 2)
		require.ErrorContains(t, err, `result of "add"`)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("no time"))
		require.ErrorContains(t, ann.Invoke(ctx, "add", 1, 2), "no time")
		require.ErrorContains(t, ann.Invoke(t.Context(), "add", make(chan<- int)), "neither a value nor a stream")
		require.Error(t, ann.Invoke(t.Context(), "add", []any{make(chan int)}))
	})
}

func TestSends(t *testing.T) {
	inBubbles(t, func(t *testing.T, hub *hubserver.Hub, ann, bob *hubservertest.Client) {
		require.NoError(t, ann.Send(t.Context(), "say", "hello"))
		ann.Want("message", "ann", "hello")
		bob.Want("message", "ann", "hello")
		require.NoError(t, ann.Invoke(t.Context(), "tell", "bob", "psst"))
		m, err := bob.Receive(t.Context())
		require.NoError(t, err)
		var user, text string
		require.NoError(t, m.Scan(&user, &text))
		require.Equal(t, "ann: psst", user+": "+text)
		require.Error(t, m.Scan(&user))
		require.Equal(t, `message("ann", "psst")`, m.String())

		require.NoError(t, ann.Invoke(t.Context(), "enter", "room"))
		require.NoError(t, bob.Invoke(t.Context(), "enter", "room"))
		require.NoError(t, ann.Invoke(t.Context(), "shout", "room", "hey"))
		bob.Want("shout", "hey")
		require.NoError(t, bob.Invoke(t.Context(), "leave", "room"))
		require.NoError(t, ann.Invoke(t.Context(), "shout", "room", "still there?"))
		synctest.Wait()
		require.Empty(t, bob.Messages())
		require.Empty(t, ann.Messages())

		there, err := hub.Clients().UserExists(t.Context(), "bob")
		require.NoError(t, err)
		require.True(t, there)
		require.NoError(t, hub.Groups().AddUser(t.Context(), "bob", "later", time.Hour))
		require.NoError(t, hub.Clients().InGroup("later").Send(t.Context(), "when", note{Text: "x"}))
		bob.Want("when", note{Text: "x"})
		require.NoError(t, hub.Clients().Client(ann.ConnectionID()).Send(t.Context(), "you"))
		ann.Want("you")
	})
}

func TestStreams(t *testing.T) {
	inBubbles(t, func(t *testing.T, _ *hubserver.Hub, ann, _ *hubservertest.Client) {
		var got []int
		var failure error
		for n, err := range hubservertest.Stream[int](t.Context(), ann, "count", 3) {
			if failure = err; err == nil {
				got = append(got, n)
			}
		}
		require.Equal(t, []int{0, 1, 2}, got)
		require.Equal(t, &hubservertest.CallError{Text: "no more"}, failure)
		for n, err := range hubservertest.Stream[int](t.Context(), ann, "count", 1<<40) {
			require.NoError(t, err)
			if n == 5 {
				break
			}
		}
		// The hub has heard of it: its one turn is free again, and no stream goes on.
		require.NoError(t, ann.Invoke(t.Context(), "add", 1, 2))
		for _, err := range hubservertest.Stream[[]bool](t.Context(), ann, "count", 1) {
			require.ErrorContains(t, err, `item of "count"`)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, err := range hubservertest.Stream[int](ctx, ann, "count", 1<<40) {
			cancel()
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
		}
	})
}

func TestUploads(t *testing.T) {
	inBubbles(t, func(t *testing.T, _ *hubserver.Hub, ann, _ *hubservertest.Client) {
		numbers := make(chan int, 3)
		numbers <- 1
		numbers <- 2
		close(numbers)
		sum, err := hubservertest.Invoke[int](t.Context(), ann, "sum", numbers)
		require.NoError(t, err)
		require.Equal(t, 3, sum)
		var failing iter.Seq2[int, error] = func(yield func(int, error) bool) {
			_ = yield(1, nil) && yield(0, errors.New("out of numbers"))
		}
		require.Equal(t, &hubservertest.CallError{Text: "out of numbers"}, ann.Invoke(t.Context(), "sum", failing))
		// A channel that nobody closes ends with its call.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, ann.Invoke(ctx, "sum", make(chan int)), context.DeadlineExceeded)
	})
}

func TestClientResults(t *testing.T) {
	inBubbles(t, func(t *testing.T, _ *hubserver.Hub, ann, bob *hubservertest.Client) {
		ask := func(c *hubservertest.Client) string {
			text, err := hubservertest.Invoke[string](t.Context(), c, "ask")
			require.NoError(t, err)
			return text
		}
		require.Equal(t, "Client didn't provide a result.", ask(ann))
		ann.On("age", func(question string) int { return len(question) })
		bob.On("AGE", func(string) (int, error) { return 0, errors.New("none of your business") })
		require.Equal(t, "8", ask(ann))
		require.Equal(t, "none of your business", ask(bob))
		require.Empty(t, ann.Messages())
	})
}

func TestHandlers(t *testing.T) {
	inBubbles(t, func(t *testing.T, _ *hubserver.Hub, ann, bob *hubservertest.Client) {
		require.NoError(t, ann.Invoke(t.Context(), "say", "one"))
		require.NoError(t, ann.Invoke(t.Context(), "enter", "room"))
		require.NoError(t, bob.Invoke(t.Context(), "shout", "room", "hey"))
		synctest.Wait()
		texts := make(chan string, 3)
		ann.On("Message", func(user, text string) {
			// A handler may call the hub.
			if err := ann.Invoke(t.Context(), "add", 1, 2); err != nil {
				text = err.Error()
			}
			texts <- user + ": " + text
		})
		require.NoError(t, bob.Invoke(t.Context(), "say", "two"))
		require.Equal(t, "ann: one", <-texts)
		require.Equal(t, "bob: two", <-texts)
		ann.Want("shout", "hey")
		for _, function := range []any{nil, 1, func() (int, int) { return 0, 0 }, func(...int) {}} {
			require.Panics(t, func() { ann.On("x", function) })
		}
	})
}

func TestEndOfAClient(t *testing.T) {
	inBubbles(t, func(t *testing.T, hub *hubserver.Hub, ann, bob *hubservertest.Client) {
		require.NoError(t, ann.Err())
		require.NoError(t, hub.Clients().Client(ann.ConnectionID()).Close(t.Context(), "out"))
		<-ann.Done()
		require.Equal(t, &hubservertest.ClosedError{Text: "out"}, ann.Err())
		require.ErrorIs(t, ann.Invoke(t.Context(), "add", 1, 2), ann.Err())
		_, err := ann.Receive(t.Context())
		require.ErrorIs(t, err, ann.Err())
		ann.Close()
		require.Equal(t, &hubservertest.ClosedError{Text: "out"}, ann.Err())
		require.ErrorIs(t, bob.Invoke(t.Context(), "abort"), hubservertest.ErrClosed)
	})
}

func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newChat()
		gone := make(chan error, 2)
		hub.OnDisconnected(func(_ *hubserver.Context, err error) { gone <- err })
		g := hubservertest.Serve(t, hub)
		polite, lost := g.Connect(hub, hubservertest.Options{}), g.Connect(hub, hubservertest.Options{})
		require.NoError(t, polite.Invoke(t.Context(), "add", 1, 2))
		polite.Close()
		require.NoError(t, <-gone)
		require.ErrorIs(t, polite.Err(), hubservertest.ErrClosed)
		require.NoError(t, lost.Invoke(t.Context(), "add", 1, 2))
		lost.Cut()
		<-gone
		require.ErrorContains(t, lost.Err(), "the connection was lost")
		// A client that is silent on purpose stays: it pings.
		quiet := g.Connect(hub, hubservertest.Options{})
		time.Sleep(time.Hour)
		require.NoError(t, quiet.Invoke(t.Context(), "add", 1, 2))
	})
}

func TestWhoAClientIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := hubserver.NewHub("chat")
		hub.OnConnected(func(ctx *hubserver.Context) error {
			if ctx.User() == "" {
				return hubserver.Error("who are you?")
			}
			return ctx.Caller().Send(ctx, "welcome", ctx.User(), ctx.Claims().Get("role"), ctx.Query().Get("room"), ctx.Header().Get("X-Test"), ctx.Protocol())
		})
		g := hubservertest.New(t)
		_, err := g.Dial(t.Context(), hub, hubservertest.Options{})
		require.ErrorContains(t, err, `no server of the hub "chat" was started`)
		server := g.NewServer(hub)
		server.ApplicationName = "shop"
		g.Start(server)
		options := hubservertest.Options{Query: url.Values{"room": {"blue"}}, Header: http.Header{"X-Test": {"yes"}}, Protocol: "messagepack"}
		known := options
		known.User, known.Claims = "ann", hubserver.Claims{{Type: "role", Value: "admin"}}
		g.Connect(hub, known).Want("welcome", "ann", "admin", "blue", "yes", "messagepack")

		stranger := g.Connect(hub, hubservertest.Options{})
		<-stranger.Done()
		require.ErrorContains(t, stranger.Err(), "who are you?")

		application := http.NewServeMux()
		application.Handle("POST /app/chat/negotiate", server.NegotiateHandler(hub, func(r *http.Request) (hubserver.Identity, error) {
			user := r.URL.Query().Get("user")
			if user == "" {
				return hubserver.Identity{}, hubserver.Error("sign in first")
			}
			return hubserver.Identity{User: strings.ToUpper(user), Claims: hubserver.Claims{{Type: "role", Value: r.Header.Get("X-Test")}}}, nil
		}))
		g.ConnectThrough(application, "/app/chat?user=bob", options).Want("welcome", "BOB", "yes", "blue", "yes", "messagepack")
		_, err = g.DialThrough(t.Context(), application, "/app/chat", options)
		require.Equal(t, &hubservertest.RefusedError{Status: 401, Text: "Unauthorized. sign in first"}, err)
		_, err = g.DialThrough(t.Context(), application, "/app/chat", known)
		require.ErrorContains(t, err, "must not have User and Claims")
		_, err = g.Dial(t.Context(), hub, hubservertest.Options{User: "ann", Protocol: "xml"})
		require.ErrorContains(t, err, `"xml"`)
	})
}

func TestTwoServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := hubservertest.New(t)
		var hubs [2]*hubserver.Hub
		var servers [2]*hubserver.Server
		moved := make(chan string, 2)
		for i := range hubs {
			hubs[i] = newChat()
			hubs[i].Handle("where", func(*hubserver.Context) int { return i })
			hubs[i].OnConnected(func(ctx *hubserver.Context) error {
				if from := ctx.MigratedFrom(); from != "" {
					moved <- from
				}
				return nil
			})
			servers[i] = g.NewServer(hubs[i])
			servers[i].ServerID = fmt.Sprint("server ", i)
			g.Start(servers[i])
		}
		a, b := g.Connect(hubs[0], hubservertest.Options{User: "a"}), g.Connect(hubs[0], hubservertest.Options{User: "b"})
		where := func(c *hubservertest.Client) int {
			n, err := hubservertest.Invoke[int](t.Context(), c, "where")
			require.NoError(t, err)
			return n
		}
		require.ElementsMatch(t, []int{0, 1}, []int{where(a), where(b)})
		require.NoError(t, a.Invoke(t.Context(), "say", "hello"))
		b.Want("message", "a", "hello")
		require.NoError(t, servers[0].Shutdown(t.Context(), hubserver.MigrateClients()))
		require.Equal(t, []int{1, 1}, []int{where(a), where(b)})
		require.Equal(t, "server 0", <-moved)
	})
}

// Without a bubble everything works in real time.
func TestInRealTime(t *testing.T) {
	hub := newChat()
	g := hubservertest.Serve(t, hub)
	ann := g.Connect(hub, hubservertest.Options{User: "ann", On: map[string]any{"age": func(string) int { return 42 }}})
	text, err := hubservertest.Invoke[string](t.Context(), ann, "ask")
	require.NoError(t, err)
	require.Equal(t, "42", text)
}

// The examples have no output that go test could compare: here they run.
func TestExamples(test *testing.T) {
	for name, example := range map[string]func(){"two clients": Example, "client result": ExampleClient_On, "bubble": ExampleClient_Messages} {
		test.Run(name, func(test *testing.T) {
			t = test
			example()
		})
	}
}

// failing is a test that notes how it fails.
type failing struct {
	testing.TB
	failure string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, arguments ...any) {
	f.failure = fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

func (f *failing) Errorf(format string, arguments ...any) {
	f.failure = fmt.Sprintf(format, arguments...)
}

// failureOf returns how a part of a test fails.
func failureOf(t *testing.T, part func(t testing.TB)) string {
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		part(f)
	}()
	<-done
	return f.failure
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newChat()
		talk := func(then func(c *hubservertest.Client)) string {
			return failureOf(t, func(t testing.TB) {
				c := hubservertest.Serve(t, hub).Connect(hub, hubservertest.Options{User: "ann"})
				if err := c.Invoke(t.Context(), "say", "hello"); err != nil {
					t.Errorf("%v", err)
				}
				then(c)
			})
		}
		require.Empty(t, talk(func(c *hubservertest.Client) { c.Want("message", "ann", "hello") }))
		hub = newChat()
		require.Equal(t, `hubservertest: received message("ann", "hello") instead of message("ann", "bye")`,
			talk(func(c *hubservertest.Client) { c.Want("message", "ann", "bye") }))
		hub = newChat()
		require.Contains(t, talk(func(c *hubservertest.Client) { c.Messages(); c.Want("more", 1) }), "no message more(1): context deadline exceeded")
		hub = newChat()
		require.Contains(t, talk(func(c *hubservertest.Client) { c.On("message", func(int, string) {}); synctest.Wait() }),
			`handler does not fit: message("ann", "hello"), argument 1`)
		hub = newChat()
		require.Contains(t, talk(func(c *hubservertest.Client) { c.Want("x", make(chan int)) }), `arguments of "x"`)
		require.Contains(t, failureOf(t, func(t testing.TB) {
			g := hubservertest.New(t)
			server := g.NewServer(newChat())
			server.ApplicationName = "no name"
			g.Start(server)
		}), "hub server is not connected: application name")
	})
}
