package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// Effects of the files, the network, TLS and the logs: all read at the start.
var networkEffects = map[string]func(*testing.T) effect{
	"config": func(t *testing.T) effect {
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		writeFile(t, file, "mode: default\n")
		return effect{unusual: file, see: seeMode, before: "serves without hub servers", after: "waits for hub servers"}
	},
	"settings": func(t *testing.T) effect {
		h, dir := newHook(t, answers("hook")), t.TempDir()
		writeFile(t, filepath.Join(dir, settingsFileName), settingsWith(h.template()))
		return effect{unusual: dir, see: seeWebhook, before: unmatchedError, after: "result hook"}
	},
	"listen": func(*testing.T) effect {
		return effect{usual: "127.0.0.1:0", unusual: net.JoinHostPort(otherLoopback(), "0"), before: "127.0.0.1", after: otherLoopback(), see: func(t *testing.T, p *program) string {
			return seeHost(t, p, p.URL+"/api/health")
		}}
	},
	"admin-listen": func(*testing.T) effect {
		return effect{usual: "127.0.0.1:0", unusual: net.JoinHostPort(otherLoopback(), "0"), before: "127.0.0.1", after: otherLoopback(), see: func(t *testing.T, p *program) string {
			return seeHost(t, p, p.Admin+"/livez")
		}}
	},
	"public-url": func(*testing.T) effect {
		return effect{usual: "http://gateway", unusual: "https://gw.example/base", before: "http://gateway/client/?hub=chat", after: "https://gw.example/base/client/?hub=chat", see: seeAudience}
	},
	"trusted-proxies": func(*testing.T) effect {
		return effect{unusual: "10.0.0.0/8,127.0.0.1", before: "127.0.0.1", after: "203.0.113.9", see: func(t *testing.T, p *program) string {
			require.Equal(t, "401", p.status(http.MethodPost, p.URL+"/client/negotiate?hub=chat", "", "X-Forwarded-For", "203.0.113.9"))
			return eventually(t, func() string { return firstMatch(`remote=([0-9.]+)`, p.logs.String()) })
		}}
	},
	"node": func(*testing.T) effect {
		return effect{usual: "other", unusual: "node_-1", before: "other", after: "node_-1", see: func(t *testing.T, p *program) string {
			return auth.NodeOf(p.connect("chat", "ann").id)
		}}
	},
	"drain-delay": func(*testing.T) effect {
		// Programs of these tests have 100 ms to end, in which a busy machine does not come to it.
		return effect{unusual: "300ms", with: []string{"--drain-timeout", "1m"}, before: "at once", after: "waits", see: func(t *testing.T, p *program) string {
			began := time.Now()
			require.Equal(t, exitOK, p.stop())
			if took := time.Since(began); strings.Contains(p.logs.String(), "health checks say so") {
				require.GreaterOrEqual(t, took, 300*time.Millisecond)
				return "waits"
			}
			return "at once"
		}}
	},
	"drain-timeout": func(t *testing.T) effect {
		h := newHook(t, hangs)
		return effect{usual: "1h", unusual: "50ms", with: h.upstream(), before: never, after: "not drained", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann").send(`{"type":1,"target":"m","arguments":[]}`)
			<-h.calls
			<-h.calls // connected, m
			require.Equal(t, exitError, p.stop())
			return "not drained"
		}}
	},
	"unsafe-listen-with-well-known-key": func(*testing.T) effect {
		return effect{unusual: "true", with: []string{"--listen", "0.0.0.0:0"}, before: "listen: 0.0.0.0:0 can be reached", after: "200", see: func(_ *testing.T, p *program) string {
			return p.status(http.MethodGet, "http://"+p.Address+"/api/health", "")
		}}
	},
	"tls-cert": func(t *testing.T) effect {
		cert, key, _ := keyPair(t, t.TempDir(), "own")
		return effect{unusual: cert, with: []string{"--tls-key", key}, before: "tls: cert and key go together", after: "own", see: seeCertificate}
	},
	"tls-key": func(t *testing.T) effect {
		cert, key, _ := keyPair(t, t.TempDir(), "own")
		return effect{unusual: key, with: []string{"--tls-cert", cert}, before: "tls: cert and key go together", after: "own", see: seeCertificate}
	},
	"log-level": func(*testing.T) effect {
		return effect{usual: "info", unusual: "DEBUG", before: "INFO", after: "DEBUG", see: func(_ *testing.T, p *program) string {
			p.stop()
			if strings.Contains(p.logs.String(), "level=DEBUG") {
				return "DEBUG"
			}
			return firstMatch(`level=([A-Z]+)`, p.logs.String())
		}}
	},
	"log-format": func(*testing.T) effect {
		return effect{usual: "text", unusual: "JSON", before: "text", after: "json", see: func(_ *testing.T, p *program) string {
			if json.Valid([]byte(strings.SplitN(p.logs.String(), "\n", 2)[0])) {
				return "json"
			}
			return "text"
		}}
	},
}

// otherLoopback is another address of this machine than 127.0.0.1.
func otherLoopback() string {
	if runtime.GOOS == "linux" {
		return "127.0.0.2"
	}
	return "::1"
}

// seeMode says whether clients need a hub server.
func seeMode(_ *testing.T, p *program) string {
	if strings.Contains(p.dial("chat", auth.ClientTokenSpec{}).handshake(), "No hub server is connected") {
		return "waits for hub servers"
	}
	return "serves without hub servers"
}

const unmatchedError = "No upstream endpoint matches hub, category, event: chat, messages, m."

// seeWebhook calls a method of the hub chat.
func seeWebhook(_ *testing.T, p *program) string { return p.connect("chat", "ann").result("m", "") }

func settingsWith(templates ...string) string {
	list := make([]string, 0, len(templates))
	for _, template := range templates {
		list = append(list, `{"UrlTemplate":"`+template+`"}`)
	}
	return `{"UpstreamSettings":{"Templates":[` + strings.Join(list, ",") + `]}}`
}

// seeHost is the host at which the program was found to answer.
func seeHost(t *testing.T, p *program, at string) string {
	require.Equal(t, "200", p.status(http.MethodGet, at, ""))
	u, err := url.Parse(at)
	require.NoError(t, err)
	return u.Hostname()
}

// seeAudience is the audience of a client token that the gateway makes.
func seeAudience(t *testing.T, p *program) string {
	path := "/api/hubs/chat/:generateToken"
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+path, time.Minute)
	require.NoError(t, err)
	status, answer := p.request(http.MethodPost, "http://"+p.Address+path+"?api-version=2022-11-01", "", "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusOK, status, answer)
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(answer, ".")[1])
	require.NoError(t, err)
	var named struct{ Aud string }
	require.NoError(t, json.Unmarshal(claims, &named))
	return named.Aud
}

// seeCertificate is the name in the certificate that is served.
func seeCertificate(t *testing.T, p *program) string {
	conn, err := tls.Dial("tcp", p.Address, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// firstMatch is the first group of the first match, "" without one.
func firstMatch(pattern, text string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
