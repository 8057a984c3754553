// Package hubservertest tests hubs of package hubserver with real clients, without a gateway beside
// the test. The gateway runs in the test's process and everything is connected in memory, so a
// test may run in a bubble of testing/synctest.
//
//	func TestSay(t *testing.T) {
//		chat := newChat() // the hub to test
//		gateway := hubservertest.Serve(t, chat)
//		ann := gateway.Connect(chat, hubservertest.Options{User: "ann"})
//		bob := gateway.Connect(chat, hubservertest.Options{User: "bob", Protocol: "messagepack"})
//		if err := ann.Invoke(t.Context(), "say", "hello"); err != nil {
//			t.Fatal(err)
//		}
//		bob.Want("message", "ann", "hello")
//	}
//
// It is the gateway of hubgate: groups, users, acknowledgements, closes and results of clients are
// what they are in production. Clients connect over WebSockets.
//
// Functions that take no context and return no error fail the test if something goes wrong.
// Call them in the goroutine of the test.
package hubservertest
