package hubserver

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
)

// Identity is who a client is, as its application knows.
type Identity struct {
	// User is the user id; empty makes the client anonymous.
	User string
	// Claims are what methods find in Context.Claims. Types that begin with "asrs.s." are
	// an error, and all of them have to fit into a token of 4096 characters.
	Claims Claims
	// Lifetime is how long the client may take to connect. 0 means an hour.
	Lifetime time.Duration
	// CloseOnExpiry asks the gateway to close the client at the end of Lifetime.
	CloseOnExpiry bool
}

// negotiated is the answer that clients look for.
type negotiated struct {
	Version     int      `json:"negotiateVersion"`
	URL         string   `json:"url"`
	AccessToken string   `json:"accessToken"`
	Transports  []string `json:"availableTransports"`
}

// NegotiateHandler returns the handler for the negotiate requests of a hub's clients: the
// path of the hub in the application, which clients are given as URL, and "/negotiate".
// It sends the clients on to the gateway, with the items of the request's query.
//
// identify says who a client is; nil makes all of them anonymous. Its error is answered
// with status 401, and with the text of an Error. While the hub is being served and not
// connected the status is 503. CORS, if needed, is a matter of the application's own
// middleware. The server's fields are read at the first request.
func (s *Server) NegotiateHandler(hub *Hub, identify func(*http.Request) (Identity, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "negotiate with POST", http.StatusMethodNotAllowed)
			return
		}
		var identity Identity
		if identify != nil {
			var err error
			if identity, err = identify(r); err != nil {
				s.logger().Info("client refused", "hub", hub.name, "error", err)
				http.Error(w, clientText("Unauthorized.", err), http.StatusUnauthorized)
				return
			}
		}
		s.negotiate(w, r, hub, identity)
	})
}

func (s *Server) negotiate(w http.ResponseWriter, r *http.Request, hub *Hub, identity Identity) {
	if p := hub.pool.Load(); p != nil && len(p.listed()) == 0 {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "The hub is not connected to the gateway. Try again later.", http.StatusServiceUnavailable)
		return
	}
	answer, err := s.Negotiate(r, hub, identity)
	if errors.Is(err, auth.ErrTokenTooLong) {
		http.Error(w, "The client has too many claims.", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		s.logger().Error("negotiate failed", "hub", hub.name, "error", err)
		http.Error(w, "Internal server error.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// The client sees a body that is cut short by itself.
	_ = json.NewEncoder(w).Encode(negotiated{URL: answer.URL, AccessToken: answer.AccessToken, Transports: []string{}})
}

// Redirect is where a client finds its hub.
type Redirect struct {
	URL         string
	AccessToken string
}

// Negotiate returns where the client of a negotiate request is to go, for applications
// that answer by themselves. It fails if the connection string is wrong, or the identity.
func (s *Server) Negotiate(r *http.Request, hub *Hub, identity Identity) (Redirect, error) {
	gateway, err := s.checkedGateway()
	if err != nil {
		return Redirect{}, err
	}
	spec := auth.ClientTokenSpec{UserID: identity.User, Lifetime: identity.Lifetime, CloseOnExpiry: identity.CloseOnExpiry}
	for _, claim := range identity.Claims {
		spec.Claims = append(spec.Claims, auth.Claim(claim))
	}
	key := s.hubKey(hub)
	token, err := auth.SignClient(gateway.AccessKey, audienceBase(gateway), key, spec)
	if err != nil {
		return Redirect{}, err
	}
	var address strings.Builder
	address.WriteString(gateway.Client().String() + "/client/?hub=" + url.QueryEscape(key))
	if path, ok := strings.CutSuffix(r.URL.Path, "/negotiate"); ok && path != "" {
		address.WriteString("&asrs.op=" + url.QueryEscape(path))
	}
	if r.URL.RawQuery != "" {
		address.WriteString("&" + r.URL.RawQuery)
	}
	address.WriteString("&asrs_request_id=" + newRequestID())
	return Redirect{URL: address.String(), AccessToken: token}, nil
}

func newRequestID() string {
	random := make([]byte, 9)
	// crypto/rand.Read does not fail.
	_, _ = rand.Read(random)
	return base64.RawURLEncoding.EncodeToString(random)
}
