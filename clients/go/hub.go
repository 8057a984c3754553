package hubgate

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Hub is one hub of a gateway. Make it with New. Its fields are set before its first use; its methods may be
// called concurrently.
type Hub struct {
	// HTTPClient makes the requests; nil means http.DefaultClient.
	HTTPClient *http.Client
	// Now tells the time; nil means time.Now.
	Now func() time.Time

	name string
	at   connection
}

// New returns the hub of the gateway that the connection string names: "Endpoint=…;AccessKey=…;", with Port,
// ClientEndpoint and ServerEndpoint if need be. Errors do not repeat the text, which holds the key.
func New(name, connectionString string) (*Hub, error) {
	at, err := parseConnectionString(connectionString)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, errors.New("hubgate: the hub has no name")
	}
	return &Hub{name: strings.ToLower(name), at: at}, nil
}

// connection is what a connection string says. Requests go to the server endpoint, clients to theirs; the audience of
// their tokens is the endpoint.
type connection struct {
	endpoint, serverEndpoint, clientEndpoint string
	key                                      string
}

func parseConnectionString(text string) (c connection, err error) {
	parts := make(map[string]string)
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		parts[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	if c.endpoint, err = endpointOf(parts["endpoint"], parts["port"]); err != nil {
		return connection{}, err
	}
	if c.key = parts["accesskey"]; c.key == "" {
		return connection{}, errors.New("hubgate: the connection string has no AccessKey")
	}
	c.serverEndpoint, c.clientEndpoint = c.endpoint, c.endpoint
	if other := parts["serverendpoint"]; other != "" {
		c.serverEndpoint, err = endpointOf(other, "")
	}
	if other := parts["clientendpoint"]; other != "" && err == nil {
		c.clientEndpoint, err = endpointOf(other, "")
	}
	return c, err
}

func endpointOf(text, port string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", errors.New("hubgate: an endpoint of the connection string is not an http:// or https:// URL")
	}
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errors.New("hubgate: the Port of the connection string is not a number")
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), nil
}

// Client is who a client is.
type Client struct {
	// User is the user id; "" is nobody.
	User string
	// Claims are seen by webhooks and hub servers. A list is several claims.
	Claims map[string]any
	// Lifetime is how long the token is good; 0 means an hour. A client stays connected after that.
	Lifetime time.Duration
}

// Negotiated is what a negotiate endpoint answers as JSON.
type Negotiated struct {
	URL         string `json:"url"`
	AccessToken string `json:"accessToken"`
}

// reserved are claims of the token. Those of a user with such a name have a prefix, which the gateway takes away.
var reserved = []string{"aud", "exp", "iat", "nbf", "iss", "actort", "acr", "azp", "c_hash", "jti", "nonce"}

// Negotiate returns where a client connects to, and with which token. Call it from the endpoint
// POST …/negotiate, for the user who is logged in there.
func (h *Hub) Negotiate(c Client) (Negotiated, error) {
	claims := jwt.MapClaims{}
	for name, value := range c.Claims {
		if slices.Contains(reserved, name) {
			name = "asrs.u." + name
		}
		claims[name] = value
	}
	if c.User != "" {
		claims["asrs.s.uid"] = c.User
	}
	path := "/client/?hub=" + escape(h.name)
	token, err := h.token(h.at.endpoint+path, claims, c.Lifetime)
	return Negotiated{URL: h.at.clientEndpoint + path, AccessToken: token}, err
}

func (h *Hub) token(audience string, claims jwt.MapClaims, lifetime time.Duration) (string, error) {
	if lifetime == 0 {
		lifetime = time.Hour
	}
	now := h.now()
	claims["aud"], claims["iat"], claims["exp"] = audience, now.Unix(), now.Add(lifetime).Unix()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(h.at.key))
	if err != nil {
		return "", fmt.Errorf("hubgate: %w", err)
	}
	return signed, nil
}

func (h *Hub) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// escape percent-encodes all but letters, digits and -._~.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
