package restapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

const send = "/:send"

func TestSends(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	a, b := f.connect("chat", "a", "ann"), f.connect("chat", "b", "bob")
	packed := gatewaytest.Connect(t, f.gateway, gatewaytest.Options{Hub: "chat", ID: "p", User: "ann", Protocol: "messagepack"})
	other := f.connect("other", "o", "ann")
	f.do("PUT", "/api/hubs/chat/groups/red/connections/a", "").wantStatus(200)
	f.do("PUT", "/api/hubs/chat/groups/red/connections/b", "").wantStatus(200)
	json := func(target string) string { return `{"target":"` + target + `","arguments":[1]}` }

	t.Run("R22 broadcast reaches both protocols, not the excluded", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/:send?excluded=b&excluded=nobody", json("r22")).wantStatus(202)
		a.Want(ctx, `{"type":1,"target":"r22","arguments":[1]}`+"\x1e")
		packed.Want(ctx, "\xa3r22\x91\x01")
		f.settled(ctx, b, other)
		b.WantNone("r22")
		other.WantNone("r22")
	})
	t.Run("R22 the same in v1", func(t *testing.T) {
		f.do("POST", "/api/v1/hubs/chat?excluded=a", json("v1r22")).wantStatus(202)
		b.Want(ctx, "v1r22")
		packed.Want(ctx, "v1r22")
		f.settled(ctx, a)
		a.WantNone("v1r22")
	})
	t.Run("R23 octet-stream reaches each protocol as it is", func(t *testing.T) {
		body := unhex(t, octetBody)
		f.do("POST", "/api/hubs/chat/:send", body, with("Content-Type", "application/octet-stream")).wantStatus(202)
		a.Want(ctx, `{"type":1,"target":"newMessage","arguments":["hi"]}`+"\x1e")
		packed.Want(ctx, body[len(body)-21:])
	})
	t.Run("R23 D11 octet-stream of one protocol is converted for the other", func(t *testing.T) {
		frame := `{"type":1,"target":"d11","arguments":[]}` + "\x1e"
		jsonOnly := "\x81\xa4json\xc4" + string([]byte{byte(len(frame))}) + frame
		f.do("POST", "/api/hubs/chat/:send", jsonOnly, with("Content-Type", "application/octet-stream")).wantStatus(202)
		packed.Want(ctx, "\xa3d11\x90")
	})
	t.Run("R24 JSON for a MessagePack client keeps integers and the order of members", func(t *testing.T) {
		f.do("POST", "/api/hubs/chat/users/ann/:send", `{"target":"r24","arguments":[7,{"z":1,"a":{"y":-1}},1.5]}`).wantStatus(202)
		packed.Want(ctx, "\xa3r24\x93\x07\x82\xa1z\x01\xa1a\x81\xa1y\xff\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00")
	})
	t.Run("x-msgpack reaches both protocols", func(t *testing.T) {
		body := strings.Replace(unhex(t, msgpackBody), "newMessage", "newPackage", 1)
		f.do("POST", "/api/hubs/chat/:send", body, with("Content-Type", "application/x-msgpack")).wantStatus(202)
		a.Want(ctx, `"newPackage","arguments":["hi"]`)
		packed.Want(ctx, "newPackage\x91\xa2hi")
	})
	for name, tc := range map[string]struct {
		target         string
		wanted, others []*gatewaytest.Client
	}{
		"user":            {"/api/hubs/chat/users/ann/:send", []*gatewaytest.Client{a, packed}, []*gatewaytest.Client{b, other}},
		"v1 user":         {"/api/v1/hubs/chat/users/bob", []*gatewaytest.Client{b}, []*gatewaytest.Client{a, other}},
		"connection":      {"/api/hubs/chat/connections/b/:send", []*gatewaytest.Client{b}, []*gatewaytest.Client{a, other}},
		"v1 connection":   {"/api/v1/hubs/chat/connections/a", []*gatewaytest.Client{a}, []*gatewaytest.Client{b, other}},
		"group":           {"/api/hubs/chat/groups/red/:send?Excluded=a", []*gatewaytest.Client{b}, []*gatewaytest.Client{a, other}},
		"v1 group":        {"/api/v1/hubs/chat/groups/red?excluded=b", []*gatewaytest.Client{a}, []*gatewaytest.Client{b, other}},
		"another hub":     {"/api/hubs/OTHER/users/ann/:send", []*gatewaytest.Client{other}, []*gatewaytest.Client{a, b}},
		"user in no case": {"/api/hubs/chat/users/ANN/:send", nil, []*gatewaytest.Client{a, b, other}},
	} {
		t.Run("R38 send to "+name+" is 202", func(t *testing.T) {
			marker := "to-" + strings.ReplaceAll(name, " ", "-") + "."
			f.do("POST", tc.target, json(marker)).wantStatus(202)
			for _, c := range tc.wanted {
				c.Want(ctx, marker)
			}
			f.settled(ctx, tc.others...)
			for _, c := range tc.others {
				c.WantNone(marker)
			}
		})
	}
	t.Run("R25 unknown targets", func(t *testing.T) {
		before := f.gateway.Stats()
		for _, target := range []string{
			"/api/hubs/nohub/:send", "/api/hubs/chat/users/x/:send", "/api/hubs/chat/connections/x/:send", "/api/hubs/chat/groups/x/:send",
			"/api/v1/hubs/nohub", "/api/v1/hubs/nohub/groups/x", "/api/v1/hubs/chat/connections/x", "/api/v1/hubs/chat/users/x",
		} {
			f.do("POST", target, helloJSON).wantStatus(202)
		}
		require.Len(t, f.gateway.Stats().Hubs, len(before.Hubs), "a hub was created")
	})
}

// Frames of an octet-stream body are the body's own bytes: nothing may reuse
// them while a client has yet to take them.
func TestWaitingMessagesStayAsTheyAre(t *testing.T) {
	f := newFixture(t)
	stalled := gatewaytest.Connect(t, f.gateway, gatewaytest.Options{Hub: "chat", ID: "s", Stalled: true})
	binary := []edit{with("Content-Type", "application/octet-stream")}
	const rounds = 20
	for i := range rounds {
		frame := fmt.Sprintf(`{"type":1,"target":"binary%02d","arguments":[]}`+"\x1e", i)
		body := "\x81\xa4json\xc4" + string([]byte{byte(len(frame))}) + frame
		f.do("POST", "/api/hubs/chat/:send", body, binary...).wantStatus(202)
		f.do("POST", "/api/hubs/chat/:send", `{"target":"0123456789012345678901234567890123456789"}`).wantStatus(202)
	}
	stalled.Unstall()
	f.settled(t.Context(), stalled)
	got := strings.Join(stalled.Got(), "")
	for i := range rounds {
		require.Contains(t, got, fmt.Sprintf(`"binary%02d"`, i))
	}
}

func TestExistence(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	a := f.connect("chat", "a", "ann")
	for _, tc := range []struct{ row, dated, v1, code string }{
		{"R26 connection", "/api/hubs/chat/connections/", "/api/v1/hubs/chat/connections/", "Warning.Connection.NotExisted"},
		{"R26 user", "/api/hubs/chat/users/", "/api/v1/hubs/chat/users/", "Warning.User.NotExisted"},
		{"R26 group", "/api/hubs/chat/groups/", "/api/v1/hubs/chat/groups/", "Warning.Group.NotExisted"},
	} {
		t.Run(tc.row, func(t *testing.T) {
			id := map[string]string{"R26 connection": "a", "R26 user": "ann", "R26 group": "red"}[tc.row]
			f.do("PUT", "/api/hubs/chat/groups/red/connections/a", "").wantStatus(200)
			for _, prefix := range []string{tc.dated, tc.v1} {
				for _, method := range []string{"GET", "HEAD"} {
					yes := f.do(method, prefix+id, "")
					yes.wantStatus(200)
					require.Empty(t, yes.body)
					f.do(method, prefix+"nope", "").wantError(404, tc.code)
				}
			}
		})
	}
	t.Run("R27 user in group", func(t *testing.T) {
		for _, target := range []string{
			"/api/hubs/chat/users/ann/groups/red", "/api/v1/hubs/chat/groups/red/users/ann", "/api/v1/hubs/chat/users/ann/groups/red",
		} {
			for _, method := range []string{"GET", "HEAD"} {
				f.do(method, target, "").wantStatus(200)
				f.do(method, strings.Replace(target, "red", "blue", 1), "").wantError(404, "Info.User.NotInGroup")
			}
		}
	})
	t.Run("R31 a group without members does not exist", func(t *testing.T) {
		group := "/api/hubs/chat/groups/lonely"
		f.do("HEAD", group, "").wantError(404, "Warning.Group.NotExisted")
		f.do("PUT", group+"/connections/a", "").wantStatus(200)
		f.do("HEAD", group, "").wantStatus(200)
		f.do("DELETE", group+"/connections/a", "").wantStatus(200)
		f.do("HEAD", group, "").wantError(404, "Warning.Group.NotExisted")
		f.do("PUT", group+"/connections/a", "").wantStatus(200)
		f.do("DELETE", "/api/hubs/chat/connections/a", "").wantStatus(200)
		a.WantEnd(ctx)
		f.do("HEAD", group, "").wantError(404, "Warning.Group.NotExisted")
		f.do("HEAD", "/api/hubs/chat/users/ann", "").wantError(404, "Warning.User.NotExisted")
	})
}

func TestConnectionsInGroups(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	a := f.connect("chat", "a", "ann")
	t.Run("R28 unknown connections", func(t *testing.T) {
		f.do("PUT", "/api/hubs/chat/groups/g/connections/x", "").wantError(404, "Error.Connection.NotExisted")
		f.do("DELETE", "/api/hubs/chat/groups/g/connections/x", "").wantStatus(200)
		f.do("DELETE", "/api/hubs/chat/groups/g/connections/a", "").wantStatus(200)
		for _, target := range []string{"/api/v1/hubs/chat/groups/g/connections/", "/api/v1/hubs/chat/connections/x/groups/g"} {
			target, isAlias := strings.CutSuffix(target, "x/groups/g")
			suffix := map[bool]string{true: "/groups/g"}[isAlias]
			f.do("PUT", target+"x"+suffix, "").wantError(404, "Error.Connection.NotExisted")
			f.do("DELETE", target+"x"+suffix, "").wantError(404, "Error.Connection.NotExisted")
			f.do("PUT", target+"a"+suffix, "").wantStatus(200)
			f.do("GET", "/api/hubs/chat/groups/g", "").wantStatus(200)
			f.do("DELETE", target+"a"+suffix, "").wantStatus(200)
			f.do("GET", "/api/hubs/chat/groups/g", "").wantStatus(404)
		}
	})
	t.Run("R36 out of all groups", func(t *testing.T) {
		f.do("PUT", "/api/hubs/chat/groups/g1/connections/a", "").wantStatus(200)
		f.do("PUT", "/api/hubs/chat/groups/g2/connections/a", "").wantStatus(200)
		f.do("DELETE", "/api/hubs/chat/connections/a/groups", "").wantStatus(200)
		f.do("GET", "/api/hubs/chat/groups/g1", "").wantStatus(404)
		f.do("GET", "/api/hubs/chat/groups/g2", "").wantStatus(404)
		f.do("DELETE", "/api/hubs/chat/connections/unknown/groups", "").wantStatus(200)
	})
	t.Run("R37 joining twice delivers once", func(t *testing.T) {
		for range 2 {
			f.do("PUT", "/api/hubs/chat/groups/twice/connections/a", "").wantStatus(200)
			f.do("PUT", "/api/hubs/chat/users/ann/groups/twice", "").wantStatus(200)
		}
		f.do("POST", "/api/hubs/chat/groups/twice"+send, `{"target":"once"}`).wantStatus(202)
		f.settled(ctx, a)
		require.Equal(t, 1, strings.Count(strings.Join(a.Got(), ""), "once"))
	})
	t.Run("names are case-sensitive", func(t *testing.T) {
		f.do("PUT", "/api/hubs/chat/groups/Case/connections/a", "").wantStatus(200)
		f.do("GET", "/api/hubs/CHAT/groups/Case", "").wantStatus(200)
		f.do("GET", "/api/hubs/chat/groups/case", "").wantStatus(404)
		f.do("GET", "/api/hubs/chat/connections/A", "").wantStatus(404)
	})
}

func TestCloses(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	t.Run("R29 D4 with a reason, and again", func(t *testing.T) {
		a := f.connect("chat", "a", "ann")
		f.do("DELETE", "/api/hubs/chat/connections/a?Reason=go+away%21", "").wantStatus(200)
		a.Want(ctx, `{"type":7,"error":"go away!"`)
		cause := a.WantEnd(ctx)
		require.Equal(t, gateway.CloseClosedByAppServer, cause.Reason)
		require.False(t, cause.AllowReconnect)
		a.WantNone("allowReconnect")
		f.do("DELETE", "/api/hubs/chat/connections/a", "").wantError(404, "Warning.Connection.NotExisted")
	})
	t.Run("R38 v1 answers 202 whether it exists or not", func(t *testing.T) {
		b := f.connect("chat", "b", "")
		f.do("DELETE", "/api/v1/hubs/chat/connections/b?reason=v1", "").wantStatus(202)
		b.Want(ctx, `"error":"v1"`)
		f.do("DELETE", "/api/v1/hubs/chat/connections/b", "").wantStatus(202)
	})
	for name, target := range map[string]string{
		"hub": "/api/hubs/chat/:closeConnections", "group": "/api/hubs/chat/groups/g/:closeConnections",
		"user": "/api/hubs/chat/users/u/:closeConnections",
	} {
		t.Run("R30 all of a "+name+" but the excluded", func(t *testing.T) {
			ids := []string{name + "1", name + "2", name + "3"}
			var clients []*gatewaytest.Client
			for _, id := range ids {
				clients = append(clients, f.connect("chat", id, "u"))
				f.do("PUT", "/api/hubs/chat/groups/g/connections/"+id, "").wantStatus(200)
			}
			f.do("POST", target+"?excluded="+ids[0]+"&excluded="+ids[2]+"&reason=bye", "").wantStatus(http.StatusNoContent)
			clients[1].Want(ctx, `{"type":7,"error":"bye"`)
			require.False(t, clients[1].WantEnd(ctx).AllowReconnect)
			f.settled(ctx, clients[0], clients[2])
			clients[0].WantNone(`"type":7`)
			clients[2].WantNone(`"type":7`)
			f.do("POST", target, "").wantStatus(http.StatusNoContent)
			clients[0].WantEnd(ctx)
			clients[2].WantEnd(ctx)
			f.do("POST", target, "").wantStatus(http.StatusNoContent)
		})
	}
}

const (
	member = "/api/hubs/chat/users/u/groups/g"
	group  = "/api/hubs/chat/groups/g"
)

func TestUsersInGroups(t *testing.T) {
	bubble := func(name string, test func(t *testing.T, f *fixture, reaches func(c *gatewaytest.Client, marker string, want bool))) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				test(t, f, func(c *gatewaytest.Client, marker string, want bool) {
					t.Helper()
					f.do("POST", group+send, `{"target":"`+marker+`"}`).wantStatus(202)
					f.settled(t.Context(), c)
					require.Equal(t, want, strings.Contains(strings.Join(c.Got(), ""), marker))
				})
			})
		})
	}
	type reach = func(c *gatewaytest.Client, marker string, want bool)

	bubble("R32 offline first", func(t *testing.T, f *fixture, reaches reach) {
		f.do("PUT", member, "").wantStatus(200)
		f.do("GET", member, "").wantStatus(200)
		f.do("GET", group, "").wantError(404, "Warning.Group.NotExisted")
		reaches(f.connect("chat", "c", "u"), "hello", true)
		f.do("GET", group, "").wantStatus(200)
	})
	bubble("R33 ttl 0 is for the connections of now", func(t *testing.T, f *fixture, reaches reach) {
		now := f.connect("chat", "now", "u")
		f.do("PUT", member+"?ttl=0", "").wantStatus(200)
		reaches(now, "one", true)
		reaches(f.connect("chat", "later", "u"), "two", false)
		f.do("DELETE", member, "").wantStatus(http.StatusNoContent)
		reaches(now, "three", false)
	})
	bubble("R33 ttl 2 ends for live connections and for new ones", func(t *testing.T, f *fixture, reaches reach) {
		live := f.connect("chat", "live", "u")
		f.do("PUT", member+"?TTL=2", "").wantStatus(200)
		reaches(live, "one", true)
		elapse(3 * time.Second)
		reaches(live, "two", false)
		reaches(f.connect("chat", "new", "u"), "three", false)
		f.do("HEAD", member, "").wantError(404, "Info.User.NotInGroup")
	})
	bubble("R35 all memberships go, live and standing", func(t *testing.T, f *fixture, reaches reach) {
		live := f.connect("chat", "live", "u")
		f.do("PUT", member, "").wantStatus(200)
		f.do("PUT", group+"/connections/live", "").wantStatus(200)
		f.do("PUT", "/api/hubs/chat/groups/own/connections/live", "").wantStatus(200)
		reaches(live, "one", true)
		f.do("DELETE", "/api/hubs/chat/users/u/groups", "").wantStatus(http.StatusNoContent)
		f.do("GET", member, "").wantError(404, "Info.User.NotInGroup")
		f.do("GET", "/api/hubs/chat/groups/own", "").wantStatus(404)
		reaches(live, "two", false)
		reaches(f.connect("chat", "new", "u"), "three", false)
	})
	bubble("R35 R38 v1 has codes of its own", func(t *testing.T, f *fixture, reaches reach) {
		for _, path := range []string{"/api/v1/hubs/chat/groups/g/users/u", "/api/v1/hubs/chat/users/u/groups/g"} {
			f.do("PUT", path+"?ttl=60", "").wantStatus(202)
			f.do("GET", path, "").wantStatus(200)
			f.do("DELETE", path, "").wantStatus(202)
			f.do("GET", path, "").wantError(404, "Info.User.NotInGroup")
		}
		f.do("PUT", member, "").wantStatus(200)
		f.do("DELETE", "/api/v1/hubs/chat/users/u/groups", "").wantStatus(200)
		f.do("GET", member, "").wantStatus(404)
	})
	bubble("unknown users are no error", func(t *testing.T, f *fixture, _ reach) {
		f.do("DELETE", "/api/hubs/chat/users/x/groups/g", "").wantStatus(http.StatusNoContent)
		f.do("DELETE", "/api/hubs/chat/users/x/groups", "").wantStatus(http.StatusNoContent)
	})
}

// elapse lets the time of a synctest bubble pass.
func elapse(d time.Duration) { time.Sleep(d) }

func TestApplications(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	c := f.connect("app_chat", "c", "u")
	t.Run("R14 application and hub name the hub of the client", func(t *testing.T) {
		f.do("POST", "/api/hubs/Chat/:send?application=App", `{"target":"one"}`).wantStatus(202)
		c.Want(ctx, "one")
		f.do("POST", "/api/hubs/APP_chat/users/u/:send", `{"target":"two"}`).wantStatus(202)
		c.Want(ctx, "two")
		f.do("POST", "/api/v1/hubs/CHAT?application=aPP", `{"target":"three"}`).wantStatus(202)
		c.Want(ctx, "three")
		f.do("HEAD", "/api/hubs/chat/connections/c", "").wantStatus(404)
		f.do("HEAD", "/api/hubs/chat/connections/c?application=app", "").wantStatus(200)
	})
}
