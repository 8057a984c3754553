package flight

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// full has every part.
func full() Event {
	return Event{
		Kind: KindSend, What: WhatSent,
		Subject: Subject{Hub: "chat", User: "ann", Connection: "c1", Group: "g", Trace: "t"},
		Send: Send{By: "rest", To: "users", Names: []string{"ann", ""}, More: 3, Fate: &Fate{4, 1, 2, 1},
			Receivers: []Receiver{{"c1", "ann", Written, ""}, {"c2", "", Dropped, "SlowClient"}}},
		Message: Message{Method: "news", Type: 1, Bytes: 12345, Payload: `["hello"]`},
		Outcome: Outcome{Reason: "SlowClient", Text: "too slow", Status: 503, Took: time.Millisecond},
		Way:     Way{Transport: "WebSockets", Protocol: "json", Remote: "::1", URL: "/api", Server: "Weak"},
	}
}

func one(kind Kind, what What, about Subject, more ...func(*Event)) *Event {
	e := &Event{Kind: kind, What: what, Subject: about}
	for _, change := range more {
		change(e)
	}
	return e
}

func to(kind string, names ...string) func(*Event) {
	return func(e *Event) { e.To, e.Names = kind, names }
}

func TestEventsAreKeptAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(0)
		want := []Event{full(), {Kind: KindConnection, What: WhatOpened}}
		for i := range want {
			r.Record(&want[i])
			time.Sleep(time.Second)
		}
		got, more := r.Search(t.Context(), &Query{}, nil)
		require.False(t, more)
		for i := range want {
			want[i].Time = want[i].Time.UTC()
			require.Equal(t, want[i].Time.UnixNano(), got[i].Time.UnixNano())
			got[i].Time = want[i].Time
		}
		require.Equal(t, want, got)
		require.Equal(t, Stats{Events: 2, Bytes: r.Stats().Bytes, Size: MinBytes}, r.Stats())
	})
}

// The largest event fits, whatever its texts are.
func TestEventsAreBounded(t *testing.T) {
	long := strings.Repeat("ä", 10_000)
	e := full()
	for _, text := range e.texts() {
		*text = long
	}
	for range 100 {
		e.Names = append(e.Names, long)
		e.Receivers = append(e.Receivers, Receiver{long, long, long, long})
	}
	kept := e.append(nil)
	require.Less(t, len(kept), maxEvent)
	var again Event
	require.NoError(t, again.parse(kept))
	require.Len(t, again.Names, MaxNames)
	r := New(0)
	r.Record(&e)
	got, _ := r.Search(t.Context(), &Query{}, nil)
	require.Len(t, got, 1)
}

// The ring keeps the newest events within its size, and says from when on it has all.
func TestTheOldestAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(MinBytes)
		e := full()
		const events = 10_000
		for i := range events {
			e.Trace, e.Time = fmt.Sprint(i), time.Time{}
			r.Record(&e)
			time.Sleep(time.Millisecond)
		}
		stats := r.Stats()
		require.LessOrEqual(t, stats.Bytes, MinBytes)
		require.EqualValues(t, events, stats.Events)
		require.False(t, stats.Since.IsZero())
		got, more := r.Search(t.Context(), &Query{Limit: MaxLimit}, nil)
		require.False(t, more)
		require.Equal(t, fmt.Sprint(events-1), got[len(got)-1].Trace)
		whole := 0
		for i := range got {
			if got[i].Time.After(stats.Since) {
				whole++
			}
		}
		for i := range whole { // nothing is missing from then on
			require.Equal(t, fmt.Sprint(events-whole+i), got[len(got)-whole+i].Trace)
		}
		require.Greater(t, whole, 500)
		got, more = r.Search(t.Context(), &Query{Limit: 10}, nil)
		require.True(t, more)
		require.Len(t, got, 10)
	})
}

func TestNilRecorder(t *testing.T) {
	var r *Recorder
	r.Record(&Event{})
	got, more := r.Search(t.Context(), &Query{}, nil)
	require.Empty(t, got)
	require.False(t, more)
	require.Zero(t, r.Stats())
	r.Know(t.Context(), &Query{User: "ann"}, &Known{})
}

func TestRecordingAllocatesNothing(t *testing.T) {
	r := New(MinBytes)
	e := full()
	for range 10_000 {
		r.Record(&e)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Record(&e) }))
}

func TestManyRecord(t *testing.T) {
	r := New(1 << 20)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			e := *one(KindSend, WhatSent, Subject{Hub: "chat", User: fmt.Sprint(i)})
			for range 500 {
				r.Record(&e)
			}
		})
	}
	for range 20 {
		r.Search(t.Context(), &Query{}, nil)
	}
	all.Wait()
	got, _ := r.Search(t.Context(), &Query{Limit: MaxLimit}, nil)
	require.Len(t, got, 4000)
}

// Who asks for a user finds what was for the user by any way.
func TestSearchByUser(t *testing.T) {
	r := New(0)
	ann := Subject{Hub: "chat", User: "ann", Connection: "c1"}
	r.Record(one(KindConnection, WhatOpened, ann))
	r.Record(one(KindCommand, WhatJoin, Subject{Hub: "chat", Group: "g"}, to("connections", "c1")))
	other := Subject{Hub: "chat", User: "bob", Connection: "c2"}
	for name, e := range map[string]*Event{
		"all": one(KindSend, WhatSent, Subject{Hub: "chat"}, to("all")), "user": one(KindSend, WhatSent, Subject{Hub: "chat", User: "ann"}, to("users", "ann")),
		"group": one(KindSend, WhatSent, Subject{Hub: "chat"}, to("groups", "g")), "connection": one(KindSend, WhatSent, Subject{Hub: "chat", Connection: "c1"}, to("connections", "c1")),
		"some":     one(KindSend, WhatSent, Subject{Hub: "chat"}, to("users", "x", "ann")),
		"receiver": one(KindSend, WhatSent, Subject{Hub: "chat"}, func(e *Event) { e.Receivers = []Receiver{{Connection: "c1", User: "ann"}} }),
		"hook":     one(KindWebhook, WhatCalled, ann), "answer": one(KindDelivery, WhatDelivered, ann),
		"- other hub": one(KindSend, WhatSent, Subject{Hub: "news"}, to("all")), "- other user": one(KindSend, WhatSent, Subject{Hub: "chat", User: "bob"}, to("users", "bob")),
		"- other group": one(KindSend, WhatSent, Subject{Hub: "chat"}, to("groups", "h")), "- other client": one(KindConnection, WhatOpened, other),
		"- request": one(KindRequest, WhatAnswered, Subject{}),
	} {
		e.Trace = name
		r.Record(e)
	}
	for _, q := range []*Query{{User: "ann"}, {Connection: "c1"}, {User: "ann", Hub: "CHAT"}} {
		var k Known
		r.Know(t.Context(), q, &k)
		require.Equal(t, Known{Hubs: []string{"chat"}, Users: []string{"ann"}, Connections: []string{"c1"}, Groups: []string{InGroup("chat", "g")}}, k)
		got, _ := r.Search(t.Context(), q, &k)
		found := 0
		for i := range got {
			require.NotContains(t, got[i].Trace, "-")
			found++
		}
		require.Equal(t, 10, found, "opened, joined and eight others")
	}
	got, _ := r.Search(t.Context(), &Query{Trace: "some"}, nil)
	require.Len(t, got, 1)
	got, _ = r.Search(t.Context(), &Query{Group: "g"}, nil)
	require.Len(t, got, 2, "the join and the send")
	got, _ = r.Search(t.Context(), &Query{Kinds: []Kind{KindWebhook}}, nil)
	require.Len(t, got, 1)
	got, _ = r.Search(t.Context(), &Query{Until: time.Now().Add(-time.Hour)}, nil)
	require.Empty(t, got)
	got, _ = r.Search(t.Context(), &Query{Since: time.Now().Add(time.Hour)}, nil)
	require.Empty(t, got)
}

func TestQueryInAURL(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	q := Query{Hub: "chat", User: "a&b", Connection: "c", Group: "g", Trace: "t", Since: now.Add(-time.Minute), Until: now, Kinds: []Kind{KindSend, KindServer}, Limit: 3}
	again, err := ParseQuery(q.Query(), now)
	require.NoError(t, err)
	require.Equal(t, q, again)
	for text, want := range map[string]time.Time{
		"10m": now.Add(-10 * time.Minute), "11:30": now.Add(-30 * time.Minute), "12:00:01": now.Add(time.Second - 24*time.Hour), "2026-05-01T11:00:00Z": now.Add(-time.Hour),
	} {
		got, err := ParseQuery(url.Values{"since": {text}}, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got.Since), "%s: %v", text, got.Since)
	}
	for _, bad := range []string{"kind=sends", "who=1", "user=a&user=b", "since=yesterday", "until=-5m", "limit=0", "limit=x", "hub=" + strings.Repeat("x", maxValue+1)} {
		values, err := url.ParseQuery(bad)
		require.NoError(t, err)
		_, err = ParseQuery(values, now)
		require.Error(t, err, bad)
	}
}

func TestMerge(t *testing.T) {
	at := func(n int64, node string) Event { return Event{Time: time.Unix(n, 0), Node: node} }
	q := &Query{Limit: 3}
	all, more := q.Merge([]Event{at(1, "a"), at(3, "a")}, []Event{at(2, "b"), at(4, "b")})
	require.True(t, more)
	require.Equal(t, []Event{at(2, "b"), at(3, "a"), at(4, "b")}, all)
}

func FuzzParse(f *testing.F) {
	e := full()
	f.Add(e.append(nil))
	f.Add((&Event{Kind: KindConnection, What: WhatOpened}).append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Event
		if e.parse(data) != nil {
			return
		}
		var again Event
		require.NoError(t, again.parse(e.append(nil)))
	})
}

func BenchmarkRecord(b *testing.B) {
	r := New(4 << 20)
	e := Event{Kind: KindSend, What: WhatSent, Subject: Subject{Hub: "chat", User: "ann", Trace: strings.Repeat("0", 32)},
		Send: Send{By: "rest", To: "users", Names: []string{"ann"}, Fate: &Fate{1, 1, 0, 0}, Receivers: []Receiver{{strings.Repeat("c", 22), "ann", Written, ""}}}, Message: Message{Method: "news", Bytes: 100}}
	b.ReportAllocs()
	for b.Loop() {
		r.Record(&e)
	}
}

// Times are kept in UTC, and none is taken that other nodes could not be told.
func TestTimesOfQueriesCanBeWritten(t *testing.T) {
	for _, text := range []string{"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+23:60", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"} {
		q, err := ParseQuery(url.Values{"since": {text}}, time.Now())
		if err == nil {
			_, err := json.Marshal(q)
			require.NoError(t, err, text)
			continue
		}
		require.ErrorIs(t, err, errTime, text)
	}
	r := New(0)
	r.Record(&Event{Kind: KindConnection, What: WhatOpened})
	for year, want := range map[int]int{1: 1, 1500: 1, 9999: 0} {
		got, _ := r.Search(t.Context(), &Query{Since: time.Date(year, 2, 1, 0, 0, 0, 0, time.UTC)}, nil)
		require.Len(t, got, want, year)
	}
}

// Only what is returned is kept while the ring is looked through, and it is the newest.
func TestSearchesKeepTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(0)
		for i := range 100 {
			r.Record(&Event{Kind: KindConnection, What: WhatOpened, Subject: Subject{Trace: fmt.Sprint(i)}})
			time.Sleep(time.Millisecond)
		}
		for most := 1; most <= 101; most++ {
			got, more := r.Search(t.Context(), &Query{Limit: most}, nil)
			require.Len(t, got, min(most, 100))
			require.Equal(t, most < 100, more)
			require.Equal(t, "99", got[len(got)-1].Trace)
			require.Equal(t, fmt.Sprint(100-len(got)), got[0].Trace)
		}
	})
}

// A name that is longer than what events keep of it is found by its whole, and is not cut inside a character.
func TestLongNamesAreFound(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 300), "x" + strings.Repeat("ä", 300), "xx" + strings.Repeat("日本", 100), "xxx" + strings.Repeat("🐢", 200)} {
		r := New(0)
		r.Record(one(KindConnection, WhatOpened, Subject{Hub: long, User: long, Connection: long}))
		r.Record(one(KindCommand, WhatJoin, Subject{Hub: long, Group: long}, to("users", long)))
		r.Record(one(KindSend, WhatSent, Subject{Hub: long}, to("groups", long)))
		for _, name := range []string{"hub", "user", "connection", "group"} {
			q, err := ParseQuery(url.Values{name: {long}}, time.Now())
			require.NoError(t, err)
			var k Known
			r.Know(t.Context(), &q, &k)
			got, _ := r.Search(t.Context(), &q, &k)
			require.NotEmpty(t, got, name)
			require.True(t, utf8.ValidString(got[0].Hub))
			require.Greater(t, len(got[0].Hub), maxText-utf8.UTFMax)
			if name == "user" {
				require.Len(t, got, 3, "the send to the group too")
			}
		}
	}
	require.Len(t, Cut(strings.Repeat("\x80", 300), 256), 256, "what is no UTF-8 has no borders")
}
