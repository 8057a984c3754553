package clientaspnet

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
	"unique"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/transport"
)

// call is one request on its way to an answer.
type call struct {
	h       *Handler
	w       *transport.Answer
	r       *http.Request
	command string
	values  values

	// set by authenticate
	key    string // of the application
	token  string
	claims *auth.Claims

	// end, if set, ends the connection that the request works on should it panic.
	end func(gateway.Cause)
}

// authenticate checks the token. On success key and claims are set.
func (c *call) authenticate() error {
	var ok bool
	if c.token, ok = auth.BearerToken(c.r.Header); !ok {
		c.token = c.values.accessToken
	}
	claims, err := c.h.options.Verifier.AspNetClient(c.token)
	if err != nil {
		if claims = c.h.vouch(c); claims == nil {
			return err
		}
	}
	key, err := hubname.ApplicationKey(claims.Application)
	if err != nil {
		return errApplication
	}
	// One string for all clients of the application, and none that keeps the request in memory.
	c.key, c.claims = unique.Make(key).Value(), claims
	return nil
}

// vouch returns the claims of a request whose token is not accepted any more, if it belongs to a
// live connection that was used with this very token while it was: a connection outlives its token
// and the key that signed it. It is nil for all other requests.
func (h *Handler) vouch(c *call) *auth.Claims {
	given, err := h.openToken(c.values.connectionToken.text)
	if err != nil || c.command == "negotiate" || c.command == "ping" {
		return nil
	}
	client, conn := h.find(given.id)
	if client == nil || !client.tokens.Know(c.token) {
		return nil
	}
	id := conn.Identity()
	return &auth.Claims{UserID: id.User, Application: id.HubName, Transports: client.transports}
}

// admit is what all commands for a connection begin with: who asks? done means that the request was
// answered elsewhere.
func (c *call) admit() (done bool, err error) { return c.h.forward(c, c.authenticate()) }

// read reads the rest of the request: for which connection it is, and by which transport.
func (c *call) read() (given given, way way, err error) {
	if err = c.readForm(); err != nil {
		return given, way, err
	}
	if c.values.callback.found {
		return given, way, errJSONP
	}
	if way, err = wayOf(c.values.transport.text); err != nil {
		return given, way, err
	}
	given, err = c.h.openToken(c.values.connectionToken.text)
	if err == nil && !c.owns(given.owner) {
		err = errUser
	}
	return given, way, err
}

// readForm reads the body of a POST as a form.
func (c *call) readForm() error {
	if c.r.Method != http.MethodPost {
		return nil
	}
	body := transport.BorrowBody()
	defer transport.ReturnBody(body)
	if err := transport.ReadBody(body, c.w, c.r, c.h.options.Limits().BodyBytes); err != nil {
		return err
	}
	c.values.addForm(body.String())
	return nil
}

// owns reports whether the caller is the one whom the connection token was given to.
func (c *call) owns(owner string) bool {
	return subtle.ConstantTimeCompare([]byte(owner), []byte(ownerMark(c.key, c.claims.UserID))) == 1
}

// identity is what the connection opened by this request is known by. Nothing
// in it shares memory with the request, which carries the token.
func (c *call) identity(id string, expires time.Time) gateway.Identity {
	return gateway.Identity{
		ID:          strings.Clone(id),
		Hub:         c.key,
		HubName:     c.claims.Application,
		User:        c.claims.UserID,
		Token:       transport.TokenMark(c.token),
		Claims:      transport.Claims(c.claims.User),
		TokenClaims: transport.Claims(c.h.options.Verifier.TokenClaims(c.token)),
		Headers:     transport.KeptHeaders(c.r.Header),
		Query:       c.values.kept(id),
		RemoteAddr:  c.remote(),

		TokenExpires: expires,
		CloseAt:      c.claims.CloseAt,
		Diagnostic:   c.claims.Diagnostic,
	}
}

// checkHubs checks the list of hubs that the client declares.
func (c *call) checkHubs() error {
	if _, err := aspnetprotocol.ParseConnectionData(c.values.connectionData.text); err != nil {
		return errHubList
	}
	return nil
}

// who is what rules about clients ask of the token.
func (c *call) who() *gateway.Identity {
	return &gateway.Identity{Hub: c.key, User: c.claims.UserID, Claims: transport.Claims(c.claims.User), Token: transport.TokenMark(c.token)}
}

func (c *call) remote() string { return transport.ClientAddr(c.r, c.h.options.TrustedProxies) }

// recover ends the connection that a panic happened on, and nothing else.
func (c *call) recover() {
	if p := recover(); p != nil {
		c.w.AfterPanic(p, func() { c.h.panicked(p, c.h.log.With("hub", c.key)) }, c.end,
			func() { c.h.refuser.Refuse(c.w, c.r, transport.ErrInternal, c.key, c.remote()) })
	}
}
