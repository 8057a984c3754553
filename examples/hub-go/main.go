// A chat whose hub is written in Go. Clients connect to hubgate; this program keeps a few
// connections to it and is called when clients call.
//
//	go run ./cmd/hubgate --mode default
//	cd examples/hub-go && npm install && go run .
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/hubgate/hubgate/hubserver"
)

const (
	maxText = 1000
	// localGateway is a hubgate on this machine with the key of the emulator.
	localGateway = "Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"
)

// chat has what is the application's own.
type chat struct {
	hub *hubserver.Hub

	mu   sync.Mutex
	last []line // the newest at the end
}

// line is what somebody has said.
type line struct {
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

func newChat() *chat {
	c := &chat{hub: hubserver.NewHub("chat")}
	c.hub.OnConnected(c.connected)
	c.hub.OnDisconnected(c.disconnected)
	c.hub.Handle("say", c.say)
	c.hub.Handle("whoami", func(ctx *hubserver.Context) string { return ctx.User() })
	c.hub.Handle("whisper", c.whisper)
	c.hub.Handle("history", c.history)
	c.hub.Handle("dictate", c.dictate)
	return c
}

func (c *chat) connected(ctx *hubserver.Context) error {
	if ctx.MigratedFrom() != "" {
		return nil // It was here before, and has only moved to this server.
	}
	return ctx.Others().Send(ctx, "note", ctx.User()+" has joined")
}

func (c *chat) disconnected(ctx *hubserver.Context, err error) {
	if errors.Is(err, hubserver.ErrMigrated) {
		return
	}
	if err := ctx.Others().Send(ctx, "note", ctx.User()+" has left"); err != nil {
		log.Print(err)
	}
}

// say tells all clients.
func (c *chat) say(ctx *hubserver.Context, text string) error {
	if n := utf8.RuneCountInString(text); n == 0 || n > maxText {
		return hubserver.Error(fmt.Sprintf("Say something of 1 to %d characters.", maxText))
	}
	c.mu.Lock()
	c.last = append(c.last[max(0, len(c.last)-99):], line{ctx.User(), text, time.Now()})
	c.mu.Unlock()
	return c.hub.Clients().All().Send(ctx, "message", ctx.User(), text)
}

// whisper tells one user, if there is one.
func (c *chat) whisper(ctx *hubserver.Context, user, text string) error {
	there, err := c.hub.Clients().UserExists(ctx, user)
	if err != nil {
		return err
	}
	if !there {
		return hubserver.Error(user + " is not here.")
	}
	return c.hub.Clients().OfUser(user).Send(ctx, "message", ctx.User()+" (whispers)", text)
}

// history streams what was said last to the client.
func (c *chat) history(*hubserver.Context) iter.Seq2[line, error] {
	c.mu.Lock()
	last := append([]line(nil), c.last...)
	c.mu.Unlock()
	return func(yield func(line, error) bool) {
		for _, one := range last {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// dictate says what the client streams, when it has ended.
func (c *chat) dictate(ctx *hubserver.Context, words <-chan string) error {
	var text []string
	for word := range words {
		text = append(text, word)
		if len(text) > maxText {
			return hubserver.Error("Too many words.")
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return c.say(ctx, strings.Join(text, " "))
}

// identify believes everybody. A real application looks at who is signed in.
func identify(r *http.Request) (hubserver.Identity, error) {
	return hubserver.Identity{User: cmp.Or(r.URL.Query().Get("user"), "somebody")}, nil
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := newChat()
	gateway, err := hubserver.ParseConnectionString(cmp.Or(os.Getenv("HUBGATE_CONNECTION_STRING"), localGateway))
	if err != nil {
		return err
	}
	hubs := hubserver.NewServer(gateway, c.hub)
	mux := http.NewServeMux()
	mux.Handle("POST /chat/negotiate", hubs.NegotiateHandler(c.hub, identify))
	mux.HandleFunc("GET /signalr.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "node_modules/@microsoft/signalr/dist/browser/signalr.min.js")
	})
	mux.Handle("GET /", http.FileServer(http.Dir("public")))
	listener, err := net.Listen("tcp", "localhost:"+cmp.Or(os.Getenv("PORT"), "7072"))
	if err != nil {
		return err
	}
	web := &http.Server{Handler: mux}
	ended := make(chan error, 2)
	go func() { ended <- hubs.Serve(context.Background()) }()
	go func() { ended <- web.Serve(listener) }()
	go func() {
		if hubs.Ready(ctx) == nil {
			fmt.Printf("chat: http://%s/?user=ann\n", listener.Addr())
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop()
	// Clients move to another server of the hub. Where there is none they are closed.
	leaving, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := hubs.Shutdown(leaving, hubserver.MigrateClients()); err != nil {
		log.Print("shutdown: ", err)
	}
	return web.Shutdown(leaving)
}
