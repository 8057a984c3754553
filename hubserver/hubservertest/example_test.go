package hubservertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubgate/hubgate/hubserver"
	"github.com/hubgate/hubgate/hubserver/hubservertest"
)

var t *testing.T // the argument of the test function

// Two clients, one of which says something.
func Example() {
	hub := hubserver.NewHub("chat")
	hub.Handle("say", func(ctx *hubserver.Context, text string) error {
		return ctx.Others().Send(ctx, "message", ctx.User(), text)
	})
	gateway := hubservertest.Serve(t, hub)
	ann := gateway.Connect(hub, hubservertest.Options{User: "ann"})
	bob := gateway.Connect(hub, hubservertest.Options{User: "bob", Protocol: "messagepack"})
	if err := ann.Invoke(t.Context(), "say", "hello"); err != nil {
		t.Fatal(err)
	}
	bob.Want("message", "ann", "hello")
}

// A hub that asks its client for something.
func ExampleClient_On() {
	hub := hubserver.NewHub("files")
	hub.Handle("delete", func(ctx *hubserver.Context, name string) (bool, error) {
		return hubserver.Invoke[bool](ctx, ctx.Caller(), "confirm", "Delete "+name+"?")
	})
	gateway := hubservertest.Serve(t, hub)
	client := gateway.Connect(hub, hubservertest.Options{})
	client.On("confirm", func(question string) bool { return question == "Delete a.txt?" })
	deleted, err := hubservertest.Invoke[bool](t.Context(), client, "delete", "a.txt")
	if err != nil || !deleted {
		t.Errorf("deleted: %v, %v", deleted, err)
	}
}

// In a bubble time passes at once, and Messages shows what has not come.
func ExampleClient_Messages() {
	synctest.Test(t, func(t *testing.T) {
		hub := hubserver.NewHub("quiz")
		hub.Handle("start", func(ctx *hubserver.Context) {
			client := ctx.Caller()
			time.AfterFunc(time.Minute, func() {
				if err := client.Send(t.Context(), "time is up"); err != nil {
					t.Error(err)
				}
			})
		})
		gateway := hubservertest.Serve(t, hub)
		client := gateway.Connect(hub, hubservertest.Options{})
		if err := client.Invoke(t.Context(), "start"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if early := client.Messages(); len(early) > 0 {
			t.Errorf("too early: %v", early)
		}
		time.Sleep(2 * time.Second)
		client.Want("time is up")
	})
}
