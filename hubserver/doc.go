// Package hubserver hosts hubs written in Go behind hubgate, or behind anything else
// that speaks the same wire. Clients connect to the gateway; the Server here keeps a few
// connections to it, over which the clients of all its hubs come.
//
//	hub := hubserver.NewHub("chat")
//	hub.Handle("say", func(ctx *hubserver.Context, text string) error {
//		return hub.Clients().All().Send(ctx, "message", ctx.User(), text)
//	})
//	server := &hubserver.Server{ConnectionString: connectionString, Hubs: []*hubserver.Hub{hub}}
//	http.Handle("POST /chat/negotiate", server.NegotiateHandler(hub, identify))
//	err := server.Serve(ctx)
//
// # Values
//
// Arguments, results and stream items are what encoding/json makes of Go values, for
// clients of the JSON protocol, and the same shape in MessagePack for the others: fields
// have the names of their json tags, []byte becomes binary and time.Time a timestamp
// (inside of structs that embed others or use the json option "string" they are text, as
// in JSON). What arrives as MessagePack is read as the JSON with the same meaning, so
// that json tags and json.Unmarshaler do their work; binary fits []byte.
//
// # Order
//
// The methods that one client calls run one after the other, in the order of the calls,
// unless Hub.Parallel allows more; a method that returns a stream counts until it
// returns. Methods of different clients run concurrently. What one method call sends
// arrives in the order of sending. Sends from outside of a call keep their order among
// the same receivers only.
package hubserver
