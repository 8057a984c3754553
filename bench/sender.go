package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const apiVersion = "2022-06-01"

// sender sends messages. It has one caller at a time.
type sender interface {
	// send sends one message with the slot's stamp to everybody, or to one user if that is not empty.
	send(ctx context.Context, stamps *stamper, slot int, user string) error
	close()
}

func (r *run) newSender() sender {
	if r.app != nil {
		return &aspNetSender{app: r.app, payload: r.o.Load.Payload}
	}
	if r.o.Target.Peer != nil {
		return newPeerSender(&r.o)
	}
	return newRESTSender(&r.o)
}

// restSender posts messages over one kept-alive connection.
type restSender struct {
	target  Target
	http    *http.Client
	payload int
	body    []byte
	// tokens are kept per resource: verifying them is the server's cost,
	// signing them again and again would be ours.
	tokens map[string]string
}

func newRESTSender(o *Options) *restSender {
	return &restSender{
		target:  o.Target,
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: o.Target.TLS, MaxConnsPerHost: 1}, Timeout: o.Clients.Timeout},
		payload: o.Load.Payload,
		tokens:  map[string]string{},
	}
}

func (s *restSender) close() { s.http.CloseIdleConnections() }

func (s *restSender) send(ctx context.Context, stamps *stamper, slot int, user string) error {
	u, token, err := s.resource(user)
	if err != nil {
		return err
	}
	s.body = append(s.body[:0], `{"target":"bench","arguments":["`...)
	s.body = stamps.appendPayload(s.body, slot, s.payload)
	s.body = append(s.body, `"]}`...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(s.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	switch resp.StatusCode {
	case http.StatusAccepted:
		return nil
	case http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", errBusy, printable(text))
	}
	return fmt.Errorf("send: %s: %s", resp.Status, printable(text))
}

// errBusy is a refusal that means later: too much waits for the clients.
var errBusy = errors.New("send: the server is busy")

func (s *restSender) resource(user string) (u, token string, err error) {
	at := s.target.Endpoint
	if s.target.REST != nil {
		at = s.target.REST
	}
	base := strings.TrimSuffix(at.String(), "/")
	if s.target.Floor {
		return base + "/send", "", nil
	}
	u = base + "/api/hubs/" + url.PathEscape(s.target.Hub)
	if user != "" {
		u += "/users/" + url.PathEscape(user)
	}
	u += "/:send"
	token, ok := s.tokens[u]
	if !ok {
		if token, err = s.target.RESTToken(u); err != nil {
			return "", "", err
		}
		s.tokens[u] = token
	}
	return u + "?api-version=" + apiVersion, token, nil
}

func userName(i int) string { return "bench-" + strconv.Itoa(i) }

func randomUser(clients int) string { return userName(rand.IntN(clients)) }
