package clustertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
)

func TestNetIsACarrier(t *testing.T) {
	net := clustertest.NewNet(64 << 10)
	clustertest.TestCarrier(t, func(_ *testing.T, n int) (list []cluster.Carrier) {
		for range n {
			list = append(list, net.Carrier())
		}
		return list
	})
	net.Wait()
}

func TestFaultsOfANet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := clustertest.NewNet(1 << 10)
		a, b := cluster.NewInc("a"), cluster.NewInc("b")
		var heard []string
		var absent int
		began := time.Now()
		from, to := net.Carrier(), net.Carrier()
		_, err := from.Open(a, func(_ cluster.Inc, packet []byte) {
			if packet == nil {
				absent++
			}
		})
		require.NoError(t, err)
		_, err = to.Open(b, func(_ cluster.Inc, packet []byte) {
			heard = append(heard, time.Since(began).String()+" "+string(packet))
		})
		require.NoError(t, err)
		say := func(text string) { require.NoError(t, from.Send(b, []byte(text))) }
		require.Error(t, from.Send(b, make([]byte, 2<<10)))

		say("one")
		synctest.Wait()
		net.Set("a", "b", func(f *clustertest.Fault) { f.Delay = time.Second })
		say("slow")
		time.Sleep(2 * time.Second)
		net.Set("a", "b", func(f *clustertest.Fault) { f.Delay, f.Lose = 0, 2 })
		say("lost")
		say("lost too")
		say("two")
		synctest.Wait()
		net.Set("", "b", func(f *clustertest.Fault) { f.Cut = true })
		say("cut")
		net.Heal()
		net.Between("a", "b", func(f *clustertest.Fault) { f.Held = true })
		say("held")
		time.Sleep(time.Second)
		net.Heal()
		synctest.Wait()
		require.Equal(t, []string{"0s one", "1s slow", "2s two", "3s held"}, heard)

		net.TellsAbsence.Store(true)
		net.Kill("b")
		say("to a dead one")
		synctest.Wait()
		require.Equal(t, 1, absent)
		require.Error(t, to.Send(a, nil))
		require.Equal(t, 4, net.Sum("a", "b").Lost)
		require.Equal(t, 8, net.Sum("", "").Packets)
	})
}
