package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/hubgate/hubgate/secret"
)

// Guard says who may manage the gateway: change its settings and see its keys. Its fields do not change.
type Guard struct {
	// Token is the admin token; "" is none.
	Token secret.Text
	// Other returns who has another token that may manage; nil takes none. The error is for the caller; one that is
	// ErrUndecided ends no session.
	Other func(token string) (name string, err error)
	// AllowPlain lets requests in that came from other machines by plain HTTP.
	AllowPlain bool
	// Sessions are those of browsers; nil has some of its own.
	Sessions *Sessions

	own   sync.Once
	wrong wrongTokens
}

// maxEditor bounds what a caller says of itself, in characters.
const maxEditor = 80

// ErrUndecided is what Guard.Other returns while it cannot be told whether a token may manage: the keys of its issuer
// cannot be read.
var ErrUndecided = errors.New("whether the token may manage cannot be told now")

// EditorHeader is a header in which a caller says who is at it, for the history.
const EditorHeader = "X-Hubgate-Editor"

// refusedError is the error of a request that may not manage.
type refusedError struct {
	status int
	text   string
	retry  time.Duration
}

func (e *refusedError) Error() string { return e.text }

var errSessionOver = &refusedError{status: http.StatusUnauthorized, text: "The session has ended: log in again."}

// undecidedRetry is when to ask again whether a session may go on.
const undecidedRetry = 5 * time.Second

// Status is that of the answer.
func (e *refusedError) Status() int { return e.status }

// RetryAfter is how long to wait before the next try; 0 says nothing.
func (e *refusedError) RetryAfter() time.Duration { return e.retry }

// Admits returns who may manage with the request. The error is for the caller; Refuse answers with it.
func (g *Guard) Admits(r *http.Request) (name string, err error) {
	if err := g.FromHere(r); err != nil {
		return "", err
	}
	if text, ok := cookieText(r); ok && r.Header.Get("Authorization") == "" {
		name, err := g.session(text)
		if err != nil {
			return "", err
		}
		return named(name, r), nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", &refusedError{status: http.StatusUnauthorized, text: "This needs the admin token: Authorization: Bearer TOKEN."}
	}
	name, err = g.check(strings.TrimSpace(token), r)
	if err != nil {
		return "", err
	}
	return named(name, r), nil
}

// session returns whose session it is. One that began with another token than the admin token goes on for as
// long as that token would be accepted: it ends with its time, its key or its rights.
func (g *Guard) session(text string) (name string, err error) {
	one, ok := g.sessions().find(text, g.Token)
	if !ok {
		return "", errSessionOver
	}
	if one.Token == "" {
		return one.Name, nil
	}
	if g.Other != nil {
		name, err := g.Other(string(one.Token))
		if err == nil {
			return name, nil
		}
		if errors.Is(err, ErrUndecided) {
			return "", &refusedError{status: http.StatusServiceUnavailable, text: err.Error(), retry: undecidedRetry}
		}
	}
	g.sessions().ended.note(one) // for ever, here: other nodes judge for themselves
	return "", errSessionOver
}

func (g *Guard) sessions() *Sessions {
	g.own.Do(func() {
		if g.Sessions == nil {
			g.Sessions, _ = NewSessions(nil, nil) // a key of its own has the right length
		}
	})
	return g.Sessions
}

// FromHere refuses pages of other sites, and plain HTTP from other machines. Admits does so too. The error has
// Status() int, that of the answer.
func (g *Guard) FromHere(r *http.Request) error {
	switch {
	case fromOtherSite(r):
		return &refusedError{status: http.StatusForbidden, text: "A page of another site must not manage the gateway."}
	case r.TLS == nil && !g.AllowPlain && !onLoopback(r):
		return &refusedError{status: http.StatusForbidden, text: "The gateway is not managed by plain HTTP from other machines: use admin.tls, or a tunnel to this machine, or admin.allowPlain."}
	}
	return nil
}

// onLoopback says whether the request came to an address that only this machine reaches.
func onLoopback(r *http.Request) bool {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// check returns who has the token.
func (g *Guard) check(token string, r *http.Request) (string, error) {
	caller, _, _ := net.SplitHostPort(r.RemoteAddr)
	over, ok := g.wrong.begin(r.Context(), caller)
	if !ok {
		return "", &refusedError{status: http.StatusTooManyRequests, text: "Too many wrong tokens came from this address: try again later.", retry: wrongEvery}
	}
	right := false
	defer func() { over(right) }()
	if g.Token != "" && g.Token.Equal(secret.Text(token)) {
		right = true
		return "admin token", nil
	}
	err := errors.New("the admin token is wrong")
	if g.Other != nil {
		var name string
		if name, err = g.Other(token); err == nil {
			right = true
			return name, nil
		}
	}
	return "", &refusedError{status: http.StatusUnauthorized, text: err.Error()}
}

// named adds what the caller says of itself to what it has proved.
func named(name string, r *http.Request) string {
	says := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, r.Header.Get(EditorHeader))
	if runes := []rune(says); len(runes) > maxEditor {
		says = string(runes[:maxEditor])
	}
	if says == "" {
		return name
	}
	return name + " (" + says + ")"
}

// Refuse answers a request with an error of Admits.
func (g *Guard) Refuse(w http.ResponseWriter, err error) {
	status := http.StatusUnauthorized
	if e, ok := errors.AsType[*refusedError](err); ok {
		status = e.status
		if e.retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(e.retry/time.Second)+1))
		}
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	apiError(w, status, map[int]string{401: "Unauthorized", 403: "Forbidden", 429: "TooManyRequests", 503: "Unavailable"}[status], err.Error(), nil)
}

// login begins a session of a browser.
func (g *Guard) login(w http.ResponseWriter, r *http.Request, token string) error {
	if err := g.FromHere(r); err != nil {
		return err
	}
	name, err := g.check(token, r)
	if err != nil {
		return err
	}
	one := session{Name: name, Token: storedToken(token)}
	if g.Token != "" && g.Token.Equal(secret.Text(token)) {
		one.Token = "" // it is good while this is the admin token
	}
	all := cookies(r, g.sessions().start(one, g.Token))
	if all == nil {
		return &refusedError{status: http.StatusUnauthorized, text: "The token is too long for a session of a browser."}
	}
	setCookies(w, all)
	return nil
}

// logout ends the session of the request, if there is one, on all nodes.
func (g *Guard) logout(w http.ResponseWriter, r *http.Request) {
	if text, ok := cookieText(r); ok {
		if one, ok := g.sessions().find(text, g.Token); ok {
			g.sessions().ended.end(one)
		}
	}
	setCookies(w, cookies(r, ""))
}

func setCookies(w http.ResponseWriter, all []*http.Cookie) {
	for _, c := range all {
		http.SetCookie(w, c)
	}
}

// String keeps the token out of everything that is printed.
func (g *Guard) String() string { return fmt.Sprintf("guard (token: %v)", g.Token != "") }
