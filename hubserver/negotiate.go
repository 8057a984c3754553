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
	// User is the client's user id. An empty one makes the client anonymous.
	User string
	// Claims are what Context.Claims returns to the hub's methods. Their types must not begin
	// with "asrs.s.", and all claims together must fit into a token of 4096 characters.
	Claims Claims
	// Lifetime is how long the client's token is valid: the client must connect within this
	// time. 0 means one hour.
	Lifetime time.Duration
	// CloseOnExpiry makes the gateway close the client when its token expires.
	CloseOnExpiry bool
}

// negotiated is the answer that clients look for.
type negotiated struct {
	Version     int      `json:"negotiateVersion"`
	URL         string   `json:"url"`
	AccessToken string   `json:"accessToken"`
	Transports  []string `json:"availableTransports"`
}

// NegotiateHandler returns the handler for the negotiate requests of a hub's clients. If clients
// are given the URL "/chat", mount it at "POST /chat/negotiate". It sends the clients on to the
// gateway and passes on the query of the request.
//
// identify says who a client is. If identify is nil, all clients are anonymous. If it returns an
// error, the client gets status 401, and the text if the error is an Error. While the hub is
// served but has no connection to the gateway, the client gets status 503.
//
// Pages of another origin need CORS headers, which the application adds around the handler. The
// handler reads the server's fields at the first request.
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

// Redirect tells a client where its hub is, and with which token it gets in.
type Redirect struct {
	URL         string
	AccessToken string
}

// Negotiate returns where the client of a negotiate request should go. It is for applications
// that write the answer themselves. It fails if the connection string or the identity is wrong.
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
	address.WriteString(gateway.Client().String() + auth.ClientPath + "/?hub=" + url.QueryEscape(key))
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
