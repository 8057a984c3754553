package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/watch"
)

// viewed is an admin address with a live view whose gateway has these connections.
type viewed struct {
	*httptest.Server
	t      *testing.T
	stream *watch.Stream
	view   *View
	sends  chan Message
}

func newViewed(t *testing.T, present ...*watch.Event) *viewed {
	v := &viewed{t: t, stream: new(watch.Stream), sends: make(chan Message, 1)}
	v.view = &View{
		Stream: v.stream,
		Present: func() iter.Seq[*watch.Event] {
			return func(yield func(*watch.Event) bool) {
				for _, e := range present {
					if !yield(e) {
						return
					}
				}
			}
		},
		Send: func(_ context.Context, m Message) Sent {
			v.sends <- m
			return Sent{Status: http.StatusAccepted, Matched: 2, Trace: "abc"}
		},
	}
	a := New("v1")
	a.WatchLive(v.view)
	v.Server = httptest.NewServer(a)
	t.Cleanup(func() {
		v.stream.Close()
		v.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return v
}

// follower reads a stream of events.
type follower struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Scanner
}

func (v *viewed) follow(query string) *follower {
	v.t.Helper()
	resp, err := http.Get(v.URL + "/watch" + query)
	require.NoError(v.t, err)
	v.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(v.t, http.StatusOK, resp.StatusCode)
	require.Equal(v.t, "text/event-stream", resp.Header.Get("Content-Type"))
	return &follower{v.t, resp, bufio.NewScanner(resp.Body)}
}

// next returns the next event, nil at the end that the gateway says.
func (f *follower) next() *watch.Event {
	f.t.Helper()
	for f.lines.Scan() {
		if f.lines.Text() == "event: end" {
			return nil
		}
		if data, ok := strings.CutPrefix(f.lines.Text(), "data: "); ok {
			e, err := watch.Parse([]byte(data))
			require.NoError(f.t, err)
			return e
		}
	}
	require.FailNow(f.t, "the stream ended without a word", f.lines.Err())
	return nil
}

func client(what watch.What, hub, id string) *watch.Event {
	return &watch.Event{
		Kind: watch.KindConnection, What: what, Subject: watch.Subject{Hub: hub, ConnectionID: id},
		Connection: &watch.Connection{Transport: "WebSockets"},
	}
}

func TestStreamOfEvents(t *testing.T) {
	v := newViewed(t, client(watch.WhatPresent, "chat", "old"), client(watch.WhatPresent, "news", "other"))
	chat := v.follow("?hub=chat&kind=connection")
	all := v.follow("")
	e := chat.next()
	require.Equal(t, watch.WhatPresent, e.What)
	require.Equal(t, "old", e.ConnectionID)
	require.Zero(t, e.Seq)
	require.False(t, e.Time.IsZero())
	all.next()
	require.Equal(t, "other", all.next().ConnectionID)

	v.stream.Publish(client(watch.WhatOpened, "news", "2"))
	v.stream.Publish(&watch.Event{Kind: watch.KindSend, What: watch.WhatSent, Subject: watch.Subject{Hub: "chat"}, Send: &watch.Send{By: "rest", To: "all"}})
	v.stream.Publish(client(watch.WhatClosed, "chat", "old"))
	e = chat.next()
	require.Equal(t, watch.WhatClosed, e.What)
	require.Equal(t, uint64(3), e.Seq)
	for _, kind := range []watch.Kind{watch.KindConnection, watch.KindSend, watch.KindConnection} {
		require.Equal(t, kind, all.next().Kind)
	}
	v.stream.Close()
	require.Nil(t, chat.next(), "it says that nothing follows")
	require.False(t, chat.lines.Scan() && chat.lines.Text() != "data:")
}

func TestManyConnectionsAtTheBeginning(t *testing.T) {
	var many []*watch.Event
	for range maxPresent + 3 {
		many = append(many, client(watch.WhatPresent, "chat", "1"))
	}
	v := newViewed(t, many...)
	f := v.follow("")
	for range maxPresent {
		require.Equal(t, watch.WhatPresent, f.next().What)
	}
	v.stream.Publish(client(watch.WhatOpened, "chat", "2"))
	require.Equal(t, watch.Lost{Reason: watch.LossTooManyPresent, Events: 3}, *f.next().Lost)
}

func TestRefusedWatchers(t *testing.T) {
	v := newViewed(t)
	get := func(path string, headers ...string) (int, string) {
		req, err := http.NewRequest(http.MethodGet, v.URL+path, nil)
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			return resp.StatusCode, ""
		}
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	for range 20 { // more than may watch
		resp, err := client.Head(v.URL + "/watch")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, "HEAD takes no place")
	}
	status, text := get("/watch?kind=sends")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "there is no kind")
	for _, site := range []string{"cross-site", "same-site"} {
		status, _ = get("/watch", "Sec-Fetch-Site", site)
		require.Equal(t, http.StatusForbidden, status, site)
	}
	for _, site := range []string{"same-origin", "none"} {
		status, _ = get("/watch", "Sec-Fetch-Site", site)
		require.Equal(t, http.StatusOK, status, site)
	}
	v.view.Authorize = func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer good" {
			return errors.New("a token, please")
		}
		return nil
	}
	status, text = get("/watch")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, "a token, please\n", text)
	status, _ = get("/watch", "Authorization", "Bearer good")
	require.Equal(t, http.StatusOK, status)
	v.view.Authorize = nil
	v.stream.Close()
	status, text = get("/watch")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "shutting down")

	early := httptest.NewServer(New("v1"))
	defer early.Close()
	v.URL = early.URL
	status, _ = get("/watch")
	require.Equal(t, http.StatusServiceUnavailable, status)
}

func TestWatchersAreBounded(t *testing.T) {
	v := newViewed(t)
	var last *follower
	for range watch.MaxWatchers {
		last = v.follow("")
	}
	resp, err := http.Get(v.URL + "/watch")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
	last.resp.Body.Close()
	// The place is free when the server has noticed: there is no event for that.
	require.Eventually(t, func() bool {
		w, err := v.stream.Watch(watch.Filter{})
		if err == nil {
			w.Stop()
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
}

// Only the page itself can send: neither a form nor a script of another site, nor a page that does
// not say that it is the one.
func TestSendsOfThePage(t *testing.T) {
	v := newViewed(t)
	post := func(body string, headers ...string) (int, string) {
		req, err := http.NewRequest(http.MethodPost, v.URL+"/inspector/send", strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text)
	}
	const message = `{"hub":"chat","to":"user","name":"ann","method":"say","arguments":["hi"]}`
	good := []string{"Content-Type", "application/json", "X-Hubgate-Inspector", "1"}
	status, text := post(message, good...)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"status":202,"matched":2,"trace":"abc"}`, text)
	require.Equal(t, Message{Hub: "chat", To: "user", Name: "ann", Method: "say", Arguments: json.RawMessage(`["hi"]`)}, <-v.sends)
	status, _ = post(message, append(good, "Origin", v.URL, "Sec-Fetch-Site", "same-origin")...)
	require.Equal(t, http.StatusOK, status)
	<-v.sends

	for name, headers := range map[string][]string{
		"a form":                  {"Content-Type", "application/x-www-form-urlencoded", "X-Hubgate-Inspector", "1"},
		"text":                    {"Content-Type", "text/plain", "X-Hubgate-Inspector", "1"},
		"without the header":      {"Content-Type", "application/json"},
		"another site":            append(good, "Sec-Fetch-Site", "cross-site"),
		"another origin":          append(good, "Origin", "https://evil.example"),
		"another port, same site": append(good, "Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"),
	} {
		status, _ := post(message, headers...)
		require.Equal(t, http.StatusForbidden, status, name)
	}
	status, _ = post("no message", good...)
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = post(`{"hub":"`+strings.Repeat("x", maxSendBytes)+`"}`, good...)
	require.Equal(t, http.StatusBadRequest, status)
	v.view.Authorize = func(*http.Request) error { return errors.New("a token, please") }
	status, _ = post(message, good...)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Empty(t, v.sends)
}

// The page loads nothing from outside, and its policy forbids it, scripts in the page included.
func TestThePageIsSelfContained(t *testing.T) {
	v := newViewed(t)
	get := func(path string) (*http.Response, string) {
		resp, err := http.Get(v.URL + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, string(body)
	}
	files, err := fs.Glob(pageFiles, "page/*")
	require.NoError(t, err)
	require.Greater(t, len(files), 5)
	outside := regexp.MustCompile(`(?i)https?://|url\(|@import`)
	for _, file := range files {
		resp, body := get("/inspector/" + strings.TrimPrefix(file, "page/"))
		require.Equal(t, http.StatusOK, resp.StatusCode, file)
		require.NotEmpty(t, resp.Header.Get("Content-Type"), file)
		require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'self';")
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
		require.NotRegexp(t, outside, strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, ""), file)
		require.NotContains(t, body, "innerHTML")
	}
	_, page := get("/inspector")
	require.NotRegexp(t, `(?i)<script>| style=| on[a-z]+=`, page)
	for _, link := range regexp.MustCompile(`(?:src|href)="(/inspector/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		resp, _ := get(link[1])
		require.Equal(t, http.StatusOK, resp.StatusCode, link[1])
	}
	resp, _ := get("/inspector/other.js")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)

	_, list := get("/")
	require.Contains(t, list, "/inspector", "tools get the list")
	req, err := http.NewRequest(http.MethodGet, v.URL+"/", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/html,*/*")
	browser, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	browser.Body.Close()
	require.Equal(t, "/inspector", browser.Request.URL.Path, "browsers get the page")
}
