package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

const lostCall = "The connection to the hub server that was handling the invocation was lost."

func TestAspNetServerLost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.aspnetServer(dial{})
		a := w.aspnet(aspnetOptions{id: "1"})
		second := w.aspnetServer(dial{})
		b := w.aspnet(aspnetOptions{id: "2"})
		_ = first.ws.Close()
		a.wantEnd(gateway.CloseServerConnectionClosed, "The connection to the hub server was lost.")
		require.Nil(t, b.conn.CloseRequested(), "others are untouched")
		require.NoError(t, second.end())
	})
}

// With the grace period a client keeps its transport and its groups, and gets another connection.
func TestAspNetRehoming(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.Grace = 10 * time.Second
		old := w.aspnetServer(dial{id: "s1"})
		c := w.aspnet(aspnetOptions{id: "1", user: "ann"})
		next := w.aspnetServer(dial{id: "s2"})
		first := old.wantOpened("1")
		old.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: "1", Group: "hg-Chat.g", AckID: 1})
		c.say(aspnetCall("0", "answered"))
		old.tell("1", aspnetResult("0", "1"))
		c.say(aspnetCall("1", "open"))
		c.say(`{"H":"chat","M":"send","A":[]}`)
		c.wantFrames(initFrame, aspnetResult("0", "1"))

		_ = old.ws.Close()
		again := next.wantOpened("1")
		require.Equal(t, first, again, "it is a new client there")
		c.wantFrames(aspnetError("1", lostCall))
		next.wantNothing() // nothing is sent a second time

		c.say(aspnetCall("2", "x"))
		require.Equal(t, aspnetCall("2", "x"), next.payloads("1"))
		next.send(&sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("group"))})
		next.tell("1", aspnetResult("2", "2"))
		c.wantFrames(busFrame("group"), aspnetResult("2", "2"))
		stats := w.Stats()
		require.EqualValues(t, 1, stats.Recovered)
		require.EqualValues(t, 1, stats.Lost[servermode.LossServerGone])
		require.Nil(t, c.conn.CloseRequested())

		c.leave()
		next.wantClosed("1")
	})
}

// Another connection of the same process takes it after a moment, in which the process ends its own
// clients of the lost one.
func TestAspNetRehomingWithinAProcess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.Grace = 10 * time.Second
		old := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		next := w.aspnetServer(dial{})
		_ = old.ws.Close()
		time.Sleep(150 * time.Millisecond)
		next.wantNothing()
		c.say(aspnetCall("0", "waits"))
		time.Sleep(150 * time.Millisecond)
		next.wantOpened("1")
		require.Equal(t, aspnetCall("0", "waits"), next.payloads("1"))
	})
}

func TestAspNetRehomingInVain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.Grace = 10 * time.Second
		old := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		w.aspnetServer(dial{hub: "other_other"})
		_ = old.ws.Close()
		time.Sleep(12 * time.Second)
		c.wantEnd(gateway.CloseServerConnectionClosed, "The connection to the hub server was lost.")
	})
}

// A client that comes back while it waits for a hub server is new for the next one anyway.
func TestAspNetComesBackWhileItWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.Grace = 10 * time.Second
		old := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		_ = old.ws.Close()
		synctest.Wait()
		c.conn.Session().(gateway.Returner).Returned()
		next := w.aspnetServer(dial{id: "s2"})
		time.Sleep(time.Second)
		next.wantOpened("1")
		next.wantNothing()
	})
}

// The process still has the client from the lost connection: it is asked again until it has ended it.
func TestH88RehomingTooEarly(t *testing.T) {
	for _, c := range []struct {
		name  string
		busy  time.Duration // how long the process still has the client
		taken bool
	}{{"it is taken later", 5 * time.Second, true}, {"it is never taken", time.Hour, false}} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.limits.Grace = time.Minute
				old := w.aspnetServer(dial{})
				client := w.aspnet(aspnetOptions{id: "1"})
				taken := time.Now().Add(c.busy)
				next := w.aspnetServer(dial{on: func(s *hubServer, m sp.Message) {
					if open, ok := m.(*sp.OpenConnection); ok && time.Now().Before(taken) {
						s.send(&sp.CloseConnection{ConnectionID: open.ConnectionID, Error: "Duplicate connection ID " + open.ConnectionID})
					}
				}})
				_ = old.ws.Close()
				time.Sleep(20 * time.Second)
				synctest.Wait()
				require.Greater(t, w.Stats().Lost[servermode.LossDuplicate], uint64(10))
				if !c.taken {
					client.wantEnd(gateway.CloseServerConnectionClosed, "The connection to the hub server was lost.")
					return
				}
				next.forget()
				client.say(aspnetCall("0", "x"))
				require.Equal(t, aspnetCall("0", "x"), next.payloads("1"))
				next.tell("1", aspnetResult("0", "1"))
				client.wantFrames(initFrame, aspnetResult("0", "1"))
				require.Equal(t, 1, w.Stats().Hubs[0].Clients)
			})
		})
	}
}

// A client that may be on one hub server only waits for that one.
func TestAspNetStickiness(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.Grace = 10 * time.Second
		own, other := w.aspnetServer(dial{id: "own"}), w.aspnetServer(dial{id: "other"})
		sticky := gateway.Identity{TokenClaims: []gateway.Claim{{Type: "asrs.s.sn", Value: "own"}, {Type: "asrs.s.ssticky", Value: "Required"}}}
		for i := range 3 {
			w.aspnet(aspnetOptions{id: fmt.Sprint(i), identity: sticky})
		}
		require.Len(t, own.take(sp.TypeOpenConnection), 3)
		_ = own.ws.Close()
		time.Sleep(time.Second)
		other.wantNothing()
		require.Zero(t, w.gw.Connections("aspnet:app"), "nobody else may have them")
	})
}

func TestAspNetChoiceOfAConnection(t *testing.T) {
	count := func(s *hubServer) int { return len(s.take(sp.TypeOpenConnection)) }
	inWorld(t, func(t *testing.T, w *world) {
		hub := w.aspnetServer(dial{hub: "app_chat"})
		weak := w.aspnetServer(dial{kind: sp.KindWeak, hub: "app_app"})
		weakHub := w.aspnetServer(dial{kind: sp.KindWeak, hub: "app_news"})
		w.aspnet(aspnetOptions{id: "1"})
		require.Equal(t, 1, count(hub), "without one of the application's, any that is not Weak")
		a, b := w.aspnetServer(dial{}), w.aspnetServer(dial{id: "s2"})
		demand := w.aspnetServer(dial{kind: sp.KindOnDemand, query: "&target=node-a"})
		for i := range 6 {
			w.aspnet(aspnetOptions{id: fmt.Sprint("a", i)})
		}
		require.Equal(t, []int{2, 2, 2}, []int{count(a), count(b), count(demand)}, "those of the application")
		for _, s := range []*hubServer{a, b, demand, hub} {
			s.send(sp.ShutdownPing(sp.FinPlain))
			synctest.Wait()
			require.True(t, s.next(sp.TypePing).(*sp.Ping).FinAck())
		}
		w.aspnet(aspnetOptions{id: "w1"})
		w.aspnet(aspnetOptions{id: "w2"})
		require.Equal(t, 2, count(weak), "as the last resort, and those of the application first here too")
		require.Zero(t, count(weakHub)+count(a)+count(b)+count(hub))
	})
}

// A connection of the application whose queue is full is passed over.
func TestAspNetConnectionsWithRoom(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.QueueBytes, w.limits.Grace = 1<<10, time.Minute
		gate := make(chan struct{})
		app := w.aspnetServer(dial{on: func(_ *hubServer, m sp.Message) {
			if m.Type() == sp.TypeConnectionData {
				<-gate // it reads nothing more
			}
		}})
		hub := w.aspnetServer(dial{hub: "app_chat"})
		full := w.aspnet(aspnetOptions{id: "1"})
		app.wantOpened("1")
		full.say(aspnetCall("0", "x"))
		for i := range 400 {
			w.aspnet(aspnetOptions{id: fmt.Sprint("c", i)})
		}
		require.NotEmpty(t, hub.take(sp.TypeOpenConnection))
		close(gate)
		synctest.Wait()
	})
}

// The names of an application and of a hub may both have underscores.
func TestAspNetBorders(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		// Application my_app with hub chat, and application my with hub app_chat.
		mine, short := w.aspnetServer(dial{id: "s1", hub: "my_app_my_app"}), w.aspnetServer(dial{id: "s2", hub: "my_my"})
		long := w.aspnet(aspnetOptions{id: "1", app: "my_app"})
		brief := w.aspnet(aspnetOptions{id: "2", app: "my", hubs: []string{"app_chat"}})
		mine.wantOpened("1")
		short.wantOpened("2")
		of1, of2 := w.aspnetServer(dial{id: "s1", hub: "my_app_chat"}), w.aspnetServer(dial{id: "s2", hub: "my_app_chat"})
		stranger := w.aspnetServer(dial{id: "s3", hub: "my_app_chat"})
		of1.broadcast("1")
		of2.broadcast("2")
		long.wantFrames(initFrame, busFrame("1"))
		brief.wantFrames(initFrame, busFrame("2"))
		stranger.broadcast("3")
		long.wantFrames(busFrame("3"))
		brief.wantFrames(busFrame("3"))

		of1.forget()
		of1.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: "1", Group: "hg-chat.g", AckID: 1})
		of1.wantAck(sp.AckNotFound, 2, &sp.JoinGroupWithAck{ConnectionID: "2", Group: "hg-chat.g", AckID: 2})
		stranger.forget()
		stranger.wantAck(sp.AckOK, 3, &sp.JoinGroupWithAck{ConnectionID: "2", Group: "hg-chat.g", AckID: 3})
		stranger.wantAck(sp.AckNotFound, 4, &sp.JoinGroupWithAck{ConnectionID: "nobody", Group: "hg-chat.g", AckID: 4})

		stats := w.Stats()
		total := 0
		for _, h := range stats.Hubs {
			total += h.Default
		}
		require.Equal(t, 5, total, "each counts once")
		seen := 0
		w.Each(func(servermode.ServerConnection) { seen++ })
		require.Equal(t, 5, seen)

		// One whose place is not known gets no clients.
		_ = short.ws.Close()
		_ = of2.ws.Close()
		synctest.Wait()
		last := w.aspnet(aspnetOptions{id: "3", app: "my", hubs: []string{"app_chat"}})
		last.wantEnd(gateway.CloseNoAvailableServerConnection, "No hub server is connected that could take the client. Please try again later.")
	})
}

// A hub server whose connections of its own are lost for a moment still is of its application.
func TestAspNetBordersAreRemembered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mine := w.aspnetServer(dial{id: "s1", hub: "my_app_my_app"})
		w.aspnetServer(dial{id: "s2", hub: "my_my"})
		brief := w.aspnet(aspnetOptions{id: "1", app: "my", hubs: []string{"app_chat"}})
		hub := w.aspnetServer(dial{id: "s1", hub: "my_app_chat"})
		hub.broadcast("1")
		_ = mine.ws.Close()
		synctest.Wait()
		hub.broadcast("2")
		hub.send(&sp.CloseConnection{ConnectionID: "1", Error: "x"})
		brief.wantFrames(initFrame)
		require.Nil(t, brief.conn.CloseRequested())

		// It may have another one besides from now on.
		w.aspnetServer(dial{id: "s1", hub: "my_my"})
		hub.broadcast("3")
		brief.wantFrames(busFrame("3"))
	})
}

func TestAspNetBordersOfNames(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for hub, app := range map[string]string{
			"chathub_chathub": "chathub", "my.app.startup_chathub": "my.app.startup", "app_1_chat": "app_1", "a_a_a_a": "a_a", "a__b": "a_", "a_b_": "a",
		} {
			s := w.aspnetServer(dial{hub: hub, id: hub})
			w.aspnet(aspnetOptions{id: hub, app: app})
			s.wantOpened(hub)
		}
	})
}

// fin:1 moves clients where they are kept at all.
func TestAspNetServerThatLeaves(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = grace
			old := w.aspnetServer(dial{id: "s1"})
			c := w.aspnet(aspnetOptions{id: "1"})
			next := w.aspnetServer(dial{id: "s2"})
			old.wantOpened("1")
			c.say(aspnetCall("0", "slow"))
			old.forget()
			old.send(sp.ShutdownPing(sp.FinMigrate))
			synctest.Wait()
			require.True(t, old.next(sp.TypePing).(*sp.Ping).FinAck())
			c.say(aspnetCall("1", "meanwhile"))
			old.tell("1", aspnetResult("0", "1"))
			c.wantFrames(initFrame, aspnetResult("0", "1"))
			if grace == 0 {
				require.Equal(t, aspnetCall("1", "meanwhile"), old.payloads("1"), "it stays")
				_ = old.ws.Close()
				c.wantEnd(gateway.CloseServerConnectionClosed, "The connection to the hub server was lost.")
				return
			}
			old.wantClosed("1")
			next.wantOpened("1")
			require.Equal(t, aspnetCall("1", "meanwhile"), next.payloads("1"))
			old.tell("1", bus("late"))
			old.tell("1", aspnetResult("1", "9"))
			next.tell("1", aspnetResult("1", "2"))
			c.wantFrames(busFrame("late"), aspnetResult("1", "2"))
			require.EqualValues(t, 1, w.Stats().Lost[servermode.LossLateCompletion])
		})
	}
}

func TestAspNetPings(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		app, hub := w.aspnetServer(dial{}), w.aspnetServer(dial{hub: "app_chat", id: "s2"})
		w.aspnetServer(dial{hub: "app_chat", id: "s3"})
		other := w.aspnetServer(dial{hub: "other_other", id: "s4"})
		status := func(s *hubServer) bool {
			s.take(sp.TypePing)
			s.send(sp.StatusQuestionPing())
			synctest.Wait()
			active, ok := s.next(sp.TypePing).(*sp.Ping).Status()
			require.True(t, ok)
			return active
		}
		require.False(t, status(app))
		w.aspnet(aspnetOptions{id: "1"})
		require.True(t, status(app))
		require.True(t, status(hub), "the clients of the application are those of all its connections")
		require.False(t, status(other))

		hub.send(sp.ServersQuestionPing())
		synctest.Wait()
		_, ids, ok := hub.next(sp.TypePing).(*sp.Ping).Servers()
		require.True(t, ok)
		require.Equal(t, []string{"s2", "s3"}, ids, "those of the same hub")

		hub.send(sp.EchoPing("x"))
		synctest.Wait()
		require.True(t, hub.next(sp.TypePing).(*sp.Ping).Echo())

		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.GreaterOrEqual(t, len(app.take(sp.TypePing)), 2)
		time.Sleep(12 * time.Second)
		synctest.Wait()
		require.Error(t, app.end(), "it was silent")
		require.EqualValues(t, 4, w.Stats().Ended[servermode.EndSilent])
	})
}

// When the gateway ends, hub servers hear of each client's end before their connections end.
func TestAspNetTheGatewayEnds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		away := w.aspnet(aspnetOptions{id: "2"})
		away.lose()
		s.forget()
		require.NoError(t, w.gw.Drain(t.Context()))
		require.Equal(t, gateway.CloseServiceReload, c.conn.CloseRequested().Reason)
		synctest.Wait()
		require.Len(t, s.take(sp.TypeCloseConnection), 2)
		require.NoError(t, s.end())
	})
}

// A client that stays away is ended at its hub server too.
func TestAspNetAClientThatStaysAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{on: func(s *hubServer, m sp.Message) {
			if m.Type() == sp.TypePing {
				s.send(&sp.Ping{})
			}
		}})
		c := w.aspnet(aspnetOptions{id: "1"})
		s.forget()
		c.lose()
		time.Sleep(29 * time.Second)
		require.Empty(t, s.take(sp.TypeCloseConnection))
		time.Sleep(3 * time.Second)
		s.wantClosed("1")
		require.Equal(t, gateway.CloseDisconnectTimeout, c.conn.CloseRequested().Reason)
	})
}

func TestAspNetServersInLogsAndStats(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.aspnetServer(dial{hub: "App_Chat", agent: "Microsoft.Azure.SignalR.AspNet/1.25.1"})
		w.aspnet(aspnetOptions{id: "1"})
		require.Contains(t, w.log.String(), "hub=aspnet:app server=s1 cid=c1 serves=app_chat kind=Default")
		require.Equal(t, []servermode.HubStats{{Hub: "aspnet:app", Default: 1, Clients: 1}}, w.Stats().Hubs)
		w.Each(func(s servermode.ServerConnection) {
			require.Equal(t, "aspnet:app", s.Hub)
			require.Equal(t, "Default", s.Kind)
			require.Equal(t, "Microsoft.Azure.SignalR.AspNet/1.25.1", s.Agent)
		})
	})
}
