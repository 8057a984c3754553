package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
)

// hubName is the hub of all scenarios.
const hubName = "chaos"

// groupCount groups are joined, each client one of them.
const groupCount = 4

func groupOf(client int) string { return fmt.Sprintf("g%d", client%groupCount) }

// standingOf is the group that a user is a member of whether connected or not. The store keeps that.
func standingOf(user string) string {
	return fmt.Sprintf("s%d", len(user)%2+2*(int(user[len(user)-1])%2))
}

// rest makes requests of an application.
type rest struct {
	key    string
	http   *http.Client
	tokens sync.Map // by path
}

// requestTime bounds a request of an application.
const requestTime = 10 * time.Second

func newRest(key string, keepAlive bool) *rest {
	return &rest{key: key, http: &http.Client{Timeout: requestTime, Transport: &http.Transport{
		DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: 4,
	}}}
}

// do returns the status, or 0 and an error if there is none.
func (r *rest) do(ctx context.Context, method, base, path string, body []byte) (int, error) {
	token, err := r.token(path)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path+"?api-version=2022-06-01", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

// token signs for a path. Which host it names does not matter to a gateway.
func (r *rest) token(path string) (string, error) {
	if one, ok := r.tokens.Load(path); ok {
		return one.(string), nil
	}
	token, err := auth.SignREST(auth.Secret(r.key), "http://localhost"+path, 0)
	if err == nil {
		r.tokens.Store(path, token)
	}
	return token, err
}

const hubPath = "/api/hubs/" + hubName

func (t target) path() string {
	name := url.PathEscape(t.name)
	switch t.kind {
	case toGroup:
		return hubPath + "/groups/" + name + "/:send"
	case toUser:
		return hubPath + "/users/" + name + "/:send"
	case toConnection:
		return hubPath + "/connections/" + name + "/:send"
	}
	return hubPath + "/:send"
}

// sender sends numbered messages to one node, or through the balancer to any, one behind the other.
type sender struct {
	stage  *stage
	node   *node // nil: the balancer
	rest   *rest
	random *rand.Rand
	every  time.Duration

	accepted, refused, silent atomic.Int64
}

// run sends until ctx ends. It does not stop for a node that is away.
func (s *sender) run(ctx context.Context) {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.send(ctx)
		}
	}
}

func (s *sender) send(ctx context.Context) {
	name, node, base := "anywhere", "", s.stage.cluster.url()
	if s.node != nil {
		if !s.node.ready.Load() {
			return // as a balancer would do
		}
		name, node, base = s.node.origin(), s.node.name, "http://"+s.node.door.address()
	}
	to, ok := s.target()
	if !ok {
		return
	}
	origin := s.stage.checker.send(name, node, node != "")
	n := origin.next(to)
	body, err := json.Marshal(map[string]any{"target": "n", "arguments": []any{name, n}})
	if err != nil {
		panic(err) // text and a number
	}
	// What has begun is finished: a request that was given up would be neither accepted nor refused.
	status, err := s.rest.do(context.WithoutCancel(ctx), http.MethodPost, base, to.path(), body)
	switch {
	case err != nil:
		s.silent.Add(1)
	case status == http.StatusAccepted:
		s.accepted.Add(1)
		origin.answer(n, accepted)
	default:
		s.refused.Add(1)
		origin.answer(n, refused)
	}
}

// target chooses whom the next message is for.
func (s *sender) target() (target, bool) {
	switch n := s.random.IntN(10); {
	case n < 5:
		return target{kind: toAll}, true
	case n < 7:
		return target{toGroup, fmt.Sprintf("%c%d", "gs"[s.random.IntN(2)], s.random.IntN(groupCount))}, true
	}
	all := s.stage.checker.living()
	if len(all) == 0 {
		return target{}, false
	}
	one := all[s.random.IntN(len(all))]
	if s.random.IntN(2) == 0 {
		return target{toUser, one.who.user}, true
	}
	return target{toConnection, one.who.id}, true
}
