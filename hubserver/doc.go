// Package hubserver hosts hubs written in Go behind hubgate, or behind any other gateway that
// speaks the same protocol. Clients connect to the gateway. The Server in this package keeps a
// few connections to it, and the clients of all its hubs arrive over them.
//
//	chat := hubserver.NewHub("chat")
//	chat.Handle("say", func(ctx *hubserver.Context, text string) error {
//		return chat.Clients().All().Send(ctx, "message", ctx.User(), text)
//	})
//	gateway, err := hubserver.ParseConnectionString(os.Getenv("HUBGATE_CONNECTION_STRING"))
//	...
//	server := hubserver.NewServer(gateway, chat)
//	http.Handle("POST /chat/negotiate", server.NegotiateHandler(chat, identify))
//	err = server.Serve(ctx)
//
// Hubs are tested with package hubservertest.
//
// # Making a hub and a server
//
// NewHub and NewServer return values with exported fields. Set those, the handlers and the
// middleware before Serve, and do not change them afterwards. A field that is zero has its
// default.
//
// # Values
//
// Arguments, results and stream items are encoded with encoding/json. Clients that speak
// MessagePack get the same structure: fields have the names of their json tags, []byte becomes
// binary and time.Time a timestamp. (In structs that embed others or use the json option
// "string", these two are text, as in JSON.) MessagePack that arrives is read like JSON with
// the same content, so json tags and json.Unmarshaler work there too; binary fits []byte.
//
// # Order
//
// The calls of one client run one after the other, in the order in which the client made
// them; Hub.Parallel allows more at once. A method that returns a stream occupies its turn
// until it returns, not until the stream ends. Calls of different clients run concurrently.
//
// Messages that one call sends arrive in the order of sending, if each Send is given the
// call's Context. Sends from elsewhere keep their order only among the same receivers.
package hubserver
