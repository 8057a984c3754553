package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/watch"
)

// background is a verb that runs until the test ends.
type background struct {
	out, errs *output
	stop      func() (code int)
}

// launch runs a verb beside the test.
func launch(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{out: newOutput(), errs: newOutput()}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, args, terminal{stdout: b.out, stderr: b.errs}, nil) }()
	b.stop = func() int {
		cancel()
		code := <-ended
		ended <- code
		return code
	}
	t.Cleanup(func() { b.stop() })
	return b
}

// watchAs runs hubgate watch, and returns when it watches.
func (p *program) watchAs(args ...string) *background {
	p.t.Helper()
	b := launch(p.t, append([]string{"watch", "--admin", p.Admin, "--connection-string", p.connectionString()}, args...)...)
	b.errs.want(p.t, "watching ")
	return b
}

func TestWatch(t *testing.T) {
	t.Parallel()
	p := start(t, "--upstream=echo")
	old := p.connect("chat", "old")
	everything, ann := p.watchAs(), p.watchAs("--user", "ann", "--json")
	everything.out.want(t, "connection present hub=chat user=old connection="+old.id+" transport=WebSockets protocol=json remote=127.0.0.1\n")

	client := p.connect("chat", "ann")
	everything.out.want(t, "connection opened hub=chat user=ann connection="+client.id)
	require.Contains(t, client.invoke("say", `"hello \u001b[31m"`), "hello")
	everything.out.want(t, "webhook    connected result=ok status=204 took=")
	everything.out.want(t, "webhook    say result=ok status=200 took=")
	status, _ := p.request(http.MethodPost, p.URL+"/api/hubs/chat/users/ann/:send", `{"target":"news","arguments":["\u001b[31m",1]}`,
		"Authorization", "Bearer "+p.restToken("/api/hubs/chat/users/ann/:send"), "Content-Type", "application/json", "X-Request-Id", "order-7")
	require.Equal(t, http.StatusAccepted, status)
	everything.out.want(t, `send       news("\u001b[31m",1) hub=chat to=users:ann by=rest matched=1 written=1 queued=0 dropped=0 trace=order-7`+"\n")
	status, _ = p.rest(http.MethodPost, "/api/hubs/chat/groups/a%20b/:send", `{"target":"news","arguments":[]}`)
	require.Equal(t, http.StatusAccepted, status)
	everything.out.want(t, `send       news() hub=chat to=groups:"a b" by=rest matched=0 written=0 queued=0 dropped=0 trace=`)
	client.leave()
	everything.out.want(t, "connection closed hub=chat user=ann connection="+client.id+" transport=WebSockets protocol=json remote=127.0.0.1 reason=Normal\n")
	require.NotContains(t, everything.out.String(), "\x1b", "a client cannot write to the terminal")

	ann.out.want(t, `"what":"closed"`)
	kinds := make(map[watch.Kind]int)
	for line := range strings.Lines(ann.out.String()) {
		e, err := watch.Parse([]byte(line))
		require.NoError(t, err, line)
		require.Equal(t, "ann", e.User)
		kinds[e.Kind]++
		if e.Webhook != nil && e.Webhook.Event == "say" {
			require.JSONEq(t, `{"type":1,"invocationId":"i","target":"say","arguments":["hello \u001b[31m"]}`, e.Webhook.Request)
			require.JSONEq(t, `{"type":3,"invocationId":"i","result":"hello \u001b[31m"}`, e.Webhook.Answer)
		}
	}
	require.Equal(t, 2, kinds[watch.KindConnection])
	require.Equal(t, 1, kinds[watch.KindSend])
	require.GreaterOrEqual(t, kinds[watch.KindWebhook], 2)

	p.cancel()
	old.wantClose(true)
	everything.errs.want(t, "the gateway shuts down; connecting again")
	everything.out.want(t, "connection closed hub=chat user=old")
	require.Zero(t, p.stop(), "watchers do not hold the end up")
	require.Zero(t, everything.stop())
	require.Zero(t, ann.stop())
}

func (p *program) restToken(path string) string {
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+path, time.Minute)
	require.NoError(p.t, err)
	return token
}

// Of hub servers their connections are shown, and what they send.
func TestWatchHubServers(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	b := p.watchAs("--kind=server,send")
	app := newApplication("chat", "one")
	app.serve(t, p)
	b.out.wantTimes(t, "server     opened hub=chat kind=Default id=", 2)
	client := p.connect("chat", "ann")
	client.send(`{"type":1,"target":"say","arguments":["hi"]}`)
	b.out.want(t, `send       said("ann","hi") hub=chat to=all by=server matched=1 written=1 queued=0 dropped=0`)
	late := p.watchAs("--kind=server")
	late.out.wantTimes(t, "server     present hub=chat kind=Default id=", 2)
	app.kill()
	b.out.wantTimes(t, "reason=", 2)
	require.NotContains(t, b.out.String(), "connection ", "only what was asked for")
}

// It watches a gateway elsewhere, and comes back when that was away.
func TestWatchARemoteGateway(t *testing.T) {
	t.Parallel()
	p, other := start(t), start(t)
	var to atomic.Pointer[string]
	to.Store(&p.Admin)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, *to.Load()+r.URL.String(), http.StatusTemporaryRedirect)
	}))
	defer front.Close()
	b := launch(t, "watch", "--admin", front.URL, "--connection-string", p.connectionString())
	b.errs.want(t, "watching ")
	first := p.connect("chat", "first")
	b.out.want(t, "opened hub=chat user=first")
	to.Store(&other.Admin)
	first.leave()
	p.stop()
	b.errs.wantTimes(t, "watching ", 2)
	other.connect("chat", "second")
	b.out.want(t, "opened hub=chat user=second")
}

func TestWatchSaysWhatIsWrong(t *testing.T) {
	p := start(t)
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"off":             {[]string{"--admin", "off"}, exitError, "the admin address is off, and this needs it: start the gateway with"},
		"nobody there":    {[]string{"--admin", "127.0.0.1:1"}, exitError, "no gateway at http://127.0.0.1:1: is hubgate running?\n  watching needs the gateway's admin address"},
		"address of REST": {[]string{"--admin", p.URL}, exitError, "has no live view"},
		"no address":      {[]string{"--admin", "nonsense"}, exitUsage, "--admin"},
		"no URL":          {[]string{"--admin", "ftp://x"}, exitUsage, "--admin"},
		"kind":            {[]string{"--admin", p.Admin, "--kind", "sends"}, exitUsage, "there is no kind"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := command(append([]string{"watch"}, tc.args...)...)
			require.Equal(t, tc.code, code, stderr)
			require.Contains(t, stderr, tc.want)
		})
	}
	t.Run("off by the gateway's own variable", func(t *testing.T) {
		t.Setenv("HUBGATE_ADMIN_LISTEN", "off")
		code, _, stderr := command("watch")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "the admin address is off")
	})
}

// Where others reach the admin address, who looks and who sends must have the access key.
func TestLiveViewOfAnExposedAdminAddress(t *testing.T) {
	const key = "a-key-of-its-own-of-more-than-32-bytes"
	t.Setenv("HUBGATE_ACCESS_KEY", key)
	p := start(t, "--admin-listen", "0.0.0.0:0")
	u, err := url.Parse(p.Admin)
	require.NoError(t, err)
	local := "http://127.0.0.1:" + u.Port()
	status, text := p.get(local + "/watch")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, text, "hubgate token rest /inspector")
	status, _ = p.request(http.MethodPost, local+"/inspector/send", `{"hub":"chat","to":"all","method":"m","arguments":[]}`,
		"Content-Type", "application/json", "X-Hubgate-Inspector", "1")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = p.get(local + "/inspector")
	require.Equal(t, http.StatusOK, status, "the page asks for the token")

	b := launch(t, "watch", "--admin", local, "--connection-string", connectionString(p.URL, key))
	b.errs.want(t, "watching ")
	code, token, stderr := command("token", "rest", "/inspector", "--connection-string", connectionString(p.URL, key))
	require.Zero(t, code, stderr)
	status, text = p.request(http.MethodPost, local+"/inspector/send", `{"hub":"chat","to":"all","method":"m","arguments":[]}`,
		"Content-Type", "application/json", "X-Hubgate-Inspector", "1", "Authorization", "Bearer "+strings.TrimSpace(token))
	require.Equal(t, http.StatusOK, status, text)
	b.out.want(t, "send       m() hub=chat to=all by=rest matched=0")
	code, _, stderr = command("watch", "--admin", local, "--connection-string", connectionString(p.URL, "another-key-of-more-than-32-bytes-of-its-own"))
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "401 Unauthorized: The signature key was not found\n  the gateway at "+local+" knows another key")
	require.NotContains(t, b.out.String()+p.logs.String(), key)
}

// The form of the page sends as REST does, and is told whom it reached.
func TestSendFromThePage(t *testing.T) {
	t.Parallel()
	p := start(t)
	send := func(message string) (sent struct {
		Status, Matched int
		Error, Trace    string
	}) {
		status, text := p.request(http.MethodPost, p.Admin+"/inspector/send", message, "Content-Type", "application/json", "X-Hubgate-Inspector", "1")
		require.Equal(t, http.StatusOK, status, text)
		require.NoError(t, json.Unmarshal([]byte(text), &sent))
		return sent
	}
	for _, path := range []string{"/watch", "/inspector"} {
		req, err := http.NewRequest(http.MethodGet, p.Admin+path, nil)
		require.NoError(t, err)
		req.Host = "rebound.example"
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusForbidden, resp.StatusCode, "a name that a page made lead here")
	}
	ann := p.connect("chat", "a/b c")
	for _, to := range []string{`"to":"all"`, `"to":"user","name":"a/b c"`, `"to":"connection","name":"` + ann.id + `"`} {
		sent := send(`{"hub":"chat",` + to + `,"method":"say","arguments":["hi",{"a":1}]}`)
		require.Equal(t, http.StatusAccepted, sent.Status, sent.Error)
		require.Equal(t, 1, sent.Matched)
		require.Len(t, sent.Trace, 32)
		require.JSONEq(t, `{"type":1,"target":"say","arguments":["hi",{"a":1}]}`, ann.next())
		p.logs.want(t, "trace="+sent.Trace)
	}
	require.Zero(t, send(`{"hub":"chat","to":"group","name":"nobody","method":"say","arguments":[]}`).Matched)
	for message, want := range map[string]string{
		`{"hub":"no-hub","to":"all","method":"m","arguments":[]}`:            "The hub's name is not valid",
		`{"hub":"chat","to":"all","method":"","arguments":[]}`:               "The target of the message is empty",
		`{"hub":"chat","to":"all","method":"m","arguments":{}}`:              "not an array",
		`{"hub":"chat","to":"both","method":"m","arguments":[]}`:             "none of all, user, group",
		`{"hub":"","to":"all","method":"m","arguments":[]}`:                  "is missing",
		`{"hub":"chat","to":"user","method":"m","arguments":[]}`:             "is missing",
		`{"hub":"../x","to":"all","method":"m","arguments":[]}`:              "The hub's name is not valid",
		`{"hub":"chat","to":"connection","name":"","method":"m"}`:            "is missing",
		`{"hub":"chat","to":"group","name":" ","method":"m","arguments":[]}`: "blank",
	} {
		sent := send(message)
		require.Equal(t, http.StatusBadRequest, sent.Status, message)
		require.Contains(t, sent.Error, want, message)
	}
}

// At debug each send is a line with what became of it; at warn those for nobody are summed up.
func TestLogOfSends(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.connect("chat", "ann")
	status, _ := p.rest(http.MethodPost, "/api/hubs/chat/users/ann/:send", `{"target":"news","arguments":["secret words"]}`)
	require.Equal(t, http.StatusAccepted, status)
	p.logs.want(t, `level=DEBUG msg="message sent" part=gateway by=rest hub=chat to=users names=ann trace=`)
	p.logs.want(t, ` method=news matched=1 written=1 queued=0 dropped=0`)

	quiet := start(t, "--log-level=warn")
	for range 3 {
		status, _ := quiet.rest(http.MethodPost, "/api/hubs/chat/users/bob/:send", `{"target":"news","arguments":["secret words"]}`)
		require.Equal(t, http.StatusAccepted, status)
	}
	status, _ = quiet.rest(http.MethodPost, "/api/hubs/chat/groups/g/:send", `{"target":"news","arguments":[]}`)
	require.Equal(t, http.StatusAccepted, status)
	quiet.wantMetrics(`hubgate_sends_unheard_total{to="users"} 3`, `hubgate_sends_unheard_total{to="groups"} 1`, `hubgate_sends_unheard_total{to="all"} 0`)
	require.Zero(t, quiet.stop())
	logs := quiet.logs.String()
	require.Len(t, regexp.MustCompile(`level=WARN msg="message for nobody" part=gateway by=rest hub=chat to=users names=bob trace=\w{32} advice=`).FindAllString(logs, -1), 1, logs)
	require.Equal(t, 1, strings.Count(logs, `level=WARN msg="messages for nobody" part=gateway hub=chat to=users times=2`), logs)
	require.Equal(t, 1, strings.Count(logs, `to=groups`), logs)
	require.NotContains(t, logs+p.logs.String(), "secret words", "what is sent is in no log")
}

// Tokens, keys and what URLs hide appear in no event.
func TestEventsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"text":"Bearer of-news", "url":"https://x/?access_token=open-sesame"}`))
	}))
	defer hook.Close()
	p := start(t, "--upstream", strings.Replace(hook.URL, "http://", "http://name:pass-word@", 1)+"/{event}?code=code-value")
	b := p.watchAs("--json")
	client := p.connect("chat", "ann")
	token := p.restToken("/api/hubs/chat/:send")
	client.invoke("say", `"`+token+`"`)
	client.invoke("long", `"`+strings.Repeat("x", watch.MaxBody-150)+" "+token+`"`) // the token is at the end of what is shown
	client.leave()
	b.out.want(t, `"what":"closed"`)
	b.out.want(t, `"event":"disconnected"`)
	for _, secret := range []string{"pass-word", "code-value", "open-sesame", "of-news", token, token[:40]} {
		require.False(t, strings.Contains(b.out.String(), secret), secret)
	}
}

// What the gateway signs for itself it accepts, whatever hosts audiences may name.
func TestOwnTokensWithStrictAudience(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"gw.example", "2001:db8::1"} {
		p := start(t, "--auth-strict-audience", host)
		status, text := p.request(http.MethodPost, p.Admin+"/inspector/send", `{"hub":"chat","to":"all","method":"m","arguments":[]}`,
			"Content-Type", "application/json", "X-Hubgate-Inspector", "1")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, text, `"status":202`)

		const path = "/api/hubs/chat/:generateToken"
		rest, err := auth.SignREST(auth.EmulatorKey, "http://"+net.JoinHostPort(host, "80")+path, time.Minute)
		require.NoError(t, err)
		status, text = p.request(http.MethodPost, p.URL+path, "", "Authorization", "Bearer "+rest)
		require.Equal(t, http.StatusOK, status, text)
		var answer struct{ Token string }
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		require.Equal(t, "200", p.status(http.MethodPost, p.URL+"/client/negotiate?hub=chat", "", "Authorization", "Bearer "+answer.Token))
	}
}
