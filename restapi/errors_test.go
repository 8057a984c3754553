package restapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

type noRoom struct{}

func (noRoom) Error() string { return "secret detail of the store" }
func (noRoom) Full() bool    { return true }

type noAnswer struct{}

func (noAnswer) Error() string     { return "secret detail of the store" }
func (noAnswer) Unavailable() bool { return true }

// broken is a fixture whose gateway fails with the error.
func broken(t *testing.T, err error) (*fixture, *recorder) {
	f := newFixture(t)
	hubs := &recorder{err: err}
	options := f.options()
	options.Hubs, options.UserGroups = hubs, nobody{err}
	options.SignClient = func(string, string, time.Duration) (string, error) { return "", err }
	f.handler = New(options)
	return f, hubs
}

func TestErrorsOfTheGateway(t *testing.T) {
	for name, tc := range map[string]struct {
		err        error
		status     int
		code       string
		retryAfter string
		reason     FailureReason
		level      string
	}{
		"D12 hub busy":     {fmt.Errorf("with detail: %w", gateway.ErrHubBusy), 503, codeRequestUnknown, "1", ReasonHubBusy, "WARN"},
		"unknown error":    {errors.New("secret detail"), 500, codeUnknown, "", ReasonInternal, "ERROR"},
		"caller gone":      {context.Canceled, 500, codeUnknown, "", ReasonCallerGone, "DEBUG"},
		"a node's silence": {context.DeadlineExceeded, 500, codeUnknown, "", ReasonInternal, "ERROR"},
		"silent nodes":     {fmt.Errorf("with detail: %w", gateway.ErrIncomplete), 503, codeRequestUnknown, "5", ReasonIncomplete, "WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := broken(t, tc.err)
			a := f.do("POST", "/api/hubs/chat/:send", helloJSON)
			a.wantError(tc.status, tc.code)
			require.Equal(t, tc.retryAfter, a.header.Get("Retry-After"))
			require.NotContains(t, a.body, "detail")
			line := f.logged.take(t)[0]
			require.Equal(t, string(tc.reason), line["reason"])
			require.Equal(t, tc.level, line["level"], "what callers can cause is summed up, faults are not")
		})
	}
	t.Run("the store is full", func(t *testing.T) {
		f, _ := broken(t, fmt.Errorf("put: %w", noRoom{}))
		a := f.do("PUT", "/api/hubs/chat/users/u/groups/g", "")
		a.wantError(503, codeRequestUnknown)
		require.Equal(t, "60", a.header.Get("Retry-After"))
		require.NotContains(t, a.body, "secret")
	})
	t.Run("the store does not answer", func(t *testing.T) {
		f, _ := broken(t, fmt.Errorf("put: %w", noAnswer{}))
		a := f.do("PUT", "/api/hubs/chat/users/u/groups/g", "")
		a.wantError(503, codeRequestUnknown)
		require.Equal(t, "5", a.header.Get("Retry-After"))
		require.NotContains(t, a.body, "secret")
		require.Equal(t, string(ReasonStoreDown), f.logged.take(t)[0]["reason"])
	})
	t.Run("too many groups", func(t *testing.T) {
		f, _ := broken(t, gateway.ErrTooManyGroups)
		f.do("PUT", "/api/hubs/chat/groups/g/connections/c", "").wantError(400, "Error.Connection.Invalid")
	})
	t.Run("every operation passes errors on", func(t *testing.T) {
		f, _ := broken(t, errors.New("secret detail"))
		for id := range f.byID {
			method, target := example(t, f.contract, id)
			a := f.do(method, target, bodyOf(id))
			if strings.Contains(id, "Health") || strings.Contains(id, "AccessKey") { // they ask the core for nothing
				a.wantStatus(200)
				continue
			}
			a.wantError(500, codeUnknown)
			require.Equal(t, id, a.operation)
			require.NotContains(t, a.body, "detail")
		}
	})
}

func TestBusyHub(t *testing.T) {
	f := newFixture(t)
	t.Run("D12 over the hub's bound sends get 503 with Retry-After", func(t *testing.T) {
		f.limitGateway(func(l *gateway.Limits) { l.HubQueuedBytes = -1 })
		f.connect("chat", "c", "u")
		a := f.do("POST", "/api/hubs/chat/:send", helloJSON)
		a.wantError(503, codeRequestUnknown)
		require.Equal(t, "1", a.header.Get("Retry-After"))
	})
}

func TestPanics(t *testing.T) {
	f, hubs := broken(t, nil)
	hubs.panics = "the cause"
	f.do("POST", "/api/hubs/chat/:send", helloJSON).wantError(500, codeUnknown)
	require.Equal(t, counter{"Broadcast", 500}, f.counted.last())
	lines := f.logged.take(t)
	require.Len(t, lines, 1)
	require.Equal(t, "Panic", lines[0]["reason"])
	require.Contains(t, lines[0]["error"], "the cause")
	require.Contains(t, lines[0]["stack"], "recorder).Do")

	hubs.panics = http.ErrAbortHandler
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { f.do("POST", "/api/hubs/chat/:send", helloJSON) })
	hubs.panics = nil
	f.do("POST", "/api/hubs/chat/:send", helloJSON).wantStatus(202)
}

func TestOneLineForEachFailure(t *testing.T) {
	f := newFixture(t)
	f.do("POST", "/api/hubs/chat/:send", helloJSON).wantStatus(202)
	require.Empty(t, f.logged.take(t), "a success is no line")
	for _, tc := range []struct {
		request, body, operation, reason, level string
		status                                  int
	}{
		{"POST /api/hubs/chat/:send", "{", "Broadcast", "InvalidBody", "WARN", 400},
		{"PUT /api/hubs/chat/users/u/groups/g?ttl=x", "", "AddUserToGroup", "InvalidParameter", "WARN", 400},
		{"HEAD /api/hubs/chat/users/u", "", "UserExistsHead", "NotExisted", "DEBUG", 404},
		{"GET /api/nothing", "", "Unknown", "UnknownRoute", "WARN", 404},
		{"PATCH /api/hubs/chat/:send", "", "Unknown", "MethodNotAllowed", "WARN", 405},
	} {
		method, target, _ := strings.Cut(tc.request, " ")
		f.do(method, target, tc.body).wantStatus(tc.status)
		lines := f.logged.take(t)
		require.Len(t, lines, 1, tc.request)
		require.Equal(t, tc.operation, lines[0]["operation"])
		require.Equal(t, tc.reason, lines[0]["reason"])
		require.Equal(t, tc.level, lines[0]["level"])
		require.EqualValues(t, tc.status, lines[0]["status"])
		require.Equal(t, counter{tc.operation, tc.status}, f.counted.last())
	}
}

func TestLinesHoldNoToken(t *testing.T) {
	f := newFixture(t)
	const secret = "header.payload.signature"
	f.bare("POST", "/api/hubs/chat/:send?access_token="+secret, helloJSON, with("Authorization", "Bearer "+secret))
	f.bare("POST", "/api/hubs/chat/:send?access_token="+secret, helloJSON)
	f.do("POST", "/api/hubs/chat/:send?access_token="+secret, "{")
	f.do("POST", "/api/unknown?access_token="+secret, "{")
	f.bare("GET", "/api/"+strings.Repeat("long", 1000), "")
	f.logged.mu.Lock()
	defer f.logged.mu.Unlock()
	text := f.logged.lines.String()
	require.Equal(t, 5, strings.Count(text, "\n"))
	require.NotContains(t, text, secret)
	require.NotContains(t, text, "signature")
	require.NotContains(t, text, strings.Repeat("long", 100))
}

func TestRequiredOptions(t *testing.T) {
	require.Panics(t, func() { New(Options{}) })
	f := newFixture(t)
	options := f.options()
	options.Limits, options.Logger, options.Metrics = nil, nil, nil
	handler := New(options)
	r := httptest.NewRequest("POST", "/api/hubs/chat/:send", nil)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, 401, w.Code)
	require.Equal(t, Limits{defaultBodyBytes, defaultURIBytes, defaultBodyTimeout, defaultInvokeTimeout, defaultIdempotencyAge}, Limits{}.orDefaults())
}

func TestTokenErrorsKeepTheirText(t *testing.T) {
	f := asFailure(&auth.TokenError{Failure: auth.TokenSignature})
	require.Equal(t, `Bearer error="invalid_token", error_description="The signature key was not found"`, f.challenge)
}
