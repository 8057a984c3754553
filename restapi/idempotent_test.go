package restapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/store"
)

// sender counts what is sent, and may hold it up.
type sender struct {
	recorder
	count int
	// before, if set, is called in front of each.
	before func()
	ctx    context.Context
}

func (s *sender) Do(ctx context.Context, cmd *gateway.Command) (gateway.Result, error) {
	if cmd.Verb == gateway.VerbSend {
		if s.before != nil {
			s.before()
		}
		s.count++
		s.ctx = ctx
	}
	return s.recorder.Do(ctx, cmd)
}

// keyedFixture is a fixture that remembers keys, and counts what is sent.
func keyedFixture(t testing.TB, claims Claims) (*fixture, *sender) {
	f, hubs := newFixture(t), new(sender)
	options := f.options()
	options.Hubs, options.Claims = hubs, claims
	f.handler = New(options)
	return f, hubs
}

const sendPath = "/api/hubs/chat/:send"

func TestARepeatedSendIsOneSend(t *testing.T) {
	for _, target := range []string{
		sendPath, "/api/hubs/chat/users/u/:send", "/api/hubs/chat/groups/g/:send?excluded=a", "/api/hubs/chat/connections/c/:send",
		"/api/v1/hubs/chat", "/api/v1/hubs/chat/users/u", "/api/v1/hubs/chat/groups/g", "/api/v1/hubs/chat/connections/c",
		"/api/hubs/chat/:execute", "/api/hubs/chat/connections/c/streams/1/:send",
	} {
		t.Run(target, func(t *testing.T) {
			f, hubs := keyedFixture(t, new(store.Claims))
			body := helloJSON
			if strings.Contains(target, ":execute") {
				body = bodyOf("Execute")
			}
			for _, replayed := range []string{"", "true", "true"} {
				a := f.do("POST", target, body, with(KeyHeader, "k-1"))
				a.wantStatus(202)
				require.Equal(t, replayed, a.header.Get(ReplayedHeader))
				require.Equal(t, 1, hubs.count)
			}
			f.do("POST", target, body, with(KeyHeader, "k-2")).wantStatus(202)
			f.do("POST", target, body).wantStatus(202)
			f.do("POST", target, body).wantStatus(202)
			require.Equal(t, 4, hubs.count, "another key, and none")
		})
	}
}

// The first answer is given again with what its caller had asked for.
func TestAReceiptIsGivenAgain(t *testing.T) {
	f := newFixture(t)
	options := f.options()
	options.Claims = new(store.Claims)
	f.handler = New(options)
	f.connect("chat", "c1", "ann")
	first := f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"), with("Prefer", "return=representation, wait=5"), with(CountHeader, "1"))
	first.wantStatus(200)
	again := f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"))
	again.wantStatus(200)
	require.Equal(t, first.body, again.body)
	require.Equal(t, "1", again.header.Get(MatchedHeader))
	require.Equal(t, "true", again.header.Get(ReplayedHeader))
	for _, name := range []string{"Content-Type", "Content-Length", AppliedHeader} {
		require.Equal(t, first.header.Get(name), again.header.Get(name), name)
	}
}

func TestAKeyOfAnotherRequest(t *testing.T) {
	f, hubs := keyedFixture(t, new(store.Claims))
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
	for name, send := range map[string]func() answer{
		"body":  func() answer { return f.do("POST", sendPath, `{"target":"other"}`, with(KeyHeader, "k")) },
		"hub":   func() answer { return f.do("POST", "/api/hubs/other/:send", helloJSON, with(KeyHeader, "k")) },
		"user":  func() answer { return f.do("POST", "/api/hubs/chat/users/u/:send", helloJSON, with(KeyHeader, "k")) },
		"query": func() answer { return f.do("POST", sendPath+"?excluded=c", helloJSON, with(KeyHeader, "k")) },
		"type": func() answer {
			return f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"), with("Content-Type", msgpackType))
		},
	} {
		a := send()
		a.wantError(422, codeRequestInvalid)
		require.Empty(t, a.header.Get(ReplayedHeader), name)
	}
	require.Equal(t, 1, hubs.count)
	require.EqualValues(t, 5, f.handler.(*Endpoint).Failed()[ReasonKeyReused])
	// The same words in another spelling, and compressed, are the same request.
	f.do("POST", "/API/hubs/chat/%3aSEND", helloJSON, with(KeyHeader, "k"), func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+restToken(t, "/API/hubs/chat/%3aSEND"))
	}).wantStatus(202)
	require.Equal(t, 1, hubs.count)
}

func TestAKeyInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hubs := keyedFixture(t, new(store.Claims))
		going, goOn := make(chan struct{}), make(chan struct{})
		hubs.before = func() { close(going); <-goOn }
		var first sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		first.Go(func() {
			r := func(r *http.Request) { *r = *r.WithContext(ctx) }
			f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"), r)
		})
		select {
		case <-going:
		case <-time.After(time.Minute):
			require.FailNow(t, "nothing is sent")
		}
		a := f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"))
		a.wantError(409, codeRequestInvalid)
		require.Equal(t, "1", a.header.Get("Retry-After"))
		leave() // The caller gives up, and asks again later. The request goes on.
		close(goOn)
		first.Wait()
		require.NoError(t, hubs.ctx.Err())
		a = f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"))
		a.wantStatus(202)
		require.Equal(t, "true", a.header.Get(ReplayedHeader))
		require.Equal(t, 1, hubs.count)
		f.gateway.Close()
	})
}

func TestARequestThatFailsFreesItsKey(t *testing.T) {
	claims := new(store.Claims)
	f, hubs := keyedFixture(t, claims)
	hubs.err = gateway.ErrHubBusy
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantError(503, codeRequestUnknown)
	require.Zero(t, claims.Len())
	hubs.err, hubs.panics = nil, "a fault"
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantError(500, codeUnknown)
	hubs.panics = nil
	f.do("POST", sendPath, "{}", with(KeyHeader, "k")).wantError(400, codeRequestInvalid)
	f.do("POST", sendPath, "", with(KeyHeader, "k")).wantError(400, codeRequestInvalid)
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"), with("Content-Encoding", "gzip")).wantError(400, codeRequestInvalid)
	require.Zero(t, claims.Len())
	a := f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"))
	a.wantStatus(202)
	require.Empty(t, a.header.Get(ReplayedHeader))
	require.Equal(t, 1, claims.Len())
}

func TestAKeyIsForgottenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, hubs := keyedFixture(t, new(store.Claims))
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
		time.Sleep(defaultIdempotencyAge - time.Nanosecond)
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
		require.Equal(t, 1, hubs.count)
		time.Sleep(time.Nanosecond)
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
		require.Equal(t, 2, hubs.count)
		f.limits.IdempotencyAge = time.Minute
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "short")).wantStatus(202)
		time.Sleep(time.Minute)
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "short")).wantStatus(202)
		require.Equal(t, 4, hubs.count)
		f.gateway.Close()
	})
}

// A node that dies leaves a claim behind, which ends soon.
func TestAClaimWithoutAnAnswerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims := new(store.Claims)
		f, hubs := keyedFixture(t, claims)
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
		_, held, _ := claims.Claim(t.Context(), storedKey("k"), nil, 0)
		r, err := parseRemembered(held)
		require.NoError(t, err)
		dead := remembered{request: r.request}
		_, _, err = claims.Claim(t.Context(), storedKey("left"), dead.append(nil), claimAge)
		require.NoError(t, err)
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "left")).wantError(409, codeRequestInvalid)
		time.Sleep(claimAge)
		f.do("POST", sendPath, helloJSON, with(KeyHeader, "left")).wantStatus(202)
		require.Equal(t, 2, hubs.count)
		f.gateway.Close()
	})
}

func TestNoRoomForAnotherKey(t *testing.T) {
	f, hubs := keyedFixture(t, &store.Claims{MaxKeys: 1})
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
	a := f.do("POST", sendPath, helloJSON, with(KeyHeader, "l"))
	a.wantError(429, codeThrottled)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	a = f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"))
	a.wantStatus(202)
	require.Equal(t, "true", a.header.Get(ReplayedHeader), "no promise is broken")
	f.do("POST", sendPath, helloJSON).wantStatus(202)
	require.Equal(t, 2, hubs.count)
}

// badClaims fails.
type badClaims struct{ claim, keep error }

func (b badClaims) Claim(context.Context, string, []byte, time.Duration) (uint64, []byte, error) {
	return 1, nil, b.claim
}
func (b badClaims) Keep(context.Context, string, uint64, []byte, time.Duration) error { return b.keep }
func (b badClaims) Free(context.Context, string, uint64) error                        { return b.keep }

func TestClaimsThatDoNotAnswer(t *testing.T) {
	f, hubs := keyedFixture(t, badClaims{claim: noAnswer{}})
	a := f.do("POST", sendPath, helloJSON, with(KeyHeader, "k"))
	a.wantError(503, codeRequestUnknown)
	require.NotContains(t, a.body, "secret")
	require.Zero(t, hubs.count, "not sent without a word")

	f, hubs = keyedFixture(t, badClaims{claim: errors.New("another one")})
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantError(500, codeUnknown)
	require.Zero(t, hubs.count)

	f, hubs = keyedFixture(t, badClaims{keep: noAnswer{}})
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(202)
	require.Equal(t, 1, hubs.count)
	lines := f.logged.take(t)
	require.Len(t, lines, 1)
	require.Equal(t, LogForgotten, lines[0]["msg"])
	f.do("POST", sendPath, "{}", with(KeyHeader, "k")).wantStatus(400)

	claims := new(store.Claims)
	f, hubs = keyedFixture(t, claims)
	_, _, err := claims.Claim(t.Context(), storedKey("k"), []byte("of another version"), time.Hour)
	require.NoError(t, err)
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantError(500, codeUnknown)
	require.Zero(t, hubs.count)
}

func TestKeysThatAreNone(t *testing.T) {
	f, hubs := keyedFixture(t, new(store.Claims))
	for _, key := range []string{"", "a b", "ä", "a\x7f", "\t", strings.Repeat("k", 256)} {
		f.do("POST", sendPath, helloJSON, with(KeyHeader, key)).wantError(400, codeRequestInvalid)
	}
	f.do("POST", sendPath, helloJSON, func(r *http.Request) { r.Header[KeyHeader] = []string{"a", "b"} }).wantError(400, codeRequestInvalid)
	require.Zero(t, hubs.count)
	f.do("POST", sendPath, helloJSON, with(KeyHeader, strings.Repeat("k", 255))).wantStatus(202)
	f.do("POST", sendPath, helloJSON, with(KeyHeader, `"!~"`)).wantStatus(202)
}

func TestOperationsThatTakeNoKey(t *testing.T) {
	claims := new(store.Claims)
	f, hubs := keyedFixture(t, claims)
	f.do("POST", "/api/hubs/chat/connections/c/:invoke", helloJSON, with(KeyHeader, "k")).wantError(400, codeRequestInvalid)
	require.Nil(t, hubs.last)
	// These may be repeated as they are.
	for range 2 {
		f.do("POST", "/api/hubs/chat/:closeConnections", "", with(KeyHeader, "k")).wantStatus(204)
		f.do("PUT", "/api/hubs/chat/groups/g/connections/c", "", with(KeyHeader, "a b")).wantStatus(200)
	}
	require.Zero(t, claims.Len())
	f.limits.IdempotencyAge = -1
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantError(400, codeRequestInvalid)
	f.do("POST", sendPath, helloJSON).wantStatus(202)
	f, hubs = keyedFixture(t, nil)
	f.do("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantError(400, codeRequestInvalid)
	require.Zero(t, hubs.count)
}

// Who has no token learns nothing of keys.
func TestAKeyNeedsAToken(t *testing.T) {
	claims := new(store.Claims)
	f, _ := keyedFixture(t, claims)
	f.bare("POST", sendPath, helloJSON, with(KeyHeader, "k")).wantStatus(401)
	require.Zero(t, claims.Len())
}

// The contract has the header where the gateway takes it, and the answers that come of it.
func TestKeyedOperationsAreThoseOfTheContract(t *testing.T) {
	f := newFixture(t)
	for id, operation := range f.byID {
		takes := keyed[id]
		require.Equal(t, takes, operation.Parameters.GetByInAndName("header", KeyHeader) != nil, id)
		for _, status := range []int{409, 422} {
			require.Equal(t, takes, operation.Responses.Status(status) != nil, id)
		}
	}
	for id := range keyed {
		require.Contains(t, f.byID, id)
	}
}

func FuzzParseRemembered(f *testing.F) {
	f.Add((&remembered{status: 200, matched: "7", applied: "return=representation", body: []byte("{}")}).append(nil))
	f.Add((&remembered{status: 202}).append(nil))
	f.Add((&remembered{request: fingerprint{1}, nonce: [8]byte{2}}).append(nil))
	f.Add([]byte{rememberedFormat})
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseRemembered(text)
		if err != nil {
			require.ErrorIs(t, err, errRemembered)
			return
		}
		require.Equal(t, text, a.append(nil))
	})
}
