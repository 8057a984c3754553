package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever order connections come in, the page is the smallest ids behind the page before, and no
// more than a page is ever held.
func TestPageHoldsTheSmallestIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		page := Page{Max: r.IntN(12) - 1}
		if r.IntN(2) == 0 {
			page.After = fmt.Sprintf("%03d", r.IntN(200))
		}
		var want []string
		p := pageOf{page: page}
		for _, i := range r.Perm(r.IntN(200)) {
			id := fmt.Sprintf("%03d", i)
			p.add(Member{ID: id, User: "u" + id})
			require.LessOrEqual(t, len(p.members), max(page.Max, 0))
			if id > page.After {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		var got []string
		for _, m := range page.cut(p.members) {
			require.Equal(t, "u"+m.ID, m.User)
			got = append(got, m.ID)
		}
		require.True(t, slices.Equal(want[:min(len(want), max(page.Max, 0))], got), "%v behind %q, of %v", got, page.After, want)
	}
}

func TestNoPageIsLargerThanTheLargest(t *testing.T) {
	p := pageOf{page: Page{Max: 2 * MaxPage}}
	for i := range 2 * MaxPage {
		p.add(Member{ID: fmt.Sprintf("%06d", i)})
	}
	require.Len(t, p.members, MaxPage)
	require.Len(t, p.page.cut(make([]Member, 2*MaxPage)), MaxPage)
}

// BenchmarkPageOfALargeGroup measures a worker's part of one page of a group of 100 000.
func BenchmarkPageOfALargeGroup(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	members := make([]Member, 100_000)
	for i := range members {
		members[i].ID = fmt.Sprintf("%016x", r.Uint64())
	}
	for _, size := range []int{200, MaxPage} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				p := pageOf{page: Page{Max: size}}
				for _, m := range members {
					p.add(m)
				}
				p.page.cut(p.members)
			}
		})
	}
}
