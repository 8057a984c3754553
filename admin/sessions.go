package admin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/secret"
)

// Sessions are those of browsers that have logged in. A session is a sealed text that the browser keeps as cookies: all
// nodes with the same keys accept it, and no node has to be asked or to remember it. What nodes tell each other is which
// sessions have ended. A node that cannot be reached hears of it when it is back.
//
// The methods may be called concurrently. Close ends the conversation.
type Sessions struct {
	seals []cipher.AEAD
	ended endedSessions
}

const (
	// sessionCookie holds the session of a browser that has logged in. Of a long one it is the first of maxCookies parts;
	// the others have a number behind their name.
	sessionCookie = "hubgate-session"
	maxCookies    = 4
	// maxCookieBytes bounds a part: browsers keep 4096 bytes with the name and the attributes.
	maxCookieBytes = 3600
	sessionTime    = 12 * time.Hour
)

// session is who has logged in.
type session struct {
	ID    sessionID `json:"i"`
	Name  string    `json:"n"`
	Until int64     `json:"u"` // seconds
	// Token is that which the session began with; "" is the admin token.
	Token storedToken `json:"t,omitempty"`
}

// storedToken is a token that is sealed.
type storedToken string

// sessionID tells sessions apart. Who knows it has no session.
type sessionID [16]byte

// NewSessions returns Sessions that are sealed with the first of the keys, of 32 bytes each, and opened with all; without
// a key, with one that nobody else has. Other nodes, by peers, which may be nil, are told which ones end.
func NewSessions(keys [][]byte, peers gateway.Peers) (*Sessions, error) {
	if len(keys) == 0 {
		own := make([]byte, 32)
		_, _ = rand.Read(own) // never fails
		keys = [][]byte{own}
	}
	s := new(Sessions)
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		seal, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.seals = append(s.seals, seal)
	}
	s.ended.begin(peers)
	return s, nil
}

// Close ends the conversation with other nodes.
func (s *Sessions) Close() { s.ended.stop() }

// The first letter of a sealed session says what it began with.
const (
	ofAdminToken = "a"
	ofOtherToken = "o"
)

// bound is what a session opens with: that of the admin token ends with the token.
func bound(kind string, admin secret.Text) []byte {
	if kind != ofAdminToken {
		return []byte("hubgate session " + kind)
	}
	sum := sha256.Sum256([]byte(admin.Reveal()))
	return append([]byte("hubgate session "+kind), sum[:]...)
}

// start returns a session as text.
func (s *Sessions) start(one session, admin secret.Text) string {
	_, _ = rand.Read(one.ID[:]) // never fails
	one.Until = time.Now().Add(sessionTime).Unix()
	kind := ofAdminToken
	if one.Token != "" {
		kind = ofOtherToken
	}
	plain, err := json.Marshal(one)
	if err != nil {
		panic(err) // a session has only what JSON has
	}
	return kind + base64.RawURLEncoding.EncodeToString(s.seals[0].Seal(nil, nil, plain, bound(kind, admin)))
}

// find returns the session of a text, if it is one that has not ended.
func (s *Sessions) find(text string, admin secret.Text) (one session, ok bool) {
	if len(text) < 1 || len(text) > maxCookies*maxCookieBytes || text[:1] == ofAdminToken && admin == "" {
		return session{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text[1:])
	if err != nil {
		return session{}, false
	}
	for _, seal := range s.seals {
		plain, err := seal.Open(nil, nil, sealed, bound(text[:1], admin))
		if err != nil {
			continue
		}
		ok := json.Unmarshal(plain, &one) == nil && (one.Token == "") == (text[:1] == ofAdminToken) &&
			time.Now().Unix() < one.Until && !s.ended.has(one.ID)
		return one, ok
	}
	return session{}, false
}

// cookies are those that have a session, in parts; those that are not needed are ended. Text "" ends all. It returns nil
// if the session is too long.
func cookies(r *http.Request, text string) (all []*http.Cookie) {
	parts := (len(text) + maxCookieBytes - 1) / maxCookieBytes
	if parts > maxCookies {
		return nil
	}
	for i := range maxCookies {
		c := &http.Cookie{
			Name: cookieName(i), Path: "/", MaxAge: -1,
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		}
		if i < parts {
			c.Value, c.MaxAge = text[i*maxCookieBytes:min(len(text), (i+1)*maxCookieBytes)], int(sessionTime/time.Second)
		}
		if i == 0 && parts > 0 {
			c.Value = strconv.Itoa(parts) + c.Value
		}
		if _, err := r.Cookie(c.Name); i < max(1, parts) || err == nil {
			all = append(all, c)
		}
	}
	return all
}

// cookieText puts together what cookies has taken apart. It is ok if there is a session's cookie at all.
func cookieText(r *http.Request) (text string, ok bool) {
	first, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", false
	}
	if len(first.Value) < 1 || first.Value[0] < '1' || first.Value[0] > '0'+maxCookies {
		return "", true
	}
	var all strings.Builder
	all.WriteString(first.Value[1:])
	for i := 1; i < int(first.Value[0]-'0'); i++ {
		next, err := r.Cookie(cookieName(i))
		if err != nil {
			return "", true
		}
		all.WriteString(next.Value)
	}
	return all.String(), true
}

func cookieName(part int) string {
	if part == 0 {
		return sessionCookie
	}
	return sessionCookie + "-" + strconv.Itoa(part+1)
}
