package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestNamesOfProtocols(t *testing.T) {
	t.Run("names that no hub server has accepted cost nobody anything", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			silent := w.server(dial{silent: true})
			for i := range 100 {
				w.connectAs(gatewaytest.Options{ID: fmt.Sprint(i), Protocol: fmt.Sprint("junk", i)})
			}
			_ = silent.ws.Close()
			synctest.Wait()
			s := w.server(dial{id: "s2"})
			c := w.connectAs(gatewaytest.Options{ID: "x", Protocol: "mine"})
			s.next(sp.TypeOpenConnection)
			require.Nil(t, c.Conn.CloseRequested())
		})
	})
	t.Run("a hub has at most 64, and old ones make room", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			s.setOn(func(sp.Message) { s.send(sp.ClientCountPing(0, 0)) })
			for i := range 64 {
				w.connectAs(gatewaytest.Options{ID: fmt.Sprint(i), Protocol: fmt.Sprint("p", i)})
			}
			refused := w.connectAs(gatewaytest.Options{ID: "x", Protocol: "one-more"})
			require.Contains(t, refused.Got()[0], "The protocol 'one-more' is not supported.")
			other := w.server(dial{id: "s2", hub: "other"})
			c := gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "z", Hub: "other", Protocol: "one-more"})
			synctest.Wait()
			require.Nil(t, c.Conn.CloseRequested(), "other hubs have a room of their own")
			require.Len(t, other.take(sp.TypeOpenConnection), 1)
			time.Sleep(61 * time.Minute)
			last := w.connectAs(gatewaytest.Options{ID: "later", Protocol: "one-more"})
			require.Nil(t, last.Conn.CloseRequested())
		})
	})
}

func TestEmptyNamesOfGroups(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		w.connect("1", "ann")
		s.wantAck(sp.AckNotFound, 1, &sp.JoinGroupWithAck{ConnectionID: "1", AckID: 1})
		s.wantAck(sp.AckNotFound, 2, &sp.UserJoinGroupWithAck{User: "ann", AckID: 2})
		s.wantAck(sp.AckNotFound, 3, &sp.UserJoinGroupWithAck{Group: "g", AckID: 3})
		s.wantAck(sp.AckNotFound, 4, &sp.CheckGroupExistence{AckID: 4})
	})
}

func TestOrdinaryEndsAreNoLosses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		a, b := w.connect("1", ""), w.connect("2", "")
		s.setOn(func(m sp.Message) {
			if m, ok := m.(*sp.CloseConnection); ok {
				s.data(m.ConnectionID, call("", "too late"))
			}
		})
		a.Abort(gateway.Cause{Reason: gateway.CloseNormal})
		s.send(&sp.CloseConnection{ConnectionID: "2"})
		s.data("2", call("", "too late"))
		synctest.Wait()
		b.WantEnd(w.ctx())
		require.Zero(t, w.Stats().Lost[servermode.LossUnknownConnection])
		s.data("nobody", "x")
		synctest.Wait()
		require.EqualValues(t, 1, w.Stats().Lost[servermode.LossUnknownConnection])
	})
}

func TestAnInvocationIDThatIsInUse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		w.connect("1", "")
		for range 2 {
			s.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "s1", Payloads: question("i")})
		}
		time.Sleep(time.Second)
		require.Contains(t, s.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion).Error, "in use")
	})
}

func TestQuestionsInAnotherProtocol(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		packed := w.connectAs(gatewaytest.Options{ID: "1", Protocol: "messagepack"})
		s.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "s1", Payloads: question("i")})
		synctest.Wait()
		require.Len(t, packed.Got(), 2)
		require.Contains(t, packed.Got()[1], "\xa3ask")
	})
}

func TestARecordThatAMoveCutsInTwo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.server(dial{id: "old", level: 1})
		c := w.connectAs(gatewaytest.Options{ID: "1", Protocol: "messagepack"})
		next := w.server(dial{id: "next", level: 1})
		record := "\x0b\x95\x01\x80\xc0\xa4mess\x90\x90"
		old.data("1", record[:5])
		old.send(sp.ShutdownPing(sp.FinMigrate))
		synctest.Wait()
		require.Len(t, next.take(sp.TypeOpenConnection), 1)
		next.data("1", record)
		old.data("1", record[5:])
		synctest.Wait()
		require.Nil(t, c.Conn.CloseRequested())
		require.Equal(t, []string{"{}\x1e", record, record}, c.Got())
	})
}

func TestARefusalWithoutAnErrorNamesNone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mode = modes.Serverless
		w.server(dial{refused: true})
		require.Contains(t, w.log.String(), "server connection refused")
		require.NotContains(t, w.log.String(), "err=")
	})
}
