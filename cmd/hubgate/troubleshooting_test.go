package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubserver"
	"github.com/hubgate/hubgate/restapi"
)

// A mistake does what a row of docs/troubleshooting.md is about. What it returns is everything that the user can then
// see: answers, output and log.
type mistake func(t *testing.T) (seen func() string)

// mistakes are by the comment at the end of their row.
var mistakes = map[string]mistake{
	"no negotiate endpoint":       negotiating("chat", ""),
	"wrong key":                   negotiating("chat", otherKey),
	"token of another hub":        negotiating("news", string(auth.EmulatorKey.Reveal())),
	"hyphen":                      negotiating("my-hub", string(auth.EmulatorKey.Reveal())),
	"old token":                   negotiateWithOldToken,
	"no hub server":               connectWithoutServer,
	"webhook rejects":             connectRejected,
	"two gateways":                connectToTheOther,
	"origin":                      connectFromElsewhere,
	"path of the application":     askForThePathOfTheApplication,
	"forgotten upstream":          calling(nil),
	"pattern":                     calling(nil, "--upstream", "news=http://localhost:1/"),
	"application down":            calling(nil, "--upstream", "http://127.0.0.1:1/hook/{category}/{event}"),
	"webhook answers 500":         calling(answering(http.StatusInternalServerError, "")),
	"no route":                    calling(answering(http.StatusNotFound, "")),
	"webhook key":                 calling(answering(http.StatusUnauthorized, "")),
	"no completion":               calling(answering(http.StatusOK, `"hello"`)),
	"stream":                      stream,
	"brace":                       calling(answering(http.StatusNotFound, ""), "--upstream", "http://localhost:1/{hubb}"),
	"client that never connected": sending("user", "chat", "bob"),
	"wrong hub name":              sending("all", "caht"),
	"empty group":                 sending("group", "chat", "news"),
	"no handler":                  sending("all", "chat"),
	"nobody counted":              sendCounting,
	"second gateway":              startTwice("--listen", "--admin-listen"),
	"second admin address":        startTwice("--admin-listen", "--listen"),
	"emulator key":                running("serve", "--listen", "0.0.0.0:0", "--admin-listen", "off"),
	"unknown key":                 startWithUnknownKey,
	mistakenVariable:              startWithUnknownVariable,
	"no gateway":                  sendToNobody,
	"key of a command":            sendWithOtherKey,
	"self-signed certificate":     sendToSelfSigned("https"),
	"http for https":              sendToSelfSigned("http"),
	"wrong mode":                  connectServer(string(auth.EmulatorKey.Reveal())),
	"key of a server":             connectServer(otherKey, "--mode=default"),
	"gateway away":                comeBackWithTheOldConnection,

	"application in Serverless mode":              negotiateAspNet("app", nil),
	"server of an application in Serverless mode": connectAspNetServer,
	"no server of the application":                connectAspNetWithoutServer,
	"hub that the server does not have":           connectAspNetToUnknownHub,
	"came back too late":                          comeBackAspNet,
	"ping with an old token":                      pingWithOldToken,
	"JSONP":                                       negotiateAspNet("app", url.Values{"callback": {"jQuery1"}}, "--mode=default"),
	"name of an application":                      negotiateAspNet("my-app", nil, "--mode=default"),

	"groups after a restart": askForGroupAfterRestart,
}

const mistakenVariable = "unknown variable"

// alone are the mistakes that are made while no other test runs: a variable is there for all, and another test could get
// the port of a gateway that starts again.
var alone = []string{mistakenVariable, "gateway away", "groups after a restart"}

const otherKey = "another-access-key-than-that-of-the-gateway"

// troubles are the rows of the page that name a mistake, with what they say one sees.
func troubles(t *testing.T) map[string][]string {
	rows := map[string][]string{}
	for line := range strings.Lines(pages(t)["docs/troubleshooting.md"]) {
		m := regexp.MustCompile(`<!-- (.*) --> \|$`).FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		require.NotContains(t, rows, m[1], "two rows name one mistake")
		cells := strings.Split(line, " | ") // of a row whose quotes hold no bar
		require.Len(t, cells, 4, line)
		for _, quoted := range inlineCode.FindAllString(cells[0]+" "+cells[1], -1) {
			rows[m[1]] = append(rows[m[1]], strings.Trim(quoted, "`"))
		}
	}
	return rows
}

// Each row of the page was tried: the program says what the page says.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	rows := troubles(t)
	for name := range mistakes {
		require.Contains(t, slices.Collect(maps.Keys(rows)), name, "no row of docs/troubleshooting.md is about this mistake")
	}
	for name, quotes := range rows {
		if !slices.Contains(alone, name) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				showsItself(t, name, quotes)
			})
		}
	}
}

func TestTroubleshootingAlone(t *testing.T) {
	rows := troubles(t)
	for _, name := range alone {
		t.Run(name, func(t *testing.T) { showsItself(t, name, rows[name]) })
	}
}

// showsItself makes a mistake and waits until one sees what the page says of it.
func showsItself(t *testing.T, name string, quotes []string) {
	make := mistakes[name]
	require.NotNil(t, make, "nothing makes this mistake")
	require.NotEmpty(t, quotes)
	seen := make(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		text := seen()
		for _, quote := range quotes {
			assert.Contains(c, text, quote)
		}
	}, patience, 10*time.Millisecond)
}

// negotiating asks for a connection to the hub chat with a token for this hub, none without a key. A hub whose name is
// no name is asked for itself.
func negotiating(hub, key string) mistake {
	return func(t *testing.T) func() string {
		p := start(t)
		var header []string
		if key != "" {
			token, err := auth.SignClient(auth.Secret(key), p.URL, hub, auth.ClientTokenSpec{})
			require.NoError(t, err)
			header = []string{"Authorization", "Bearer " + token}
		}
		asked := "chat"
		if strings.Contains(hub, "-") {
			asked = hub
		}
		status, text := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub="+asked, "", header...)
		return p.saw(status, text)
	}
}

// saw is an answer and the gateway's log.
func (p *program) saw(about ...any) func() string {
	return func() string { return fmt.Sprintln(about...) + p.logs.String() }
}

func negotiateWithOldToken(t *testing.T) func() string {
	p := start(t)
	status, text := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "",
		"Authorization", "Bearer "+expired(t, string(auth.EmulatorKey.Reveal())))
	return p.saw(status, text)
}

func connectWithoutServer(t *testing.T) func() string {
	p := start(t, "--mode=default")
	ann := p.dial("chat", auth.ClientTokenSpec{})
	defer ann.conn.Close() // the line comes with the end of the transport
	return p.saw(ann.handshake())
}

// answering is an application whose webhooks answer alike, but for connected events, which they take.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-ASRS-Category") == "connections" {
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func connectRejected(t *testing.T) func() string {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(app.Close)
	p := start(t, "--upstream", app.URL+"/{category}/{event}")
	ann := p.connect("chat", "ann")
	defer ann.conn.Close() // the line comes with the end of the transport
	return p.saw(ann.next())
}

func connectToTheOther(t *testing.T) func() string {
	p, other := start(t, "--access-key", otherKey), start(t)
	token, err := auth.SignClient(otherKey, p.URL, "chat", auth.ClientTokenSpec{})
	require.NoError(t, err)
	status, text := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusOK, status)
	return other.saw(other.useConnection(text))
}

// useConnection begins a transport with the connection token of an answer to negotiate.
func (p *program) useConnection(negotiated string) (status int, text string) {
	p.t.Helper()
	var answer struct{ ConnectionToken string }
	require.NoError(p.t, json.Unmarshal([]byte(negotiated), &answer))
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
	require.NoError(p.t, err)
	return p.request(http.MethodGet, p.URL+"/client/?hub=chat&id="+answer.ConnectionToken, "", "Authorization", "Bearer "+token)
}

func connectFromElsewhere(t *testing.T) func() string {
	p := start(t, "--cors-allowed-origins", "https://page.example")
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
	require.NoError(t, err)
	_, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+"/client/?hub=chat",
		http.Header{"Authorization": {"Bearer " + token}, "Origin": {"https://other.example"}})
	require.Error(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return p.saw(resp.StatusCode, string(body))
}

func askForThePathOfTheApplication(t *testing.T) func() string {
	p := start(t)
	status, text := p.request(http.MethodPost, p.URL+"/client/chat/negotiate?negotiateVersion=1", "")
	return p.saw(status, text)
}

// calling invokes say behind a gateway with these arguments, or with this application.
func calling(app http.HandlerFunc, args ...string) mistake {
	return func(t *testing.T) func() string {
		if app != nil {
			server := httptest.NewServer(app)
			t.Cleanup(server.Close)
			args = append([]string{"--upstream", "chat=" + server.URL + "/hook/{category}/{event}"}, args...)
		}
		p := start(t, args...)
		return p.saw(p.connect("chat", "ann").invoke("say", `"hello"`))
	}
}

func stream(t *testing.T) func() string {
	p := start(t)
	ann := p.connect("chat", "ann")
	ann.send(`{"type":4,"invocationId":"i","target":"say","arguments":[]}`)
	return p.saw(ann.next())
}

// sending sends to where nobody is: only ann is connected, to hub chat.
func sending(whom ...string) mistake {
	return func(t *testing.T) func() string {
		p := start(t)
		p.connect("chat", "ann")
		args := append([]string{"send"}, whom...)
		code, out, stderr := command(append(args, "newMessage", "hello", "--connection-string", p.connectionString())...)
		require.Zero(t, code, stderr)
		return p.saw(out)
	}
}

func sendCounting(t *testing.T) func() string {
	p := start(t)
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+"/api/hubs/chat/:send", time.Minute)
	require.NoError(t, err)
	req, err := http.NewRequest(http.MethodPost, p.URL+"/api/hubs/chat/:send", strings.NewReader(hello))
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, restapi.CountHeader: {"true"}}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	return p.saw(restapi.MatchedHeader + ": " + resp.Header.Get(restapi.MatchedHeader))
}

// running is a command alone.
func running(args ...string) mistake {
	return func(*testing.T) func() string {
		code, out, stderr := command(args...)
		return func() string { return fmt.Sprintln(code) + out + stderr }
	}
}

// startTwice starts a gateway for which the address of this flag is taken.
func startTwice(taken, other string) mistake {
	return func(t *testing.T) func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		return running("serve", taken, l.Addr().String(), other, "127.0.0.1:0")(t)
	}
}

func startWithUnknownKey(t *testing.T) func() string {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	require.NoError(t, os.WriteFile(file, []byte("listn: [localhost:0]\n"), 0o600))
	return running("serve", "--config", file)(t)
}

func startWithUnknownVariable(t *testing.T) func() string {
	t.Setenv("HUBGATE_LISTN", "localhost:1")
	return start(t).saw()
}

func sendToNobody(t *testing.T) func() string {
	return running("send", "all", "chat", "m", "--connection-string", "Endpoint=http://127.0.0.1:1;AccessKey="+otherKey+";Version=1.0;")(t)
}

func sendWithOtherKey(t *testing.T) func() string {
	p := start(t)
	code, out, stderr := command("send", "all", "chat", "m", "--connection-string", connectionString(p.URL, otherKey))
	return p.saw(code, out, stderr)
}

func sendToSelfSigned(scheme string) mistake {
	return func(t *testing.T) func() string {
		certFile, keyFile, _ := keyPair(t, t.TempDir(), "own")
		p := start(t, "--tls-cert", certFile, "--tls-key", keyFile)
		code, out, stderr := command("send", "all", "chat", "m", "--connection-string",
			connectionString(strings.Replace(p.URL, "https:", scheme+":", 1), auth.EmulatorKey))
		return p.saw(code, out, stderr)
	}
}

// connectServer runs a hub server with this key, and shows its log as well.
func connectServer(key string, args ...string) mistake {
	return func(t *testing.T) func() string {
		p := start(t, args...)
		app := newApplication("chat", "s1")
		logs := newOutput()
		app.Server = hubserver.NewServer(hubserver.MustParseConnectionString(connectionString("http://gateway.test", auth.Secret(key))), app.hub)
		app.Connections, app.DialContext, app.Logger = 1, app.dial, slog.New(slog.NewTextHandler(logs, nil))
		app.serve(t, p)
		return func() string { return logs.String() + p.logs.String() }
	}
}

// restart ends a gateway and starts another one at its address, with its key.
func (p *program) restart() *program {
	p.t.Helper()
	p.stop()
	return start(p.t, "--listen", strings.TrimPrefix(p.URL, "http://"))
}

func comeBackWithTheOldConnection(t *testing.T) func() string {
	p := start(t)
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
	require.NoError(t, err)
	_, negotiated := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+token)
	ann := p.connect("chat", "ann")
	p.cancel()
	ann.wantClose(true)
	second := p.restart()
	seen := second.saw(second.useConnection(negotiated))
	require.NotEmpty(t, second.connect("chat", "ann").id, "who negotiates again is back")
	return seen
}

func askForGroupAfterRestart(t *testing.T) func() string {
	p := start(t)
	ann := p.connect("chat", "ann")
	status, _ := p.rest(http.MethodPut, "/api/hubs/chat/groups/news/connections/"+ann.id, "")
	require.Equal(t, http.StatusOK, status)
	status, _ = p.rest(http.MethodGet, "/api/hubs/chat/groups/news", "")
	require.Equal(t, http.StatusOK, status)
	p.cancel()
	ann.wantClose(true)
	second := p.restart()
	return second.saw(second.rest(http.MethodGet, "/api/hubs/chat/groups/news", ""))
}
