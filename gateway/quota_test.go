package gateway

import (
	"slices"
	"testing"
)

func FuzzQuotaNews(f *testing.F) {
	for _, n := range []quotaNews{{}, {conns: 7}, {conns: 1 << 40, come: []string{"chat", ""}, gone: []string{"news"}}} {
		f.Add(n.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var n, again quotaNews
		if n.parse(b) != nil {
			return
		}
		if err := again.parse(n.append(nil)); err != nil || again.conns != n.conns || !slices.Equal(again.come, n.come) || !slices.Equal(again.gone, n.gone) {
			t.Fatalf("%+v is read again as %+v, %v", n, again, err)
		}
	})
}
