package admin

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/secret"
)

// towards is the way to the sessions of another node, which says its words at once.
type towards struct {
	name string
	to   *endedSessions
	cut  bool
}

func (w *towards) Name() string  { return w.name }
func (w *towards) Full(int) bool { return false }
func (w *towards) Send(message []byte) bool {
	if w.cut {
		return false
	}
	return w.to.PeerSaid(nil, message) == nil
}

// browser keeps cookies as a browser does.
type browser map[string]string

func (b browser) takes(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
}

func (b browser) request(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (b browser) login(t *testing.T, g *Guard, token string) error {
	t.Helper()
	w := httptest.NewRecorder()
	err := g.login(w, b.request(http.MethodPost, "/api/login"), token)
	b.takes(w)
	return err
}

func (b browser) admitted(g *Guard) bool {
	_, err := g.Admits(b.request(http.MethodGet, "/api/settings"))
	return err == nil
}

func key(of byte) []byte { return []byte(strings.Repeat(string(rune(of)), 32)) }

func guards(t *testing.T, token secret.Text, keys ...[][]byte) (all []*Guard) {
	for _, k := range keys {
		s, err := NewSessions(k, nil)
		require.NoError(t, err)
		all = append(all, &Guard{Token: token, AllowPlain: true, Sessions: s, Other: func(token string) (string, error) {
			if strings.HasPrefix(token, "of ann") {
				return "ann", nil
			}
			return "", errors.New("wrong")
		}})
	}
	return all
}

// meet lets the nodes hear of each other.
func meet(all ...*Guard) (ways []*towards) {
	for i, from := range all {
		for j, to := range all {
			if i != j {
				w := &towards{name: fmt.Sprint(j), to: &to.sessions().ended}
				ways = append(ways, w)
				from.sessions().ended.PeerUp(w)
			}
		}
	}
	return ways
}

// A session of one node is good at all that have its key, also while keys are replaced; nobody else takes it.
func TestASessionIsGoodAtAllNodes(t *testing.T) {
	all := guards(t, "admin", [][]byte{key('a')}, [][]byte{key('b'), key('a')}, [][]byte{key('b')}, nil)
	b := make(browser)
	require.NoError(t, b.login(t, all[0], "admin"))
	require.True(t, b.admitted(all[0]))
	require.True(t, b.admitted(all[1]))
	require.False(t, b.admitted(all[2]), "it knows the next key only")
	require.False(t, b.admitted(all[3]), "a node alone has a key of its own")
	require.NotContains(t, fmt.Sprint(b), "admin")

	other := guards(t, "another token", [][]byte{key('a')})[0]
	require.False(t, b.admitted(other), "a session ends with the admin token")
	require.False(t, b.admitted(&Guard{AllowPlain: true, Sessions: all[0].Sessions}), "where there is no admin token")
	require.NoError(t, b.login(t, other, "of ann, whose token does not end with the admin token"))
	require.True(t, b.admitted(all[0]))
}

// Who logs out at one node is out at all: at once, and at those that could not be reached when they are back.
func TestWhoLogsOutIsOutAtAllNodes(t *testing.T) {
	all := guards(t, "admin", [][]byte{key('a')}, [][]byte{key('a')}, [][]byte{key('a')})
	ways := meet(all[0], all[1])
	b := make(browser)
	require.NoError(t, b.login(t, all[0], "admin"))
	stolen := browser{sessionCookie: b[sessionCookie]}
	another := make(browser)
	require.NoError(t, another.login(t, all[1], "admin"))

	w := httptest.NewRecorder()
	all[1].logout(w, b.request(http.MethodPost, "/api/logout"))
	b.takes(w)
	require.Empty(t, b)
	require.False(t, stolen.admitted(all[0]))
	require.False(t, stolen.admitted(all[1]))
	require.True(t, another.admitted(all[0]), "it is another session")
	require.True(t, stolen.admitted(all[2]), "it has not heard")
	meet(all[1], all[2])
	require.False(t, stolen.admitted(all[2]))

	all[0].sessions().ended.PeerGone(ways[0])
	all[0].logout(httptest.NewRecorder(), another.request(http.MethodPost, "/api/logout"))
	require.True(t, another.admitted(all[1]), "the nodes are cut off from each other")
}

// A node that refuses the token of a session ends it for itself: others may accept the token, and judge for themselves.
func TestWhatOneNodeRefusesIsNotToldToOthers(t *testing.T) {
	all := guards(t, "admin", [][]byte{key('a')}, [][]byte{key('a')}, [][]byte{key('a')})
	b, out := make(browser), make(browser)
	require.NoError(t, b.login(t, all[0], "of ann"))
	require.NoError(t, out.login(t, all[0], "admin"))
	all[0].Other = nil
	require.False(t, b.admitted(all[0]))
	all[0].logout(httptest.NewRecorder(), out.request(http.MethodPost, "/api/logout"))
	meet(all[0], all[1])
	require.True(t, b.admitted(all[1]))
	require.False(t, out.admitted(all[1]))
	// Who has heard of a logout by another node tells it too.
	meet(all[1], all[2])
	require.True(t, b.admitted(all[2]))
	require.False(t, out.admitted(all[2]))
	// It may be noted here first, and end on all nodes later.
	require.True(t, b.admitted(all[1]))
	all[1].logout(httptest.NewRecorder(), b.request(http.MethodPost, "/api/logout"))
	late := guards(t, "admin", [][]byte{key('a')})[0]
	meet(all[0], late)
	require.False(t, b.admitted(late))
}

// A list of sessions that have ended, which a node knows already, costs nothing of what it knows. Of too many those stay
// that would be good for the longest.
func TestEndedSessionsAreBounded(t *testing.T) {
	var e endedSessions
	e.begin(nil)
	now := time.Now().Unix()
	id := func(i int) (id sessionID) {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		return id
	}
	all := make(map[sessionID]int64)
	for i := range maxEnded {
		all[id(i)] = now + 3600 + int64(i%1000)
	}
	require.NoError(t, e.PeerSaid(nil, endedMessage(all)))
	for range 3 {
		require.NoError(t, e.PeerSaid(nil, endedMessage(map[sessionID]int64{id(7): all[id(7)]})))
	}
	for one := range all {
		require.True(t, e.has(one))
	}
	e.end(session{ID: id(maxEnded), Until: now + 7200})
	require.True(t, e.has(id(maxEnded)))
	missing := 0
	for one, until := range all {
		if !e.has(one) {
			require.Equal(t, now+3600, until)
			missing++
		}
	}
	require.Equal(t, 1, missing)
}

// What a session began with is what opens it: that of the admin token cannot be had under the letter of another one.
func TestASessionSaysWhatItBeganWith(t *testing.T) {
	s := guards(t, "admin", [][]byte{key('a')})[0].Sessions
	for _, one := range []struct {
		kind  string
		token storedToken
		ok    bool
	}{{ofAdminToken, "", true}, {ofOtherToken, "of ann", true}, {ofOtherToken, "", false}, {ofAdminToken, "of ann", false}} {
		plain := fmt.Appendf(nil, `{"i":%s,"n":"x","u":%d,"t":%q}`, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", time.Now().Add(time.Hour).Unix(), one.token)
		text := one.kind + base64.RawURLEncoding.EncodeToString(s.seals[0].Seal(nil, nil, plain, bound(one.kind, "admin")))
		_, ok := s.find(text, "admin")
		require.Equal(t, one.ok, ok, "%+v", one)
	}
}

func TestASessionEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guards(t, "admin", nil)[0]
		b := make(browser)
		require.NoError(t, b.login(t, g, "admin"))
		time.Sleep(sessionTime - time.Second)
		require.True(t, b.admitted(g))
		time.Sleep(time.Second)
		require.False(t, b.admitted(g))
	})
}

// A token of an issuer may be longer than a cookie.
func TestASessionOfALongToken(t *testing.T) {
	g := guards(t, "admin", nil)[0]
	b := make(browser)
	require.NoError(t, b.login(t, g, "of ann"+strings.Repeat("x", 9000)))
	require.Len(t, b, 4)
	for name, value := range b {
		require.LessOrEqual(t, len(name)+len(value), 4000)
	}
	require.True(t, b.admitted(g))
	missing := b[sessionCookie+"-3"]
	delete(b, sessionCookie+"-3")
	require.False(t, b.admitted(g))
	b[sessionCookie+"-3"] = missing
	require.ErrorContains(t, b.login(t, g, "of ann"+strings.Repeat("x", 12000)), "too long")
	require.NoError(t, b.login(t, g, "admin"))
	require.Len(t, b, 1, "what is not needed any more is ended")
	require.True(t, b.admitted(g))
}

// What does not come from a node is no session.
func FuzzSession(f *testing.F) {
	s, err := NewSessions([][]byte{key('a')}, nil)
	require.NoError(f, err)
	f.Add("1" + s.start(session{Name: "ann"}, "admin")[:40])
	f.Add("2" + strings.Repeat("a", 50))
	f.Add("a")
	f.Fuzz(func(t *testing.T, text string) {
		for _, admin := range []secret.Text{"", "admin"} {
			_, ok := s.find(text, admin)
			require.False(t, ok)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", sessionCookie+"="+text)
		put, _ := cookieText(r)
		require.LessOrEqual(t, len(put), len(text))
	})
}

func FuzzEnded(f *testing.F) {
	now := time.Now().Add(time.Hour).Unix()
	f.Add(endedMessage(map[sessionID]int64{{1}: now, {2}: now}))
	f.Add(endedMessage(nil))
	f.Add([]byte{saidEnded, 200})
	f.Add([]byte{7, 7})
	f.Fuzz(func(t *testing.T, said []byte) {
		var e endedSessions
		e.begin(nil)
		_ = e.PeerSaid(nil, said)
		require.LessOrEqual(t, len(e.all), len(said)/len(sessionID{}))
	})
}

var _ gateway.PeerHandler = (*endedSessions)(nil)
