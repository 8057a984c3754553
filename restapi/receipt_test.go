package restapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParsePrefer(t *testing.T) {
	for text, want := range map[string]preference{
		"return=representation":                      {receipt: true},
		"Return = \"representation\" ; x=1":          {receipt: true},
		"respond-async, return=representation":       {receipt: true},
		"return=minimal":                             {},
		"return=minimal, return=representation":      {},
		"return":                                     {},
		"":                                           {},
		"return=representation, wait=2":              {receipt: true, wait: 2 * time.Second, waits: true},
		"wait=0, return=representation":              {receipt: true, waits: true},
		"return=representation, wait=3600":           {receipt: true, wait: time.Hour, waits: true},
		"return=representation, wait=1, wait=2":      {receipt: true, wait: time.Second, waits: true},
		"return=representation, wait=-1":             {receipt: true},
		"return=representation, wait=99999999999999": {receipt: true},
	} {
		require.Equal(t, want, parsePrefer(strings.Split(text, "|")), text)
	}
}

func FuzzParsePrefer(f *testing.F) {
	for _, seed := range []string{
		"return=representation; a=b, wait=2", "RETURN=\"representation\", WAIT=\"10\"", "wait=-1", "wait=99999999999999999999", "wait=0.5", "return=minimal, return=representation",
		"return=representation,,;;wait=1", "wait = 3 ; return = representation", "\"unfinished, wait=2", "respond-async, wait=10;x", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := parsePrefer([]string{text})
		if p.wait < 0 || p.receiptWait() < 0 || p.receiptWait() > maxReceiptWait {
			t.Fatal(p)
		}
		if p.receipt {
			p.wait = min(p.wait, maxReceiptWait)
			again := parsePrefer([]string{p.applied()})
			require.Equal(t, p, again)
		}
	})
}

func TestReceipt(t *testing.T) {
	f := newFixture(t)
	f.connect("chat", "c1", "ann")
	f.connect("chat", "c2", "ann")
	f.connect("chat", "c3", "bob")
	f.do("PUT", "/api/hubs/chat/groups/g/connections/c3", "").wantStatus(200)
	for target, want := range map[string]int{
		"/api/hubs/chat/:send": 3, "/api/hubs/chat/:send?excluded=c1": 2, "/api/hubs/other/:send": 0,
		"/api/hubs/chat/users/ann/:send": 2, "/api/v1/hubs/chat": 3, "/api/hubs/chat/connections/c1/:send": 1,
		"/api/hubs/chat/groups/g/:send": 1, "/api/v1/hubs/chat/groups/g": 1,
	} {
		a := f.do("POST", target, helloJSON, with("Prefer", "return=representation, wait=5"))
		a.wantStatus(200)
		require.Equal(t, "return=representation, wait=5", a.header.Get("Preference-Applied"), target)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		var got receipt
		require.NoError(t, json.Unmarshal([]byte(a.body), &got), a.body)
		require.Equal(t, []int{want, want}, []int{got.Matched, got.Written + got.Queued}, target)
		require.True(t, got.Complete)
		require.Equal(t, 1, got.Nodes)
	}
	a := f.do("POST", "/api/hubs/chat/:send", helloJSON, with("Prefer", "return=representation, wait=60"))
	a.wantStatus(200)
	require.Equal(t, "return=representation, wait=10", a.header.Get("Preference-Applied"), "no receipt is waited for longer")
	a = f.do("POST", "/api/hubs/chat/:send", helloJSON, with("Prefer", "return=minimal"))
	a.wantStatus(202)
	require.Empty(t, a.header.Get("Preference-Applied"))
	// A request that fails, and one that is no send, are answered as always.
	f.do("POST", "/api/hubs/chat/:send", "{}", with("Prefer", "return=representation")).wantStatus(400)
	f.do("PUT", "/api/hubs/chat/groups/g/connections/c1", "", with("Prefer", "return=representation")).wantStatus(200)
}
