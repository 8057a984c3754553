package hubserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"time"

	"github.com/hubgate/hubgate/hubserver"
)

// localGateway is a gateway on this machine with the key of the emulator.
const localGateway = "Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"

// A chat, and the negotiate endpoint in the application's own mux.
func Example() {
	hub := hubserver.NewHub("chat")
	hub.OnConnected(func(ctx *hubserver.Context) error {
		return ctx.Join(ctx.Query().Get("room"))
	})
	hub.Handle("say", func(ctx *hubserver.Context, room, text string) error {
		if text == "" {
			return hubserver.Error("Say something.")
		}
		return hub.Clients().InGroup(room).Send(ctx, "message", ctx.User(), text)
	})
	hub.Handle("count", func(ctx *hubserver.Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := 0; i < n && ctx.Err() == nil && yield(i, nil); i++ {
			}
		}
	})
	gateway, err := hubserver.ParseConnectionString(os.Getenv("HUBGATE_CONNECTION_STRING"))
	if err != nil {
		log.Fatal(err)
	}
	server := hubserver.NewServer(gateway, hub)
	http.Handle("POST /chat/negotiate", server.NegotiateHandler(hub, func(r *http.Request) (hubserver.Identity, error) {
		user, _, ok := r.BasicAuth()
		if !ok {
			return hubserver.Identity{}, hubserver.Error("Who are you?")
		}
		return hubserver.Identity{User: user}, nil
	}))
	go func() { log.Fatal(http.ListenAndServe("localhost:7072", nil)) }()

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(interrupted, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx, hubserver.MigrateClients()); err != nil {
			log.Print(err)
		}
	})
	if err := server.Serve(context.Background()); !errors.Is(err, hubserver.ErrServerClosed) {
		log.Fatal(err)
	}
}

// A method asks its caller something and waits for the answer.
func ExampleInvoke() {
	hub := hubserver.NewHub("chat")
	hub.Handle("delete", func(ctx *hubserver.Context, name string) (bool, error) {
		asking, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		sure, err := hubserver.Invoke[bool](asking, ctx.Caller(), "confirm", "Delete "+name+"?")
		if err != nil || !sure {
			return false, err
		}
		return true, os.Remove(name)
	})
}

func ExampleServer_NegotiateHandler() {
	server := hubserver.NewServer(hubserver.MustParseConnectionString(localGateway))
	handler := server.NegotiateHandler(hubserver.NewHub("chat"), func(r *http.Request) (hubserver.Identity, error) {
		return hubserver.Identity{User: r.URL.Query().Get("user")}, nil
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "/chat/negotiate?user=ann", nil))

	var answer struct{ URL, AccessToken string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		log.Fatal(err)
	}
	gateway, err := url.Parse(answer.URL)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Code, gateway.Host, gateway.Path)
	fmt.Println(gateway.Query().Get("hub"), gateway.Query().Get("asrs.op"), gateway.Query().Get("user"))
	// Output:
	// 200 localhost:8888 /client/
	// chat /chat ann
}
