// A chat server behind hubgate with Go's standard library only: it signs tokens
// for clients, handles their messages as webhooks and sends through the REST API.
//
//	cd examples/chat && npm install && go run ./go
//	hubgate --upstream 'http://localhost:7071/hook/{category}/{event}'
package main

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const hub = "chat"

// server knows the gateway from its connection string.
type server struct {
	endpoint string
	// clientEndpoint is what browsers connect to: in a container the gateway has
	// one name for this server and another one for them.
	clientEndpoint string
	key            []byte
}

func main() {
	s := parse(cmp.Or(os.Getenv("HUBGATE_CONNECTION_STRING"),
		"Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"))
	http.HandleFunc("POST /chat/negotiate", s.negotiate)
	http.HandleFunc("POST /hook/{category}/{event}", s.hook)
	http.HandleFunc("GET /signalr.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "node_modules/@microsoft/signalr/dist/browser/signalr.min.js")
	})
	http.Handle("GET /", http.FileServer(http.Dir("public")))
	port := cmp.Or(os.Getenv("PORT"), "7071")
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "localhost"), port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("chat: http://localhost:%s/?user=ann\n", port)
	log.Fatal(http.Serve(listener, nil))
}

func parse(connectionString string) *server {
	s, port := &server{}, ""
	for part := range strings.SplitSeq(connectionString, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(name) {
		case "endpoint":
			s.endpoint = strings.TrimRight(value, "/")
		case "clientendpoint":
			s.clientEndpoint = strings.TrimRight(value, "/")
		case "port":
			port = ":" + value
		case "accesskey":
			s.key = []byte(value)
		}
	}
	s.endpoint += port
	s.clientEndpoint = cmp.Or(s.clientEndpoint, s.endpoint)
	return s
}

// sign makes a JSON Web Token: for clients the audience is their URL, for REST the request's.
func (s *server) sign(claims map[string]any) string {
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	payload, _ := json.Marshal(claims)
	body := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return body + "." + base64.RawURLEncoding.EncodeToString(s.mac(body))
}

func (s *server) mac(text string) []byte {
	mac := hmac.New(sha256.New, s.key)
	io.WriteString(mac, text)
	return mac.Sum(nil)
}

// verify checks that a webhook comes from the gateway: it alone can sign the
// connection id with the access key. With two keys there are two signatures.
func (s *server) verify(h http.Header) bool {
	want := s.mac(h.Get("X-ASRS-Connection-Id"))
	for signature := range strings.SplitSeq(h.Get("X-ASRS-Signature"), ",") {
		have, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
		if err == nil && hmac.Equal(want, have) {
			return true
		}
	}
	return false
}

// broadcast sends to every client of the hub.
func (s *server) broadcast(target string, arguments ...any) error {
	address := s.endpoint + "/api/hubs/" + hub + "/:send?api-version=2022-06-01"
	body, err := json.Marshal(map[string]any{"target": target, "arguments": arguments})
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.sign(map[string]any{"aud": address}))
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("send: %s", answer.Status)
	}
	return nil
}

// negotiate sends a client on to the gateway with a token of its own. An example
// believes everybody; an application puts the user here who is signed in.
func (s *server) negotiate(w http.ResponseWriter, r *http.Request) {
	client := s.clientEndpoint + "/client/?hub=" + hub
	user := cmp.Or(r.URL.Query().Get("user"), "somebody")
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{
		"url":         client,
		"accessToken": s.sign(map[string]any{"aud": client, "asrs.s.uid": user}),
	})
}

// record is what the gateway posts.
type record struct {
	InvocationID string `json:"invocationId"`
	Arguments    []any  `json:"arguments"`
}

func (s *server) hook(w http.ResponseWriter, r *http.Request) {
	if !s.verify(r.Header) {
		http.Error(w, "wrong signature", http.StatusUnauthorized)
		return
	}
	var rec record
	if err := json.NewDecoder(r.Body).Decode(&rec); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	user := cmp.Or(r.Header.Get("X-ASRS-User-Id"), "somebody")
	result, err := s.handle(r.PathValue("category")+"/"+r.PathValue("event"), user, rec.Arguments)
	switch {
	case errors.Is(err, errNoHandler):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		log.Print(err)
		http.Error(w, "the handler failed", http.StatusInternalServerError)
	case rec.InvocationID != "":
		// The answer to an invoke is a completion, ended by the record separator.
		completion, _ := json.Marshal(map[string]any{"type": 3, "invocationId": rec.InvocationID, "result": result})
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(completion, 0x1e))
	}
}

var errNoHandler = errors.New("no handler for this event")

// handle is the application: what the gateway reports, by category/event.
func (s *server) handle(event, user string, arguments []any) (result any, err error) {
	switch event {
	case "connections/connected":
		return nil, s.broadcast("note", user+" has joined")
	case "connections/disconnected":
		return nil, s.broadcast("note", user+" has left")
	case "messages/say":
		text := []rune(fmt.Sprint(arguments...))
		return nil, s.broadcast("message", user, string(text[:min(len(text), 1000)]))
	case "messages/whoami":
		return user, nil
	}
	return nil, errNoHandler
}
