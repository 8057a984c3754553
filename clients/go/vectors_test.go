package hubgate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/webhook/signature"
)

const emulatorKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

type vectors struct {
	ConnectionStrings []struct {
		Text, Endpoint, ServerEndpoint, ClientEndpoint, Key string
		Error                                               bool
	}
	Negotiate []struct {
		Name, ConnectionString, Hub, User, URL string
		Extra, Claims                          map[string]any
		Lifetime, Now                          int64
	}
	Requests []struct {
		Call, Method, Target, Code string
		Args                       []any
		Body, Answer, Result       any
		Status, Error              int
		Refused                    bool
	}
	List struct {
		Group string
		Pages []struct {
			Target string
			Answer any
		}
		Result [][2]string
	}
	Webhooks, MessagePack []hook
}

type hook struct {
	Name, Body, Fails              string
	BodyBase64                     []byte
	Headers                        map[string]string
	Status                         int
	Seen                           map[string]any
	Returns, Answer, AnswerMsgpack any
	AnswerText                     string
}

// text is what an answer says, as JSON.
func (v *hook) text(t *testing.T, w *httptest.ResponseRecorder) (got string, want any) {
	if v.AnswerMsgpack == nil {
		return w.Body.String(), v.Answer
	}
	require.Equal(t, packedType, w.Header().Get("Content-Type"))
	var text strings.Builder
	rest, err := msgp.UnmarshalAsJSON(&text, w.Body.Bytes())
	require.NoError(t, err)
	require.Empty(t, rest)
	return text.String(), v.AnswerMsgpack
}

func read(t *testing.T) (v vectors) {
	text, err := os.ReadFile("../vectors/vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

func TestConnectionStrings(t *testing.T) {
	for _, v := range read(t).ConnectionStrings {
		h, err := New("chat", v.Text)
		require.Equal(t, v.Error, err != nil, "%s: %v", v.Text, err)
		if err == nil {
			require.Equal(t, connection{v.Endpoint, v.ServerEndpoint, v.ClientEndpoint, v.Key}, h.at)
		}
	}
	_, err := New("", "Endpoint=http://h;AccessKey=k")
	require.Error(t, err)
}

func TestNegotiate(t *testing.T) {
	for _, v := range read(t).Negotiate {
		h, err := New(v.Hub, v.ConnectionString)
		require.NoError(t, err)
		h.Now = func() time.Time { return time.Unix(v.Now, 0) }
		n, err := h.Negotiate(Client{User: v.User, Claims: v.Extra, Lifetime: time.Duration(v.Lifetime) * time.Second})
		require.NoError(t, err)
		require.Equal(t, v.URL, n.URL)
		claims := jwt.MapClaims{}
		_, err = jwt.NewParser(jwt.WithoutClaimsValidation()).ParseWithClaims(n.AccessToken, claims, func(*jwt.Token) (any, error) { return []byte(h.at.key), nil })
		require.NoError(t, err)
		require.Equal(t, jwt.MapClaims(v.Claims), claims, v.Name)
	}
}

// seen answers one request and notes it.
type seen struct {
	method, target, token string
	body                  any
	// code is what the answer says in x-ms-error-code, if anything.
	code string
}

func serve(t *testing.T, answer func(r *seen) (status int, body any)) *Hub {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &seen{method: r.Method, target: r.RequestURI, token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
		if text, _ := io.ReadAll(r.Body); len(text) > 0 {
			_ = json.Unmarshal(text, &s.body)
		}
		status, body := answer(s)
		if s.code != "" {
			w.Header().Set("X-Ms-Error-Code", s.code)
		}
		w.WriteHeader(status)
		if body != nil && r.Method != http.MethodHead {
			_ = json.NewEncoder(w).Encode(body)
		}
	}))
	t.Cleanup(server.Close)
	h, err := New("Chat", "Endpoint=http://elsewhere.test;ServerEndpoint="+server.URL+";AccessKey="+emulatorKey)
	require.NoError(t, err)
	return h
}

// call makes the call that a vector names.
func (h *Hub) named(ctx context.Context, name string, args []any) (result any, err error) {
	text := func(i int) string { return args[i].(string) }
	list := func(i int) []any { return args[i].([]any) }
	switch name {
	case "sendToAll":
		return nil, h.SendToAll(ctx, text(0), list(1)...)
	case "sendToUser":
		return nil, h.SendToUser(ctx, text(0), text(1), list(2)...)
	case "sendToGroup":
		return nil, h.SendToGroup(ctx, text(0), text(1), list(2)...)
	case "sendToConnection":
		return nil, h.SendToConnection(ctx, text(0), text(1), list(2)...)
	case "addToGroup":
		return nil, h.AddToGroup(ctx, text(0), text(1))
	case "removeFromGroup":
		return nil, h.RemoveFromGroup(ctx, text(0), text(1))
	case "addUserToGroup":
		return nil, h.AddUserToGroup(ctx, text(0), text(1))
	case "removeUserFromGroup":
		return nil, h.RemoveUserFromGroup(ctx, text(0), text(1))
	case "closeConnection":
		return nil, h.CloseConnection(ctx, text(0), text(1))
	case "closeUser":
		return nil, h.CloseUser(ctx, text(0), text(1))
	case "closeGroup":
		return nil, h.CloseGroup(ctx, text(0), text(1))
	case "connectionExists":
		return h.ConnectionExists(ctx, text(0))
	case "userExists":
		return h.UserExists(ctx, text(0))
	case "groupExists":
		return h.GroupExists(ctx, text(0))
	case "userInGroup":
		return h.UserInGroup(ctx, text(0), text(1))
	case "invoke":
		err = h.Invoke(ctx, text(0), &result, text(1), list(2)...)
		return result, err
	}
	return nil, errors.New("no such call: " + name)
}

func TestRequests(t *testing.T) {
	for _, v := range read(t).Requests {
		var got *seen
		h := serve(t, func(r *seen) (int, any) { got, r.code = r, v.Code; return v.Status, v.Answer })
		result, err := h.named(t.Context(), v.Call, v.Args)
		if v.Refused {
			require.Error(t, err)
			require.Nil(t, got)
			continue
		}
		if v.Error != 0 {
			var status *StatusError
			require.ErrorAs(t, err, &status)
			require.Equal(t, v.Error, status.Status)
		} else {
			require.NoError(t, err, v.Call)
			require.Equal(t, v.Result, result, v.Call)
		}
		require.Equal(t, []any{v.Method, v.Target, v.Body}, []any{got.method, got.target, got.body})
		claims := jwt.MapClaims{}
		_, err = jwt.ParseWithClaims(got.token, claims, func(*jwt.Token) (any, error) { return []byte(emulatorKey), nil })
		require.NoError(t, err)
		path, _, _ := strings.Cut(v.Target, "?")
		require.Equal(t, h.at.serverEndpoint+path, claims["aud"])
	}
}

func TestListGroup(t *testing.T) {
	v, asked := read(t).List, 0
	h := serve(t, func(r *seen) (int, any) {
		page := v.Pages[asked]
		require.Equal(t, page.Target, r.target)
		asked++
		return http.StatusOK, page.Answer
	})
	var got [][2]string
	for member, err := range h.ListGroup(t.Context(), v.Group) {
		require.NoError(t, err)
		got = append(got, [2]string{member.ConnectionID, member.UserID})
	}
	require.Equal(t, v.Result, got)
	for _, err := range serve(t, func(*seen) (int, any) { return 500, nil }).ListGroup(t.Context(), "g") {
		require.Error(t, err)
	}
}

func TestWebhooks(t *testing.T) {
	table := read(t)
	for _, v := range append(table.Webhooks, table.MessagePack...) {
		t.Run(v.Name, func(t *testing.T) {
			var event *Event
			hook := &Webhook{Keys: []string{"other", emulatorKey}, Handle: func(_ context.Context, e *Event) (any, error) {
				event = e
				if v.Fails != "" {
					return nil, ErrorForClient(v.Fails)
				}
				return v.Returns, nil
			}}
			r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(v.Body+string(v.BodyBase64)))
			for name, value := range v.Headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			hook.ServeHTTP(w, r)
			require.Equal(t, v.Status, w.Code, w.Body)
			if v.Seen == nil {
				require.Nil(t, event)
				return
			}
			arguments := []any{}
			for _, one := range event.Arguments {
				var value any
				require.NoError(t, json.Unmarshal(one, &value))
				arguments = append(arguments, value)
			}
			got := map[string]any{"hub": event.Hub, "category": event.Category, "event": event.Name, "connectionId": event.ConnectionID, "userId": event.UserID, "arguments": arguments}
			if event.Error != "" {
				got["error"] = event.Error
			}
			require.Equal(t, v.Seen, got)
			if v.AnswerText != "" {
				require.Equal(t, v.AnswerText, strings.TrimSpace(w.Body.String()))
				return
			}
			text, answer := v.text(t, w)
			if answer == nil {
				require.Empty(t, text)
				return
			}
			want, err := json.Marshal(answer)
			require.NoError(t, err)
			require.JSONEq(t, string(want), text)
		})
	}
}

// The table of the gateway's own signatures.
func TestWholeRequest(t *testing.T) {
	text, err := os.ReadFile("../../webhook/signature/testdata/vectors.json")
	require.NoError(t, err)
	var table []struct {
		Name, Method, Target, BodyBase64, Header, Expect, ID string
		Keys                                                 []string
		ToleranceSeconds, Now                                int64
	}
	require.NoError(t, json.Unmarshal(text, &table))
	require.NotEmpty(t, table)
	for _, v := range table {
		body, err := base64.StdEncoding.DecodeString(v.BodyBase64)
		require.NoError(t, err)
		hook := &Webhook{Keys: v.Keys, WholeRequest: true}
		hook.verifier = signature.Verifier{Tolerance: time.Duration(v.ToleranceSeconds) * time.Second, Now: func() time.Time { return time.Unix(v.Now, 0) }}
		r := &http.Request{Method: v.Method, RequestURI: v.Target, Header: http.Header{}}
		if v.Header != "" {
			r.Header.Set(signature.Header, v.Header)
		}
		connection, _, _ := strings.Cut(v.ID, ".")
		of(r.Header, connection, v.Keys...)
		id, ok := hook.genuine(r, body)
		require.Equal(t, v.Expect == "ok", ok, v.Name)
		if ok {
			require.Equal(t, v.ID, id, v.Name)
		}
	}
}

// What a header cannot carry is percent-encoded in the gateway's requests, and in no others.
func TestUserID(t *testing.T) {
	h := http.Header{"X-Asrs-User-Id": {"a%2541%09%C2%85 100% %zz+"}}
	require.Equal(t, "a%2541%09%C2%85 100% %zz+", userID(h))
	h.Set(signature.Header, "t=1")
	require.Equal(t, "a%41\t\u0085 100% %zz+", userID(h))
}

// of makes the headers of a connection.
func of(h http.Header, connection string, keys ...string) {
	var sums []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(connection))
		sums = append(sums, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	h.Set("X-ASRS-Connection-Id", connection)
	h.Set("X-ASRS-Signature", strings.Join(sums, ","))
}

// The event that was signed is the one of the connection that the headers name.
func TestTheSignatureIsOfTheConnection(t *testing.T) {
	body := []byte(`{"type":10}`)
	for name, c := range map[string]struct {
		change func(h http.Header)
		good   bool
	}{
		"as it was sent":        {func(http.Header) {}, true},
		"no connection":         {func(h http.Header) { h.Del("X-ASRS-Connection-Id"); h.Del("X-ASRS-Signature") }, false},
		"no signature of it":    {func(h http.Header) { h.Del("X-ASRS-Signature") }, false},
		"signed by another key": {func(h http.Header) { of(h, "abc", "x") }, false},
		"another connection":    {func(h http.Header) { of(h, "abd", emulatorKey) }, false},
		"a part of its name":    {func(h http.Header) { of(h, "ab", emulatorKey) }, false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/hook", nil)
		r.Header.Set(signature.Header, string(signature.Append(nil, []string{emulatorKey}, time.Now(), "abc.1", http.MethodPost, "/hook", body)))
		of(r.Header, "abc", emulatorKey)
		c.change(r.Header)
		_, ok := (&Webhook{Keys: []string{emulatorKey}}).genuine(r, body)
		require.Equal(t, c.good, ok, name)
	}
}

// A failure that is not meant for the client is not shown to it.
func TestFailuresStayHere(t *testing.T) {
	hook := &Webhook{Keys: []string{emulatorKey}, Handle: func(context.Context, *Event) (any, error) { return nil, errors.New("secret") }}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"type":1,"invocationId":"1","target":"x","arguments":[]}`))
	r.Header.Set("X-ASRS-Connection-Id", "abc")
	r.Header.Set("X-ASRS-Signature", "sha256=D4B71F6479906BF45CDC69C969315019A67A52DEAE1EAB86C7A7F3D9B25CD31E")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	hook.ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
}

// What is called by anybody must not make it fail.
func FuzzReadCall(f *testing.F) {
	f.Add(packedType, []byte("\x95\x01\x80\xa10\xa3say\x91\xa2hi"))
	f.Add(packedType, []byte("\x95\x01\x80\xa10\xa3say\xdd\xff\xff\xff\xff\x01"))
	f.Add(packedType, []byte("\x96\x04\x81\xa1h\xa1x\xc0\xa0\x92\xc4\x01\x00\xc0\x90"))
	f.Add(jsonType, []byte(`{"type":1,"invocationId":"0","arguments":[1]}`))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		c, refusal, status := readCall(kind, body)
		if c == nil {
			require.NotEmpty(t, refusal)
			require.NotZero(t, status)
			return
		}
		for _, one := range c.Arguments {
			require.True(t, json.Valid(one), "%q", one)
		}
		c.answer(httptest.NewRecorder(), map[string]any{"a": c.Arguments}, nil)
	})
}
