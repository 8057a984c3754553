// Package doctor looks at a running gateway from outside, as clients do, and says what stands between: proxies that
// buffer or do not upgrade, certificates, clocks, limits of files, upstreams and nodes that cannot be reached. Each
// finding has a cause and a cure. It changes nothing.
package doctor

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// Level is how bad a finding is. The list is closed.
type Level string

const (
	// OK: nothing is wrong. Skipped: it could not be looked at, or does not apply.
	OK      Level = "ok"
	Skipped Level = "skipped"
	// Warning: it works, but will not under some condition. Failed: it does not work.
	Warning Level = "warning"
	Failed  Level = "failed"
)

// Finding is the outcome of one check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Text is what was seen. Cause and Cure are for warnings and failures.
	Text  string `json:"text"`
	Cause string `json:"cause,omitempty"`
	Cure  string `json:"cure,omitempty"`
}

// Patient is what is looked at.
type Patient struct {
	// URL is where clients reach the gateway, through whatever is in between. Hub is the one to enter.
	URL *url.URL
	Hub string
	// ClientToken signs a token for a client of the hub.
	ClientToken func() (string, error)
	// Admin asks the admin address for a path; nil if there is none. The error is for people. A status other than
	// 200 is none.
	Admin func(ctx context.Context, path string) (status int, body []byte, err error)
	// AdminURL is that address.
	AdminURL *url.URL
	// TLS is used for https URLs; nil is the system's trust.
	TLS *tls.Config
	// Patience is how long the doctor waits for what should come at once; 0 is 5 seconds.
	Patience time.Duration
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// examination is one run of all checks.
type examination struct {
	*Patient
	client   *http.Client
	findings []Finding
}

// Examine makes all checks and returns what was found, in the order of the checks.
func Examine(ctx context.Context, p *Patient) []Finding {
	if p.Patience <= 0 {
		p.Patience = 5 * time.Second
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = p.TLS
	transport.DisableCompression = true
	defer transport.CloseIdleConnections()
	x := &examination{Patient: p, client: &http.Client{Transport: transport}}
	x.certificate(ctx)
	if x.negotiates(ctx) {
		x.webSocket(ctx)
		x.serverSentEvents(ctx)
		x.longPolling(ctx)
	} else {
		for _, check := range []string{checkWebSocket, checkEvents, checkPolling} {
			x.find(check, Skipped, "negotiate has to work first", "", "")
		}
	}
	x.adminAddress(ctx)
	return x.findings
}

// Worst returns the worst level of the findings.
func Worst(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		if f.Level == Failed || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

func (x *examination) find(check string, level Level, text, cause, cure string) {
	x.findings = append(x.findings, Finding{check, level, text, cause, cure})
}

func (x *examination) ok(check, text string) { x.find(check, OK, text, "", "") }

// soon bounds a step.
func (x *examination) soon(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, x.Patience)
}

// The checks, by name. The list is closed.
const (
	checkTLS       = "tls"
	checkNegotiate = "negotiate"
	checkClock     = "clock"
	checkWebSocket = "websocket"
	checkEvents    = "server-sent events"
	checkPolling   = "long polling"
	checkAdmin     = "admin address"
	checkReady     = "ready"
	checkFiles     = "file limit"
	checkUpstreams = "upstreams"
	checkCluster   = "cluster"
)
