package main

import (
	"slices"
	"testing"

	"github.com/hubgate/hubgate/hubserver/hubservertest"
)

// The hub is tested with real clients; nothing has to run beside the test.
func TestChat(t *testing.T) {
	c := newChat()
	gateway := hubservertest.Serve(t, c.hub)
	ann := gateway.Connect(c.hub, hubservertest.Options{User: "ann"})
	name, err := hubservertest.Invoke[string](t.Context(), ann, "whoami")
	if err != nil || name != "ann" {
		t.Fatalf("whoami: %q, %v", name, err)
	}
	bob := gateway.Connect(c.hub, hubservertest.Options{User: "bob", Protocol: "messagepack"})
	ann.Want("note", "bob has joined")

	invoke := func(client *hubservertest.Client, method string, arguments ...any) {
		t.Helper()
		if err := client.Invoke(t.Context(), method, arguments...); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	invoke(ann, "say", "hello")
	bob.Want("message", "ann", "hello")
	invoke(bob, "whisper", "ann", "psst")
	ann.Want("message", "ann", "hello")
	ann.Want("message", "bob (whispers)", "psst")
	if err := bob.Invoke(t.Context(), "whisper", "eve", "psst"); err == nil || err.Error() != "eve is not here." {
		t.Errorf("whisper to nobody: %v", err)
	}
	if err := bob.Invoke(t.Context(), "say", ""); err == nil {
		t.Error("nothing was said")
	}

	words := make(chan string, 2)
	words <- "one"
	words <- "two"
	close(words)
	invoke(bob, "dictate", words)
	ann.Want("message", "bob", "one two")

	var texts []string
	for one, err := range hubservertest.Stream[line](t.Context(), ann, "history") {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, one.User+": "+one.Text)
	}
	if want := []string{"ann: hello", "bob: one two"}; !slices.Equal(texts, want) {
		t.Errorf("history: %q instead of %q", texts, want)
	}
	bob.Close()
	ann.Want("note", "bob has left")
}
