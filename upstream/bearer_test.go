package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tokenServer gives out tokens that are numbered, and keeps what was asked for.
type tokenServer struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []url.Values
	seconds int
	down    bool
}

func newTokenServer(t *testing.T) *tokenServer {
	s := &tokenServer{seconds: 3600}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = r.ParseForm()
		user, password, _ := r.BasicAuth()
		r.PostForm.Set("user", user+":"+password)
		s.asked = append(s.asked, r.PostForm)
		w.Header().Set("Content-Type", "application/json")
		if s.down {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"the secret was s3cret"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d}`, len(s.asked), s.seconds)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *tokenServer) questions() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// R66: a webhook gets a token for what its template names, one for all events until it has to be renewed.
func TestR66BearerTokens(t *testing.T) {
	server := newTokenServer(t)
	tokens := newBearers(t.Context(), newDialer(nil, func() bool { return false }))
	defer tokens.close()
	credentials := Credentials{TokenURL: server.URL, ClientID: "gateway", ClientSecret: "s3cret"}
	at := &url.URL{Scheme: "https", Host: "app.example", Path: "/hook"}
	get := func(b Bearer) string {
		header := make(http.Header)
		require.NoError(t, tokens.authorize(t.Context(), header, &credentials, b, at))
		return header.Get("Authorization")
	}
	require.Empty(t, get(Bearer{}))
	require.Equal(t, "Bearer token-1", get(Bearer{Wanted: true, Scope: "api://app/.default"}))
	require.Equal(t, "Bearer token-1", get(Bearer{Wanted: true, Scope: "api://app/.default"}))
	require.Equal(t, "Bearer token-2", get(Bearer{Wanted: true, Resource: "api://other"}))
	require.Equal(t, "Bearer token-3", get(Bearer{Wanted: true}))
	require.Equal(t, "Bearer token-4", get(Bearer{Wanted: true, Audience: "app"}))
	asked := server.questions()
	require.Len(t, asked, 4)
	require.Equal(t, "client_credentials", asked[0].Get("grant_type"))
	require.Equal(t, "gateway:s3cret", asked[0].Get("user"))
	require.Equal(t, []string{"api://app/.default", "", ""}, []string{asked[0].Get("scope"), asked[0].Get("resource"), asked[0].Get("audience")})
	require.Equal(t, "api://other", asked[1].Get("resource"))
	require.Equal(t, "https://app.example", asked[2].Get("resource"))
	require.Equal(t, "app", asked[3].Get("audience"))
}

// A token is renewed before it ends, while events go on with it; many that need the first one share one
// request.
func TestR66BearerTokensAreRenewed(t *testing.T) {
	server := newTokenServer(t)
	tokens := newBearers(t.Context(), newDialer(nil, func() bool { return false }))
	defer tokens.close()
	b := tokens.get(bearerKey{Credentials{TokenURL: server.URL, ClientID: "gateway"}, Bearer{Wanted: true, Scope: "s"}})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			token, err := b.token(t.Context())
			require.NoError(t, err)
			require.Equal(t, "token-1", token)
		})
	}
	all.Wait()
	require.Len(t, server.questions(), 1)
	require.WithinDuration(t, time.Now().Add(55*time.Minute), b.renewAt, time.Minute)

	b.mu.Lock()
	b.renewAt = time.Now()
	b.mu.Unlock()
	token, err := b.token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-1", token, "nobody waits for the renewal")
	require.Eventually(t, func() bool { token, err := b.token(t.Context()); return err == nil && token == "token-2" }, time.Minute, time.Millisecond)

	server.set(func() { server.down = true })
	b.mu.Lock()
	b.renewAt = time.Now()
	b.mu.Unlock()
	token, err = b.token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "token-2", token, "the former one is still good")
	b.mu.Lock()
	b.current.Expiry = time.Now().Add(lastUse)
	b.mu.Unlock()
	require.Eventually(t, func() bool { _, err = b.token(t.Context()); return err != nil }, time.Minute, time.Millisecond)
	require.EqualError(t, err, "the token server answered 401 invalid_client")
	asked := len(server.questions())
	_, err = b.token(t.Context())
	require.Error(t, err)
	require.LessOrEqual(t, len(server.questions()), asked+1, "a failure is not repeated at once")
}

// A token server that does not answer holds an event up for no longer than the event may take.
func TestBearerTokenServerHangs(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer server.Close()
	defer close(held)
	life, end := context.WithCancel(t.Context())
	tokens := newBearers(life, newDialer(nil, func() bool { return false }))
	defer tokens.close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := tokens.authorize(ctx, make(http.Header), &Credentials{TokenURL: server.URL}, Bearer{Wanted: true, Scope: "s"}, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	end()
}

// The secret goes to the token server that is named, and nowhere else.
func TestBearerFollowsNoRedirect(t *testing.T) {
	other := newTokenServer(t)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.RedirectHandler(other.URL, status))
		tokens := newBearers(t.Context(), newDialer(nil, func() bool { return false }))
		err := tokens.authorize(t.Context(), make(http.Header), &Credentials{TokenURL: server.URL, ClientID: "gateway", ClientSecret: "s3cret"}, Bearer{Wanted: true, Scope: "s"}, nil)
		require.ErrorContains(t, err, fmt.Sprint("the token server answered ", status))
		require.Empty(t, other.questions())
		tokens.close()
		server.Close()
	}
}

// A token server is guarded as webhooks are.
func TestBearerIsGuarded(t *testing.T) {
	tokens := newBearers(t.Context(), newDialer(nil, func() bool { return false }))
	defer tokens.close()
	err := tokens.authorize(t.Context(), make(http.Header), &Credentials{TokenURL: "http://169.254.169.254/token"}, Bearer{Wanted: true, Scope: "s"}, nil)
	require.ErrorIs(t, err, errGuarded)
}
