package servermode_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func question(id string) sp.Payloads {
	return payload(`{"type":1,"invocationId":"` + id + `","target":"ask","arguments":[]}`)
}

func TestClientResults(t *testing.T) {
	t.Run("H70 the asker has the client", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			s.take(sp.TypeConnectionData)
			s.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "s1", Payloads: question("i")})
			synctest.Wait()
			require.Equal(t, 1, count(c, `"ask"`))
			require.NoError(t, c.Conn.Feed([]byte(completion("i", "5"))))
			synctest.Wait()
			require.Equal(t, completion("i", "5"), s.payloads("1"))
			s.send(&sp.ClientCompletion{InvocationID: "i", ConnectionID: "1", CallerServerID: "s1", Protocol: "json"})
			time.Sleep(time.Second)
			synctest.Wait()
			for _, none := range []sp.Type{sp.TypeClientInvocation, sp.TypeServiceMapping, sp.TypeClientCompletion, sp.TypeErrorCompletion} {
				require.Empty(t, s.take(none))
			}
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			time.Sleep(time.Second)
			require.Empty(t, s.take(sp.TypeErrorCompletion), "it was forgotten")
		})
	})
	for _, weak := range []bool{false, true} {
		name := "H71 another one has the client"
		if weak {
			name = "H73 management asks"
		}
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				owner := w.server(dial{id: "owner"})
				c := w.connect("1", "")
				d := dial{id: "asker"}
				if weak {
					d.kind = sp.KindWeak
				}
				asker := w.server(d)
				asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "asker", Payloads: question("i")})
				synctest.Wait()
				require.Equal(t, "i", owner.next(sp.TypeClientInvocation).(*sp.ClientInvocation).InvocationID)
				if weak {
					require.Empty(t, asker.take(sp.TypeServiceMapping))
				} else {
					require.Equal(t, &sp.ServiceMapping{InvocationID: "i", ConnectionID: "1", InstanceID: "node-a"}, asker.next(sp.TypeServiceMapping))
				}
				owner.take(sp.TypeConnectionData)
				require.NoError(t, c.Conn.Feed([]byte(completion("i", "5"))))
				synctest.Wait()
				require.Equal(t, completion("i", "5"), owner.payloads("1"))
				answer := &sp.ClientCompletion{InvocationID: "i", ConnectionID: "1", CallerServerID: "owner", Protocol: "json", Payload: []byte(completion("i", "5"))}
				owner.send(answer)
				synctest.Wait()
				got := asker.next(sp.TypeClientCompletion).(*sp.ClientCompletion)
				require.Equal(t, "asker", got.CallerServerID)
				require.Equal(t, answer.Payload, got.Payload)
				owner.send(answer)
				synctest.Wait()
				require.Empty(t, asker.take(sp.TypeClientCompletion), "once")
			})
		})
	}
	t.Run("H72 an unknown connection, a little later", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			s.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "x", CallerServerID: "s1", Payloads: question("i")})
			synctest.Wait()
			require.Empty(t, s.take(sp.TypeErrorCompletion))
			time.Sleep(150 * time.Millisecond)
			synctest.Wait()
			require.NotEmpty(t, s.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion).Error)
		})
	})
	t.Run("H72 the client leaves", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			owner := w.server(dial{id: "owner"})
			c := w.connect("1", "")
			asker := w.server(dial{id: "asker"})
			asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "asker", Payloads: question("i")})
			synctest.Wait()
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			time.Sleep(time.Second)
			synctest.Wait()
			require.Equal(t, "i", asker.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion).InvocationID)
			require.Empty(t, owner.take(sp.TypeErrorCompletion))
		})
	})
}

func TestClientResultsThatNeverCome(t *testing.T) {
	t.Run("nobody answers for ten minutes", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.ClientResult = 10 * time.Second
			s := w.server(dial{})
			w.connect("1", "")
			s.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "s1", Payloads: question("i")})
			time.Sleep(12 * time.Second)
			synctest.Wait()
			s.next(sp.TypeErrorCompletion)
		})
	})
	t.Run("a stranger's completion changes nothing", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.server(dial{id: "owner"})
			w.connect("1", "")
			asker, stranger := w.server(dial{id: "asker"}), w.server(dial{id: "x"})
			foreign := w.server(dial{id: "owner", hub: "other"})
			asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "asker", Payloads: question("i")})
			synctest.Wait()
			for _, s := range []*hubServer{stranger, foreign} {
				s.send(&sp.ClientCompletion{InvocationID: "i", ConnectionID: "1", Protocol: "json", Payload: []byte("x")}, &sp.ErrorCompletion{InvocationID: "i"})
			}
			time.Sleep(time.Second)
			require.Empty(t, asker.take(sp.TypeClientCompletion))
			require.Empty(t, asker.take(sp.TypeErrorCompletion))
		})
	})
}

// A client that is asked and then goes to another hub server still answers: its new hub server
// knows of the question.
func TestAQuestionOutlivesTheHubServerOfTheClient(t *testing.T) {
	for name, leave := range map[string]func(old *hubServer){
		"it leaves":  func(old *hubServer) { old.send(sp.ShutdownPing(sp.FinMigrate)) },
		"it is lost": func(old *hubServer) { _ = old.ws.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.limits.Grace = 10 * time.Second
				old, next, c := pair(w)
				asker := w.server(dial{id: "asker", kind: sp.KindWeak})
				asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "asker", Payloads: question("i")})
				synctest.Wait()
				leave(old)
				time.Sleep(time.Second)
				synctest.Wait()
				told := next.next(sp.TypeClientInvocation).(*sp.ClientInvocation)
				require.Equal(t, "i", told.InvocationID)
				require.Equal(t, "asker", told.CallerServerID)
				next.take(sp.TypeConnectionData)
				require.NoError(t, c.Conn.Feed([]byte(completion("i", "5"))))
				synctest.Wait()
				require.Equal(t, completion("i", "5"), next.payloads("1"))
				next.send(&sp.ClientCompletion{InvocationID: "i", ConnectionID: "1", CallerServerID: "next", Protocol: "json", Payload: []byte(completion("i", "5"))})
				synctest.Wait()
				require.Equal(t, "asker", asker.next(sp.TypeClientCompletion).(*sp.ClientCompletion).CallerServerID)
			})
		})
	}
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

// Clients of webhooks have no hub server: they answer the gateway.
func TestH73ManagementAsksAClientOfWebhooks(t *testing.T) {
	ask := func(t *testing.T, w *world, protocol string) (*hubServer, *gatewaytest.Client) {
		w.mode = modes.Serverless
		c := gatewaytest.Connect(t, w.gw, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: protocol})
		asker := w.server(dial{id: "asker", kind: sp.KindWeak})
		asker.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "asker", Payloads: question("i")})
		synctest.Wait()
		return asker, c
	}
	for _, protocol := range []string{"json", "messagepack"} {
		t.Run(protocol, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				asker, c := ask(t, w, protocol)
				require.Equal(t, 1, count(c, "ask"))
				answer := hubprotocol.AppendCompletion(nil, protocol, "i")
				require.NoError(t, c.Feed(answer))
				synctest.Wait()
				require.Equal(t, &sp.ClientCompletion{InvocationID: "i", ConnectionID: "1", CallerServerID: "asker", Protocol: protocol, Payload: answer},
					asker.next(sp.TypeClientCompletion))
				require.Empty(t, asker.take(sp.TypeServiceMapping))
				require.Zero(t, servermode.Waiting(w.Backend))
			})
		})
	}
	t.Run("the client leaves", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			asker, c := ask(t, w, "json")
			c.Leave()
			time.Sleep(time.Second)
			synctest.Wait()
			require.Contains(t, asker.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion).Error, "closed before the client answered")
			require.Zero(t, servermode.Waiting(w.Backend))
		})
	})
	t.Run("the client says nothing, and then too late", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.ClientResult = 5 * time.Second
			asker, c := ask(t, w, "json")
			time.Sleep(8 * time.Second)
			synctest.Wait()
			require.Contains(t, asker.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion).Error, "did not answer in time")
			_ = c.Feed([]byte(completion("i", "5")))
			synctest.Wait()
			require.Empty(t, asker.take(sp.TypeClientCompletion))
		})
	})
}
