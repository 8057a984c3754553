package main

import (
	"net/http"

	"github.com/gorilla/websocket"
)

// echo is the loop that every WebSocket library shows first: what a client sends comes back to it.
// The first message is the handshake, which it answers.
func echo(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it is answered
	}
	defer conn.Close()
	if _, _, err := conn.ReadMessage(); err != nil {
		return
	}
	kind, message := websocket.TextMessage, []byte{'{', '}', recordSeparator}
	for conn.WriteMessage(kind, message) == nil {
		if kind, message, err = conn.ReadMessage(); err != nil {
			return
		}
	}
}
