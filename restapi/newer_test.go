package restapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
)

func (f *fixture) page(link string) (page ConnectionPage) {
	f.t.Helper()
	a := f.do("GET", strings.TrimPrefix(link, "http://example.com"), "")
	a.wantStatus(200)
	require.NoError(f.t, json.Unmarshal([]byte(a.body), &page))
	return page
}

func TestR44ListOfConnections(t *testing.T) {
	f := newFixture(t)
	const list = "/api/hubs/chat/groups/red/connections"
	require.Equal(t, `{"value":[]}`, strings.TrimSpace(f.do("GET", list, "").body))
	for i := range 450 {
		user := ""
		if i%2 == 0 {
			user = fmt.Sprint("u", i)
		}
		f.connect("chat", fmt.Sprintf("c%03d", i), user)
	}
	f.do("POST", "/api/hubs/chat/:execute", `[{"type":"JoinGroup","group":"red"}]`).wantStatus(202)
	for query, want := range map[string][]int{
		"":                                  {200, 200, 50},
		"?top=250":                          {200, 50},
		"?top=200":                          {200},
		"?top=7&maxpagesize=3":              {3, 3, 1},
		"?MaxPageSize=150":                  {150, 150, 150},
		"?top=2147483647":                   {200, 200, 50},
		"?api-version=2024-12-01&top=201":   {200, 1},
		"?application=&maxpagesize=1&top=1": {1},
	} {
		seen := make(map[string]bool)
		link := list + query
		var sizes []int
		for link != "" {
			page := f.page(link)
			sizes = append(sizes, len(page.Value))
			for _, c := range page.Value {
				require.False(t, seen[c.ConnectionId])
				seen[c.ConnectionId] = true
				var i int
				_, err := fmt.Sscanf(c.ConnectionId, "c%d", &i)
				require.NoError(t, err)
				if i%2 == 0 {
					require.Equal(t, fmt.Sprint("u", i), c.UserId)
				} else {
					require.Empty(t, c.UserId)
				}
			}
			require.NotEqual(t, link, page.NextLink)
			link = page.NextLink
			if link != "" {
				require.True(t, strings.HasPrefix(link, "http://example.com"+list+"?"), link)
			}
			require.Equal(t, strings.Contains(query, "api-version") && link != "", strings.Contains(link, "api-version=2024-12-01"))
		}
		require.Equal(t, want, sizes, query)
	}
	for _, query := range []string{"maxpagesize=0", "maxpagesize=201", "maxpagesize=-1", "maxpagesize=x", "top=0", "top=-1", "top=99999999999", "continuationToken=%21"} {
		f.do("GET", list+"?"+query, "").wantError(400, codeRequestInvalid)
	}
	f.do("GET", "/api/hubs/chat/groups/%20/connections", "").wantError(400, "Error.Group.Invalid")
	for scheme, forwarded := range map[string]string{"https": "https", "HTTPS, http": "https", "http, https": "http", "gopher": "http"} {
		behind := f.do("GET", list+"?maxpagesize=1", "", with("X-Forwarded-Proto", scheme))
		require.Contains(t, behind.body, `"nextLink":"`+forwarded+`://example.com/api/hubs/chat/groups/red/connections?`)
	}
}

func TestR43Streams(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	a := f.connect("chat", "a", "ann")
	packed := gatewaytest.Connect(t, f.gateway, gatewaytest.Options{Hub: "chat", ID: "p", Protocol: "messagepack"})
	const streams = "/api/hubs/chat/connections/a/streams/"
	for _, item := range []string{`{"price":7}`, `"text"`, ` [1] `, `null`, `12`} {
		f.do("POST", streams+"s1/:send", item).wantStatus(202)
		a.Want(ctx, `{"type":2,"invocationId":"s1","item":`+strings.TrimSpace(item)+"}\x1e")
	}
	f.do("POST", streams+"s1/:send?completed=true", `"last"`).wantStatus(202)
	a.Want(ctx, `{"type":2,"invocationId":"s1","item":"last"}`+"\x1e"+`{"type":3,"invocationId":"s1"}`+"\x1e")
	f.do("POST", streams+"s2/:complete", "").wantStatus(202)
	a.Want(ctx, `{"type":3,"invocationId":"s2"}`+"\x1e")
	f.do("POST", streams+"s3/:complete?error=no%20more", "").wantStatus(202)
	a.Want(ctx, `{"type":3,"invocationId":"s3","error":"no more"}`+"\x1e")
	f.do("POST", streams+"s4/:complete?reason=enough", "").wantStatus(202)
	a.Want(ctx, `{"type":3,"invocationId":"s4","error":"enough"}`+"\x1e")

	f.do("POST", "/api/hubs/chat/connections/p/streams/s5/:send?completed=true", `{"price":7}`).wantStatus(202)
	packed.Want(ctx, "\x94\x02\x80\xa2s5\x81\xa5price\x07")
	packed.Want(ctx, "\x94\x03\x80\xa2s5\x02")
	f.do("POST", "/api/hubs/chat/connections/p/streams/s6/:complete?error=x", "").wantStatus(202)
	packed.Want(ctx, "\x95\x03\x80\xa2s6\x01\xa1x")
	f.do("POST", streams+"s7/:send", "\x07", with("Content-Type", "application/x-msgpack")).wantStatus(202)
	a.Want(ctx, `{"type":2,"invocationId":"s7","item":7}`)
	frame := `{"type":2,"invocationId":"s8","item":1}` + "\x1e"
	f.do("POST", streams+"s8/:send?completed=true", "\x81\xa4json\xc4"+string([]byte{byte(len(frame))})+frame, with("Content-Type", "application/octet-stream")).wantStatus(202)
	a.Want(ctx, frame+`{"type":3,"invocationId":"s8"}`)

	f.do("POST", "/api/hubs/chat/connections/nobody/streams/s/:send", `1`).wantStatus(202)
	f.do("POST", "/api/hubs/chat/connections/nobody/streams/s/:complete", "").wantStatus(202)
	for _, bad := range []string{streams + "%20/:send", streams + strings.Repeat("s", 101) + "/:send", streams + "s/:send?completed=maybe"} {
		f.do("POST", bad, `1`).wantError(400, codeRequestInvalid)
	}
	for _, body := range []string{`{`, `1 2`, strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		f.do("POST", streams+"s/:send", body).wantError(400, codeRequestInvalid)
	}
	f.do("POST", streams+strings.Repeat("%C3%BC", 100)+"/:complete", "").wantStatus(202)
}

func TestR41Execute(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	guest, ann, nobody := f.connect("chat", "a", "guest-1"), f.connect("chat", "b", "ann"), f.connect("chat", "c", "")
	execute := func(filter, body string) answer {
		return f.do("POST", "/api/hubs/chat/:execute?filter="+strings.NewReplacer(" ", "%20", "'", "%27").Replace(filter), body)
	}
	send := func(target string) string {
		return `{"type":"SendMessage","message":{"target":"` + target + `","arguments":[1]}}`
	}
	only := func(target string, wants *gatewaytest.Client, others ...*gatewaytest.Client) {
		t.Helper()
		wants.Want(ctx, target)
		f.settled(ctx, others...)
		for _, c := range others {
			c.WantNone(target)
		}
	}
	execute("startswith(userId,'guest-')", "["+send("forGuests")+"]").wantStatus(202)
	only("forGuests", guest, ann, nobody)
	execute("userId eq null", "["+send("forNobody")+"]").wantStatus(202)
	only("forNobody", nobody, ann, guest)
	execute("connectionId in ('b','x')", `[{"type":"joingroup","GROUP":"vip"},{"Type":"SendMessage","message":{"Target":"forB"}}]`).wantStatus(202)
	only("forB", ann, guest, nobody)
	f.do("GET", "/api/hubs/chat/groups/vip", "").wantStatus(200)
	execute("'vip' in groups", "["+send("forVIP")+"]").wantStatus(202)
	only("forVIP", ann, guest, nobody)

	// Commands are carried out in order, and the filter looks anew each time.
	execute("not ('vip' in groups) and userId ne null", `[{"type":"JoinGroup","group":"vip"},`+send("tooLate")+`]`).wantStatus(202)
	execute("'vip' in groups", `[{"type":"LeaveGroup","group":"vip"},`+send("alsoTooLate")+`]`).wantStatus(202)
	execute("", "["+send("forAll")+"]").wantStatus(202)
	for _, c := range []*gatewaytest.Client{guest, ann, nobody} {
		c.Want(ctx, "forAll")
		c.WantNone("ooLate")
	}
	f.do("GET", "/api/hubs/chat/groups/vip", "").wantError(404, codeNoGroup)

	execute("userId eq 'ann'", `[{"type":"CloseConnection","reason":"bye"}]`).wantStatus(202)
	require.Equal(t, "bye", ann.WantEnd(ctx).Text)
	f.settled(ctx, guest, nobody)
	f.do("POST", "/api/hubs/unknown/:execute", "["+send("x")+"]").wantStatus(202)

	for filter, message := range map[string]string{"userId eq": "at character 10", "user eq 'a'": "at character 1", "'a'": "no condition", strings.Repeat("(", 40): "at character 33"} {
		a := execute(filter, "["+send("never")+"]")
		a.wantError(400, codeRequestInvalid)
		require.Contains(t, a.body, message)
	}
	for body, message := range map[string]string{
		`{}`: "not a JSON array", `[`: "", `[] []`: "", `[]`: "There are no commands", `null`: "not a JSON array", `[null]`: "Command 1", `[1]`: "Command 1",
		"[" + send("never") + `,{"type":"Dance"}]`:                         "Command 2 is not valid: It has no known type",
		"[" + send("never") + `,{"type":"SendMessage"}]`:                   "Command 2 is not valid: It has no message",
		`[{"type":"SendMessage","message":{"arguments":[]}}]`:              "Command 1 is not valid: The message needs a target",
		`[{"type":"SendMessage","message":7}]`:                             "Command 1",
		`[{"type":"JoinGroup"}]`:                                           "Command 1 is not valid: The group's name is blank",
		`[{"type":"JoinGroup","group":7}]`:                                 "Its group is not a text",
		`[{"type":"LeaveGroup","group":" "}]`:                              "blank",
		`[{"type":"CloseConnection","reason":{}}]`:                         "Its reason is not a text",
		"[" + strings.Repeat(send("never")+",", 100) + send("never") + "]": "more than 100 commands",
		"[" + send("never") + "] x":                                        "",
		strings.Repeat("[", 500) + strings.Repeat("]", 500):                "",
	} {
		a := execute("", body)
		require.Equal(t, 400, a.status, "%s: %s", body, a.body)
		require.Contains(t, a.body, message, body)
	}
	f.do("POST", "/api/hubs/chat/:execute", "["+send("never")+"]", with("Content-Type", "application/x-msgpack")).wantStatus(415)
	f.settled(ctx, guest)
	guest.WantNone("never")
}

func FuzzCommands(f *testing.F) {
	f.Add([]byte(`[{"type":"SendMessage","message":{"target":"m","arguments":[1]}},{"type":"JoinGroup","group":"g"},{"type":"CloseConnection","reason":"r"}]`))
	f.Add([]byte(`[{"TYPE":"leavegroup","Group":"g","x":[{}]}]`))
	f.Add([]byte(`[{"type":"SendMessage","excluded":["a"],"message":{"target":"m","arguments":[{"a":[null,1e400,"\ud800"]}]}}]`))
	f.Add([]byte(`[{"type":"LeaveAllGroups"},{"type":"LeaveGroup","group":""},{"type":"SendMessage"}]`))
	f.Add([]byte(`[{"type":7},{"type":"JoinGroup","group":["g"]},null]`))
	f.Add([]byte(`{"commands":[]}`))
	f.Add([]byte("[]"))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		commands, err := parseCommands(jsonType, body)
		if err != nil {
			require.NotEmpty(t, invalidText(err))
			return
		}
		require.NotEmpty(t, commands)
		require.LessOrEqual(t, len(commands), maxCommands)
		for _, cmd := range commands {
			require.NotZero(t, cmd.Verb)
		}
	})
}
