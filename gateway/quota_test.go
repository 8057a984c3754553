package gateway

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// notedPeer notes what it is told of a quota.
type notedPeer struct{ news []quotaNews }

func (*notedPeer) Name() string  { return "b" }
func (*notedPeer) Full(int) bool { return false }
func (n *notedPeer) Send(message []byte) bool {
	var news quotaNews
	if err := news.parse(message); err != nil {
		panic(err)
	}
	slices.Sort(news.come)
	n.news = append(n.news, news)
	return true
}

func TestQuotaTellsWhatHasChanged(t *testing.T) {
	g := new(Gateway)
	g.hubs.init(g)
	q, b := &g.quota, new(notedPeer)
	q.g, q.stop = g, func() {}
	q.shares, q.hubs, q.told.hubs = make(map[Peer]*share), make(map[string]int), make(map[string]struct{})
	q.PeerUp(b)
	b.news = nil
	hubs := make(map[string]*hub)
	for _, name := range []string{"chat", "news", "idle"} {
		hubs[name] = &hub{key: name}
		g.hubs.hubs[name] = hubs[name]
	}
	told := func() []quotaNews {
		q.tell()
		news := b.news
		b.news = nil
		return news
	}
	require.Empty(t, told())
	g.conns.live.Store(3)
	hubs["chat"].live.Store(2)
	hubs["news"].live.Store(1)
	require.Equal(t, []quotaNews{{conns: 3, come: []string{"chat", "news"}}}, told())
	require.Empty(t, told())
	require.Zero(t, testing.AllocsPerRun(10, q.tell), "nothing has changed")
	hubs["chat"].live.Store(0)
	require.Equal(t, []quotaNews{{conns: 3, gone: []string{"chat"}}}, told())
	delete(g.hubs.hubs, "news")
	hubs["chat"].live.Store(1)
	require.Equal(t, []quotaNews{{conns: 3, come: []string{"chat"}, gone: []string{"news"}}}, told())
}

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
