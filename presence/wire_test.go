package presence

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever parts of pages nodes give, the pages that are made of them, one behind the other, are all that
// the nodes have, in order and once.
func TestPagesOfSeveralNodesAreAll(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		nodes := make([][]named, 1+r.IntN(4))
		sums := make(map[string]int)
		for i := range nodes {
			for range r.IntN(40) {
				name := fmt.Sprintf("%02d", r.IntN(60))
				if !slices.ContainsFunc(nodes[i], func(n named) bool { return n.Name == name }) {
					nodes[i] = append(nodes[i], named{name, 1})
					sums[name]++
				}
			}
			slices.SortFunc(nodes[i], func(a, b named) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
		}
		var want, got []named
		for name, count := range sums {
			want = append(want, named{name, count})
		}
		slices.SortFunc(want, func(a, b named) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
		size, after, more := 1+r.IntN(10), "", true
		for more {
			m := merge[named]{max: size}
			for _, all := range nodes {
				at := slices.IndexFunc(all, func(n named) bool { return n.Name > after })
				if at < 0 {
					continue
				}
				part := all[at:]
				most := min(size, 1+r.IntN(size)) // a node's part may be shorter than asked for
				m.add(part[:min(most, len(part))], len(part) > most, nameOf)
			}
			var page []named
			page, more = m.page(nameOf, func(a, b named) named { return named{a.Name, a.Count + b.Count} })
			require.LessOrEqual(t, len(page), size)
			if got = append(got, page...); more {
				after = page[len(page)-1].Name
			}
		}
		require.Equal(t, want, got)
	}
}

func TestNamesComeInOrder(t *testing.T) {
	var list, want []string
	for i := range 3*partSize + 17 {
		list = append(list, fmt.Sprintf("%06d", (i*7919)%(3*partSize+17)))
	}
	want = slices.Sorted(slices.Values(list))
	n := order(slices.Clone(list), func(int) {})
	require.Greater(t, len(n.parts), 2)
	var got []string
	n.after("000100", func(name string) bool { got = append(got, name); return true })
	require.True(t, slices.Equal(want[101:], got))
}

// What another node says is read or refused, and what was read is written alike.
func FuzzSaid(f *testing.F) {
	f.Add((&said{ID: 1, Question: &question{Kind: kindUsers, Hub: "chat", Max: 5}}).append(saidQuestion))
	f.Add((&said{ID: 1, Answer: &answer{Count: 3, Users: make([]byte, 16), Connections: []Connection{{ConnectionId: "a"}}}}).append(saidAnswer))
	f.Add((&said{ID: 2, Question: &question{Kind: kindConnections, Hub: "chat", User: "ann", Group: "g", Max: 1000, Listing: 7, After: "x"}}).append(saidQuestion))
	f.Add((&said{ID: 1 << 60, Answer: &answer{}}).append(saidAnswer))
	f.Add([]byte{saidAnswer, '{'})
	f.Add([]byte{saidQuestion})
	f.Add([]byte("\xff{}"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		var s said
		kind, err := s.parse(message)
		if err != nil || kind > saidAnswer {
			return
		}
		var again said
		_, err = again.parse(s.append(kind))
		require.NoError(t, err)
		require.Equal(t, s.append(kind), again.append(kind))
	})
}

// A continuation token is one of ours or refused.
func FuzzContinuation(f *testing.F) {
	f.Add((&question{Listing: 7}).next("last"))
	f.Add((&question{Listing: 1<<64 - 1}).next("ü/\x00"))
	for _, seed := range []string{"", "AAAA", "AAAAAAAAAAcx", "AAAAAAAAAAcx=", "!", "____"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		var q question
		if q.resume(token) {
			require.NotEmpty(t, q.After)
			var again question
			require.True(t, again.resume(q.next(q.After)))
			require.Equal(t, q, again)
		}
	})
}

// FuzzNews has what other nodes say of a hub, and who follows one, read again as it was.
func FuzzNews(f *testing.F) {
	whole := news{Hub: "chat", Begin: true, Whole: true, Entries: []entry{{isThere, "a", "ann", "", 1}, {hasCome, "b", "", "", now()}, {hasGone, "a", "ann", "Normal", now()}, {hasMoved, "b", "", "", 0}}}
	f.Add(encode(saidNews, whole)[1:])
	f.Add(encode(saidNews, news{Hub: "chat", Entries: make([]entry, maxNews+1)})[1:])
	f.Add(encode(saidFollow, follow{"chat", true})[1:])
	for _, seed := range []string{"", "{}", `{"h":"x","n":[{"w":0,"i":"a"}]}`, `{"h":"x","n":[{"w":5,"i":"a"}]}`, `{"h":"x","n":[{"w":256,"i":"a"}]}`, `{"h":"x","n":[{"w":1,"i":"a","t":-9223372036854775808}]}`, `{"h":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := decodeNews(body); err == nil {
			require.LessOrEqual(t, len(n.Entries), maxNews)
			again, err := decodeNews(encode(saidNews, n)[1:])
			require.NoError(t, err)
			require.Equal(t, encode(saidNews, n), encode(saidNews, again))
		}
		if what, err := decodeFollow(body); err == nil {
			again, err := decodeFollow(encode(saidFollow, what)[1:])
			require.NoError(t, err)
			require.Equal(t, what, again)
		}
	})
}
