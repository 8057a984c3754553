// The example of README.md: a chat behind a gateway.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"

	hubgate "github.com/hubgate/hubgate/clients/go"
)

func main() {
	hub, err := hubgate.New("chat", os.Getenv("HUBGATE_CONNECTION_STRING"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /chat/negotiate", func(w http.ResponseWriter, r *http.Request) {
		answer, err := hub.Negotiate(hubgate.Client{User: r.URL.Query().Get("user")}) // whoever is logged in
		if err != nil {
			http.Error(w, "no token", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	http.Handle("POST /hook", hub.Webhook(func(ctx context.Context, e *hubgate.Event) (any, error) {
		if e.Name != "say" || len(e.Arguments) != 1 {
			return nil, nil
		}
		return "sent", hub.SendToAll(ctx, "said", e.UserID, e.Arguments[0])
	}))
	log.Fatal(http.ListenAndServe("localhost:"+os.Getenv("PORT"), nil))
}
