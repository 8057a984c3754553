package restapi

import (
	"context"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// asked is an :invoke that waits.
type asked struct {
	t      *testing.T
	answer chan *httptest.ResponseRecorder
}

// ask has somebody invoke a client with a context. More of them may wait at a time.
func (f *fixture) ask(ctx context.Context, t *testing.T, connection, body string, edits ...edit) *asked {
	target := "/api/hubs/chat/connections/" + connection + "/:invoke"
	r := httptest.NewRequestWithContext(ctx, "POST", target, strings.NewReader(body))
	for _, e := range append([]edit{with("Authorization", "Bearer "+restToken(t, target)), with("Content-Type", "application/json")}, edits...) {
		e(r)
	}
	q := &asked{t, make(chan *httptest.ResponseRecorder, 1)}
	go func() {
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		q.answer <- w
	}()
	return q
}

func (q *asked) want(status int, body string) {
	q.t.Helper()
	w := <-q.answer
	require.Equal(q.t, status, w.Code, w.Body)
	require.Contains(q.t, w.Body.String(), body)
}

var idPattern = regexp.MustCompile(`hubgate:n1:[a-z0-9]+-[a-z0-9]+`)

// heardQuestion returns the id of the invocation of a target that the client has got.
func heardQuestion(t *testing.T, c *gatewaytest.Client, target string) string {
	t.Helper()
	c.Want(t.Context(), target)
	for _, record := range c.Got() {
		if strings.Contains(record, target) {
			id := idPattern.FindString(record)
			require.NotEmpty(t, id, record)
			return id
		}
	}
	return ""
}

func completion(id, rest string) []byte {
	return []byte(`{"type":3,"invocationId":"` + id + `"` + rest + "}\x1e")
}

func TestR42Invoke(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	a := f.connect("chat", "a", "ann")
	packed := gatewaytest.Connect(t, f.gateway, gatewaytest.Options{Hub: "chat", ID: "p", Protocol: "messagepack"})

	t.Run("the value of the client", func(t *testing.T) {
		for i, value := range []string{`"yes"`, `{"z":1,"a":[1.5,null]}`, `null`, `12345678901234567890`, `""`} {
			target := fmt.Sprintf("value%d", i)
			q := f.ask(ctx, t, "a", `{"target":"`+target+`","arguments":[{"b":1},2]}`)
			id := heardQuestion(t, a, target)
			a.Want(ctx, `{"type":1,"invocationId":"`+id+`","target":"`+target+`","arguments":[{"b":1},2]}`+"\x1e")
			require.NoError(t, a.Feed(completion(id, `,"result":`+value)))
			q.want(200, `{"result":`+value+`,"protocol":"json"}`)
		}
	})
	t.Run("no value", func(t *testing.T) {
		q := f.ask(ctx, t, "a", `{"target":"void"}`)
		require.NoError(t, a.Feed(completion(heardQuestion(t, a, `"void"`), "")))
		q.want(200, `{"result":null,"protocol":"json"}`)
	})
	t.Run("an id that is escaped", func(t *testing.T) {
		q := f.ask(ctx, t, "a", `{"target":"escaped"}`)
		id := strings.Replace(heardQuestion(t, a, `"escaped"`), ":", `\u003a`, 1)
		require.NoError(t, a.Feed(completion(id, `,"result":1`)))
		q.want(200, `{"result":1,`)
	})
	t.Run("the client's error", func(t *testing.T) {
		q := f.ask(ctx, t, "a", `{"target":"fails"}`)
		require.NoError(t, a.Feed(completion(heardQuestion(t, a, `"fails"`), `,"error":"out of \"ink\""`)))
		q.want(400, `"message":"out of \"ink\""`)
	})
	t.Run("MessagePack", func(t *testing.T) {
		q := f.ask(ctx, t, "p", `{"target":"packed","arguments":[7]}`)
		id := heardQuestion(t, packed, "packed")
		// 1.5, bin 01 02 and a map
		result := "\x93\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xc4\x02\x01\x02\x81\xa1a\x01"
		require.NoError(t, packed.Feed(hubprotocol.AppendCompletionResult(nil, hubprotocol.MessagePack, id, []byte(result))))
		q.want(200, `{"result":[1.5,"AQI=",{"a":1}],"protocol":"messagepack"}`)
		q = f.ask(ctx, t, "p", "\x82\xa6target\xa6asmsgp\xa9arguments\x91\x01", with("Content-Type", "application/x-msgpack"))
		id = heardQuestion(t, packed, "asmsgp")
		require.NoError(t, packed.Feed(hubprotocol.AppendCompletionError(nil, hubprotocol.MessagePack, id, "no")))
		q.want(400, `"no"`)
		q = f.ask(ctx, t, "p", unhex(t, octetBody), with("Content-Type", "application/octet-stream"))
		id = heardQuestion(t, packed, "newMessage")
		require.NoError(t, packed.Feed(hubprotocol.AppendCompletion(nil, hubprotocol.MessagePack, id)))
		q.want(200, `{"result":null,"protocol":"messagepack"}`)
	})
	t.Run("several at once, answered the other way round", func(t *testing.T) {
		var all []*asked
		for i := range 20 {
			all = append(all, f.ask(ctx, t, "a", fmt.Sprintf(`{"target":"many%02d"}`, i)))
		}
		for i := range 20 {
			n := 19 - i
			require.NoError(t, a.Feed(completion(heardQuestion(t, a, fmt.Sprintf("many%02d", n)), fmt.Sprintf(`,"result":%d`, n))))
		}
		for i, q := range all {
			q.want(200, fmt.Sprintf(`{"result":%d,`, i))
		}
	})
	t.Run("no such client", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/connections/nobody/:invoke", `{"target":"m"}`).wantError(404, codeNoConnectionToAdd)
		f.do("POST", "/api/hubs/nowhere/connections/a/:invoke", `{"target":"m"}`).wantError(404, codeNoConnectionToAdd)
	})
	t.Run("no message", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/connections/a/:invoke", `{}`).wantError(400, codeRequestInvalid)
		f.do("POST", "/api/hubs/chat/connections/a/:invoke", "\x81\xa4json\xc4\x03{}\x1e", with("Content-Type", "application/octet-stream")).wantError(400, codeRequestInvalid)
	})
	t.Run("another client cannot answer", func(t *testing.T) {
		q := f.ask(ctx, t, "a", `{"target":"mine"}`)
		id := heardQuestion(t, a, `"mine"`)
		require.NoError(t, packed.Feed(hubprotocol.AppendCompletion(nil, hubprotocol.MessagePack, id)))
		require.NoError(t, a.Feed(completion(id, `,"result":"right"`)))
		q.want(200, `"right"`)
	})
	t.Run("the client leaves meanwhile", func(t *testing.T) {
		b := f.connect("chat", "b", "bob")
		q := f.ask(ctx, t, "b", `{"target":"m"}`)
		heardQuestion(t, b, `"m"`)
		b.Leave()
		q.want(404, codeNoConnectionToAdd)
	})
	t.Run("the answer is too large", func(t *testing.T) {
		f.limitGateway(func(l *gateway.Limits) { l.MessageBytes = 1000 })
		defer f.limitGateway(func(*gateway.Limits) {})
		b := f.connect("chat", "big", "bob")
		q := f.ask(ctx, t, "big", `{"target":"m"}`)
		require.Error(t, b.Feed(completion(heardQuestion(t, b, `"m"`), `,"result":"`+strings.Repeat("x", 1000)+`"`)))
		q.want(404, "The connection was closed before the client answered.")
	})
}

func TestR42InvokeWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		a := f.connect("chat", "a", "ann")
		defer f.gateway.Close()
		defer a.Leave()
		took := func(want time.Duration, status int, code string, edits ...edit) {
			t.Helper()
			began := time.Now()
			f.do("POST", "/api/hubs/chat/connections/a/:invoke", `{"target":"m"}`, edits...).wantError(status, code)
			require.Equal(t, want, time.Since(began))
		}
		took(30*time.Second, 504, "Error.Connection.Unknown")
		took(5*time.Second, 504, "Error.Connection.Unknown", with("Prefer", "return=minimal, wait=5"))
		took(5*time.Second, 504, "Error.Connection.Unknown", with("Prefer", "wait=5; x"))
		took(20*time.Second, 504, "Error.Connection.Unknown", with("Prefer", "wait=20"))
		took(30*time.Second, 504, "Error.Connection.Unknown", with("Prefer", "wait=0"))
		took(30*time.Second, 504, "Error.Connection.Unknown", with("Prefer", "wait=500"))
		took(30*time.Second, 504, "Error.Connection.Unknown", with("Prefer", "wait=soon"))
		f.limits.InvokeTimeout = time.Second
		took(time.Second, 504, "Error.Connection.Unknown")
		ctx, cancel := context.WithCancel(t.Context())
		q := f.ask(ctx, t, "a", `{"target":"given up"}`)
		late := heardQuestion(t, a, "given up")
		cancel()
		q.want(500, codeUnknown)
		require.NoError(t, a.Feed(completion(late, `,"result":1`)), "an answer that comes too late is ignored")
		synctest.Wait()
		require.Nil(t, a.Conn.CloseRequested())
	})
}

// What is not the gateway's own invocation is the application's.
func TestOtherCompletionsAreTheApplications(t *testing.T) {
	backend := &gatewaytest.Backend{}
	gw, err := gateway.New(gateway.Options{Node: "n1", Backend: backend, Workers: 1})
	require.NoError(t, err)
	defer gw.Close()
	a := gatewaytest.Connect(t, gw, gatewaytest.Options{Hub: "chat", ID: "a"})
	require.NoError(t, a.Feed(completion("7", "")))
	require.NoError(t, a.Feed(completion("hubgate:n1:1-1", "")))
	require.NoError(t, a.Feed([]byte(`{"type":1,"target":"hello","arguments":[]}`+"\x1e")))
	require.Equal(t, []string{"opened a", "record a ", "record a hello"}, backend.Events(), "the first record, and not the second")
	a.Leave()
}
